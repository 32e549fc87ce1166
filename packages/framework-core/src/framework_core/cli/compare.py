"""The command ``fw runs compare``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from framework_core.reports import Comparison

MOST_ROWS = 12
"""Rows of a table on the screen; the page and the JSON have all."""

METRICS_OF_ENDS = ("test/", "val/")


def compare_runs(
    runs: list[str] = typer.Argument(..., metavar="RUN RUN...", help="Runs: ids, names, folders, or 'last'."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Write one page too, with curves: report.html."),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: the one that has each run)."),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Put runs side by side: settings, data, code, packages, metrics, and which is better, how surely.

    The runs after the first are compared with the first, on draws of the same test; runs that differ in their seed
    alone are one trial, and trials are compared by their means.
    """
    from framework_core.cli.screen import note, print_json
    from framework_core.reports import compare

    if output is not None:
        check_page(output)
    found = compare(runs, tracking_uri=uri)
    if output is not None:
        from framework_core.reports.comparison_page import page

        output.write_text(page(found), encoding="utf-8")
        note(f"written  {output}")
    if as_json:
        print_json(_plain(found))
    elif output is None:
        _print(found)


def check_page(output: Path) -> None:
    """See that a page can be written.

    Raises:
        OutputError: It cannot.
        FilesInTheWayError: There is one.
    """
    from framework_core.errors import FilesInTheWayError, OutputError

    if output.suffix not in (".html", ".htm"):
        raise OutputError(output, "its ending names no page.", possible="Ending: .html", next_step="-o report.html")
    if output.exists():
        raise FilesInTheWayError([str(output)])
    if not output.parent.is_dir():
        raise OutputError(output, "there is no such folder.", next_step=f"mkdir -p {output.parent}")


def _print(found: Comparison) -> None:
    from framework_core.durations import clock
    from framework_core.reports.wording import in_words, value_text

    names = [run.name for run in found.runs]
    facts = {
        "status": [run.status for run in found.runs],
        "took": ["" if run.seconds is None else clock(run.seconds) for run in found.runs],
        **found.data,
        **found.code,
    }
    _table(("", *names), facts)
    if found.settings:
        _table(("setting", *names), found.settings)
    metrics = {name: values for name, values in found.metrics.items() if name.startswith(METRICS_OF_ENDS)}
    _table(("metric", *names), {name: [value_text(value) for value in values] for name, values in metrics.items()})
    for verdict in found.verdicts:
        print(in_words(verdict))
    for name, why in found.undecided.items():
        print(f"{name}: {why}")
    for trial in found.trials:
        print(f"one trial, {len(trial.runs)} seeds: {', '.join(trial.runs)}")
        for name, mean in trial.means.items():
            if name.startswith("test/"):
                print(f"  {name} {value_text(mean.mean)} ({value_text(mean.low)} to {value_text(mean.high)})")
    if apart := [row for row in found.classes if row.apart]:
        print()
        _table(("class, F1", *names), {row.name: [f"{score:.4f}" for score in row.f1] for row in apart})
    if found.environment:
        print()
        _table(("package", *names), found.environment)


def _table(head: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
    from framework_core.cli.screen import print_table

    if not rows:
        return
    shown = list(rows.items())[:MOST_ROWS]
    print_table([[name, *cells] for name, cells in shown], head)
    if len(rows) > len(shown):
        print(f"and {len(rows) - len(shown)} more: -o report.html")
    print()


def _plain(found: Comparison) -> dict[str, Any]:
    return {
        "runs": [
            {"name": run.name, "id": run.run_id, "status": run.status, "seconds": run.seconds} for run in found.runs
        ],
        **{part: getattr(found, part) for part in ("settings", "data", "code", "environment", "undecided")},
        "code_diff": found.code_diff,
        "metrics": {name: [_number(value) for value in values] for name, values in found.metrics.items()},
        "verdicts": [vars(each) for each in found.verdicts],
        "trials": [
            {"runs": each.runs, "means": {name: vars(mean) for name, mean in each.means.items()}}
            for each in found.trials
        ],
        "classes": [vars(each) for each in found.classes],
    }


def _number(value: float | None) -> float | str | None:
    """JSON has no word for what is no number."""
    return value if value is None or math.isfinite(value) else str(value)
