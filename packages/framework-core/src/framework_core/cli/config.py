"""The command ``fw config``."""

from __future__ import annotations

from pathlib import Path

import typer

app = typer.Typer(help="Look at the settings of a run before it starts.", no_args_is_help=True)

OVERRIDES = typer.Argument(None, metavar="[KEY=VALUE]...", help="Settings, as fw train takes them.")
CONFIG = typer.Option(
    None, "--config", "-c", help="A settings file (default: config.yaml here, where no model is named)."
)
JSON = typer.Option(False, "--json", help="Print as JSON.")
CONFIG_DIR = typer.Option(None, "--config-dir", help="A folder of config groups of your own (default: configs).")


@app.command("show")
def show(
    overrides: list[str] = OVERRIDES,
    config: Path | None = CONFIG,
    config_dir: Path = CONFIG_DIR,
    origin: bool = typer.Option(False, "--origin", help="Say beside each setting where it comes from."),
    as_json: bool = JSON,
) -> None:
    """Print every setting of a run as a file that is valid input."""
    from framework_core.cli.screen import print_json
    from framework_core.config import explain as shown
    from framework_core.config.compose import compose
    from framework_core.config.project import settings_file_here
    from framework_core.config.saved import settings_file, settings_text

    found = compose(
        overrides or [], config_file=config or settings_file_here(overrides or []), config_dir=config_dir, trace=origin
    )
    if as_json:
        print_json(shown.with_origins(found) if origin else settings_file(found.config))
    else:
        print(shown.text_with_origins(found) if origin else settings_text(found.config), end="")


@app.command("why")
def why(
    key: str = typer.Argument(..., metavar="KEY", help="A setting or a group of them: trainer.max_epochs, optimizer."),
    overrides: list[str] = OVERRIDES,
    config: Path | None = CONFIG,
    config_dir: Path = CONFIG_DIR,
    as_json: bool = JSON,
) -> None:
    """Say where a setting comes from, and what it replaced."""
    from framework_core.cli.screen import print_facts, print_json, print_table
    from framework_core.config import explain as shown
    from framework_core.config.compose import compose
    from framework_core.config.project import settings_file_here

    found = shown.explain(
        compose(
            overrides or [],
            config_file=config or settings_file_here(overrides or []),
            config_dir=config_dir,
            trace=True,
        ),
        key,
    )
    if as_json:
        print_json([each.as_dict() for each in found])
    elif len(found) == 1:
        print(f"{found[0].path} = {found[0].value}")
        print_facts([(f"  {name}", text) for name, text in found[0].lines()])
    else:
        print_table([[each.path, each.value, str(each.origin)] for each in found], ["key", "value", "from"])


@app.command("diff")
def diff(
    first: str = typer.Argument(..., metavar="A", help="A settings file, or a run: its id, name, folder, or 'last'."),
    second: str = typer.Argument(..., metavar="B", help="Another."),
    as_json: bool = JSON,
) -> None:
    """Print the settings in which two files or runs differ."""
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.config.diff import differences

    found = differences(_settings_file(first), _settings_file(second))
    if as_json:
        print_json([{"key": each.key, "a": each.first, "b": each.second} for each in found])
    elif found:
        print_table([[each.key, each.first, each.second] for each in found], ["key", first, second])
    else:
        note("They have the same settings.")


def _settings_file(word: str) -> Path:
    """A settings file itself, or that of a run."""
    if Path(word).is_file() or word.endswith((".yaml", ".yml")):
        return Path(word)
    from framework_core.tracking.lookup import CONFIG as SAVED
    from framework_core.tracking.lookup import find_run

    return find_run(word, output_dir=Path("runs")).directory / SAVED


@app.command("validate")
def validate(overrides: list[str] = OVERRIDES, config: Path | None = CONFIG, config_dir: Path = CONFIG_DIR) -> None:
    """Check the settings of a run; say everything that is not allowed."""
    from framework_core.cli.screen import note
    from framework_core.config.compose import compose
    from framework_core.config.project import settings_file_here

    found = compose(
        overrides or [], config_file=config or settings_file_here(overrides or []), config_dir=config_dir
    ).config
    note(f"These settings are allowed: {found.model.name} on {found.dataset.name}.")


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of all settings, with those of every installed component."""
    from framework_core.cli.screen import print_json
    from framework_core.config.schema import json_schema

    print_json(json_schema())
