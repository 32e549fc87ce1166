"""The command ``fw config``."""

from __future__ import annotations

from pathlib import Path

import typer

app = typer.Typer(help="Look at the settings of a run before it starts.", no_args_is_help=True)

OVERRIDES = typer.Argument(None, metavar="[KEY=VALUE]...", help="Settings, as fw train takes them.")
CONFIG = typer.Option(None, "--config", "-c", help="A settings file.")
CONFIG_DIR = typer.Option(None, "--config-dir", help="A folder of config groups of your own (default: configs).")


@app.command("show")
def show(
    overrides: list[str] = OVERRIDES,
    config: Path = CONFIG,
    config_dir: Path = CONFIG_DIR,
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Print every setting of a run as a file that is valid input."""
    import json

    from framework_core.config.compose import compose
    from framework_core.config.saved import saved_settings, settings_text

    found = compose(overrides or [], config_file=config, config_dir=config_dir).config
    print(
        json.dumps(saved_settings(found), indent=2) if as_json else settings_text(found),
        end="\n" if as_json else "",
    )


@app.command("validate")
def validate(overrides: list[str] = OVERRIDES, config: Path = CONFIG, config_dir: Path = CONFIG_DIR) -> None:
    """Check the settings of a run; say everything that is not allowed."""
    from framework_core.cli.screen import note
    from framework_core.config.compose import compose

    found = compose(overrides or [], config_file=config, config_dir=config_dir).config
    note(f"These settings are allowed: {found.model.name} on {found.dataset.name}.")


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of all settings, with those of every installed component."""
    from framework_core.cli.screen import print_json
    from framework_core.config.schema import json_schema

    print_json(json_schema())
