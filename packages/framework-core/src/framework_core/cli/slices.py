"""The command ``fw slices``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from framework_core.reports.slices import Slices

MOST_ROWS = 20
"""Rows on the screen; the JSON has all."""


def slices(
    run: str = typer.Argument(..., help="A run: its id, its beginning, its name, its folder, 'last'; or MODEL@STAGE."),
    other: str = typer.Argument("", metavar="[RUN]", help="Another, tested on the same samples: where it differs."),
    by: str = typer.Option("", "--by", help="One column: class, time, position, one of the data, or of its features."),
    metric: str = typer.Option("", "--metric", help="accuracy, loss, mae, f1 ... (default: the test's first)."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Write one page too: slices.html."),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: the one that has each run)."),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Measure a model on the slices of its test, the worst first; or tell on which of them another does otherwise."""
    from framework_core.cli.compare import check_page
    from framework_core.cli.screen import note, print_json
    from framework_core.reports.slices import slices as cut

    if output is not None:
        check_page(output)
    runs = [run, other] if other else [run]
    found = cut(runs, by=by, metric=metric, tracking_uri=uri)
    if output is not None:
        from framework_core.reports.slices_page import slices_page

        output.write_text(slices_page(found), encoding="utf-8")
        note(f"written  {output}")
    if as_json:
        print_json(_plain(found))
    else:
        _print(found)


def _print(found: Slices) -> None:
    from framework_core.cli.screen import note, print_table
    from framework_core.reports.slices_page import head_of, row_of, verdict

    print(verdict(found))
    rows = [row_of(each, found) for each in found.slices[:MOST_ROWS]]
    if rows:
        print_table(rows, head_of(found))
    if len(found.slices) > MOST_ROWS:
        note(f"and {len(found.slices) - MOST_ROWS} more: --json, or --by COLUMN")
    if found.left_out:
        note(f"not cut by {', '.join(found.left_out)}: one value, or one for nearly each sample")
    if len(found.metrics) > 1:
        note(f"measured by {found.metric}; also: {', '.join(each for each in found.metrics if each != found.metric)}")


def _plain(found: Slices) -> dict[str, Any]:
    return {
        "runs": found.runs,
        "metric": found.metric,
        "metrics": found.metrics,
        "less_is_better": found.less_is_better,
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
        "clustered": found.clustered,
    }


def _mean(values: dict[str, float]) -> dict[str, float | None]:
    return {name: _known(value) for name, value in values.items()}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
