"""The command ``fw slices``."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from framework_core.reports.slices import Slice, Slices

MOST_ROWS = 20
"""Rows on the screen; the JSON has all."""


class Metric(str, Enum):
    """What can be measured of each sample."""

    accuracy = "accuracy"
    loss = "loss"


def slices(
    run: str = typer.Argument(..., help="A run: its id, its beginning, its name, its folder, 'last'; or MODEL@STAGE."),
    other: str = typer.Argument("", metavar="[RUN]", help="Another, tested on the same samples: where it differs."),
    by: str = typer.Option("", "--by", help="One column: class, position, a column of the data, or of its features."),
    metric: Metric | None = typer.Option(None, "--metric", help="accuracy (where there are classes) or loss."),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: the one that has each run)."),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Measure a model on the slices of its test, the worst first; or tell on which of them another does otherwise."""
    from framework_core.cli.screen import print_json
    from framework_core.reports.slices import slices as cut

    runs = [run, other] if other else [run]
    found = cut(runs, by=by, metric=metric.value if metric else "", tracking_uri=uri)
    if as_json:
        print_json(_plain(found))
    else:
        _print(found)


def _print(found: Slices) -> None:
    from framework_core.cli.screen import note, print_table

    sign = "+" if len(found.runs) == 2 else ""
    what = f"{found.metric} of {found.runs[-1]}" + (f", less that of {found.runs[0]}" if sign else "")
    whole = found.whole
    print(
        f"{what}: {whole.mean:{sign}.4f} ({whole.low:{sign}.4f} to {whole.high:{sign}.4f}), {found.samples:,} samples"
    )
    rows = [_cells(each, sign) for each in found.slices[:MOST_ROWS]]
    if rows:
        print_table(rows, ("column", "slice", "samples", found.metric, "95 % interval", "all others", ""))
    if len(found.slices) > MOST_ROWS:
        note(f"and {len(found.slices) - MOST_ROWS} more: --json, or --by COLUMN")
    if found.left_out:
        note(f"not cut by {', '.join(found.left_out)}: one value, or one for nearly each sample")


def _cells(each: Slice, sign: str) -> list[str]:
    marks = [word for word, holds in (("apart", each.apart), ("small", each.small)) if holds]
    mean = each.mean
    rest = f"{each.rest:{sign}.4f}" if math.isfinite(each.rest) else "-"
    interval = f"{mean.low:{sign}.4f} to {mean.high:{sign}.4f}"
    return [each.column, each.value, f"{each.samples:,}", f"{mean.mean:{sign}.4f}", interval, rest, ", ".join(marks)]


def _plain(found: Slices) -> dict[str, Any]:
    return {
        "runs": found.runs,
        "metric": found.metric,
        "samples": found.samples,
        "whole": _mean(vars(found.whole)),
        "slices": [
            {
                "column": each.column,
                "value": each.value,
                "samples": each.samples,
                **_mean(vars(each.mean)),
                "rest": _known(each.rest),
                "apart": each.apart,
                "small": each.small,
            }
            for each in found.slices
        ],
        "left_out": found.left_out,
    }


def _mean(values: dict[str, float]) -> dict[str, float | None]:
    return {name: _known(value) for name, value in values.items()}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
