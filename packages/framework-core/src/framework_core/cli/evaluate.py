"""The command ``fw evaluate``."""

from __future__ import annotations

from enum import Enum

import typer


class Split(str, Enum):
    """The parts of a dataset on which a model can be measured."""

    test = "test"
    val = "val"


def evaluate(
    run: str = typer.Argument(..., help="A run: its id, its beginning, its name, its folder, 'last'; or MODEL@STAGE."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Settings: dataset.path=other/data."),
    split: Split = typer.Option(Split.test, "--split", help="test or val."),
    as_json: bool = typer.Option(False, "--json", help="Print the metrics as JSON."),
) -> None:
    """Measure a trained model, on its own data or on other data."""
    from framework_core.cli.screen import print_facts, print_json
    from framework_core.cli.training import training_library

    metrics = training_library("fw evaluate").evaluate(run, overrides=overrides or [], split=split.value)
    if as_json:
        print_json(metrics)
    else:
        print_facts((name, f"{value:.4f}") for name, value in sorted(metrics.items()))
