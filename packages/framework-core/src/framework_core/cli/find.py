"""The commands ``fw find lr`` and ``fw find batch-size``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from framework_core.contracts.config import RunConfig

app = typer.Typer(
    help="Find a good learning rate, or the batch size that fits.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
SETTINGS = typer.Argument(None, metavar="[KEY=VALUE]...", help="Settings, as fw train takes them.")
MODEL = typer.Option("", "--model", "-m", help="A name (fw list models), file.py:Class or module:Class.")
DATASET = typer.Option("", "--dataset", "-d", help="A name (fw list datasets), file.py:Class or module:Class.")
CONFIG = typer.Option(None, "--config", "-c", help="A settings file.")
JSON = typer.Option(False, "--json", help="Print what was found as JSON.")


@app.command("lr")
def lr(
    overrides: list[str] = SETTINGS,
    model: str = MODEL,
    dataset: str = DATASET,
    config: Path | None = CONFIG,
    lowest: float = typer.Option(1e-6, "--from", help="The learning rate to begin with."),
    highest: float = typer.Option(1.0, "--to", help="The learning rate to end with."),
    steps: int = typer.Option(100, "--steps", help="How many steps lie between them."),
    as_json: bool = JSON,
) -> None:
    """Raise the learning rate step by step, and find where the loss falls most steeply. Nothing is written."""
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.cli.training import training_library
    from framework_core.process import is_main_process

    found = training_library("fw find lr").find_lr(
        _composed(overrides, model, dataset, config), lowest=lowest, highest=highest, steps=steps
    )
    if not is_main_process():
        return
    if as_json:
        print_json({"suggestion": found.suggestion, "rates": found.rates, "losses": found.losses})
        return
    every = max(1, len(found.rates) // 12)
    rows = [
        [f"{rate:.1e}", f"{loss:.4f}"] for rate, loss in zip(found.rates[::every], found.losses[::every], strict=True)
    ]
    print_table(rows, ["lr", "loss"])
    note(f"The loss falls most steeply at {found.suggestion:.1e}" + (" and ran away later." if found.diverged else "."))
    note(f"Take it: optimizer.lr={found.suggestion:.1e}")


@app.command("batch-size")
def batch_size(
    overrides: list[str] = SETTINGS,
    model: str = MODEL,
    dataset: str = DATASET,
    config: Path | None = CONFIG,
    first: int = typer.Option(8, "--from", min=1, help="The batch size to begin with."),
    most: int | None = typer.Option(None, "--to", min=1, help="The largest to try; empty is all samples."),
    as_json: bool = JSON,
) -> None:
    """Double the batch size until it does not fit, and time a few steps with each. Nothing is written."""
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.cli.training import training_library
    from framework_core.process import is_main_process

    found = training_library("fw find batch-size").find_batch_size(
        _composed(overrides, model, dataset, config), first=first, most=most
    )
    if not is_main_process():
        return
    if as_json:
        trials = [
            {"batch_size": each.batch_size, "samples_per_second": each.samples_per_second} for each in found.trials
        ]
        print_json({"suggestion": found.suggestion, "largest": found.largest, "ended": found.ended, "trials": trials})
        return
    rows = [
        [str(each.batch_size), "does not fit" if each.samples_per_second is None else f"{each.samples_per_second:,.0f}"]
        for each in found.trials
    ]
    print_table(rows, ["batch size", "samples/s"])
    note(f"The largest that fits is {found.largest}; it ended because {found.ended}.")
    note(f"{found.suggestion} is the smallest that is nearly as fast as the fastest.")
    note(f"Take it: dataset.batch_size={found.suggestion}")
    note(f"The learning rate goes with it: fw find lr dataset.batch_size={found.suggestion}")


def _composed(overrides: list[str] | None, model: str, dataset: str, config: Path | None) -> RunConfig:
    from framework_core.config.compose import compose
    from framework_core.config.project import settings_file_here

    words = overrides or []
    here = None if config else settings_file_here(words, model=model)
    return compose(words, model=model, dataset=dataset, config_file=config or here).config
