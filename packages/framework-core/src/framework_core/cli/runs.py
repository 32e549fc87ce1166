"""The commands ``fw runs``."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework_core.tracking.runs import RunRow

app = typer.Typer(help="Look at the runs of a tracking store.", no_args_is_help=True)

URI = typer.Option("", "--uri", help="A tracking store (default: MLFLOW_TRACKING_URI, else mlflow.db here).")
METRICS_SHOWN = 3


@app.command("list")
def list_runs(
    experiment: list[str] = typer.Option([], "--experiment", "-e", help="Only of this one. Can be repeated."),
    where: str = typer.Option("", "--filter", "-f", help="MLflow's filter: metrics.`val/accuracy` > 0.9"),
    sort: str = typer.Option(
        "-started", "--sort", "-s", help="A metric, params.NAME or started; -NAME: highest first."
    ),
    columns: str = typer.Option("", "--columns", help="Metrics, parameters and tags to show, with commas between."),
    limit: int = typer.Option(20, "--limit", "-n", min=1, help="How many at most."),
    uri: str = URI,
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """List runs, the newest first."""
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.tracking.runs import Runs, order

    rows = Runs(uri).search(experiments=experiment, where=where, order_by=[order(sort)], most=limit)
    if as_json:
        print_json([_plain(row) for row in rows])
        return
    if not rows:
        note("No run is like that." if where or experiment else "There is no run yet.")
        return
    shown = [name.strip() for name in columns.split(",") if name.strip()] or _telling(rows)
    head = ("name", "experiment", "status", "started", "took", *shown)
    print_table([_cells(row, shown) for row in rows], head)


def _telling(rows: Sequence[RunRow]) -> list[str]:
    """The metrics that most rows have: those of the test first, then those of validation."""
    count = Counter(name for row in rows for name in row.metrics if name.startswith(("test/", "val/")))
    ranked = sorted(count, key=lambda name: (-count[name], not name.startswith("test/"), name))
    return ranked[:METRICS_SHOWN]


def _cells(row: RunRow, shown: Sequence[str]) -> list[str]:
    from framework_core.cli.curves import clock

    took = "" if row.seconds is None else clock(row.seconds)
    return [
        row.name,
        row.experiment,
        row.status,
        _moment(row.started),
        took,
        *(_text(row.value(name)) for name in shown),
    ]


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M")


def _plain(row: RunRow) -> dict[str, Any]:
    return {key: dict(value) if isinstance(value, dict) else value for key, value in vars(row).items()}
