"""The commands ``fw runs``."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import typer

from framework_core.cli.compare import compare_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework_core.tracking.runs import RunRow
    from framework_core.tracking.sync import Sent

app = typer.Typer(help="Look at the runs of a tracking store.", no_args_is_help=True)

app.command("compare")(compare_runs)

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
    """List runs, the newest first. Runs here whose process is gone are marked as killed.

    Without --uri and --filter, runs in runs/ that no store has are listed too.
    """
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.tracking.closing import close_dead_runs, tell_stores
    from framework_core.tracking.listing import runs_of_store, runs_of_store_and_folder
    from framework_core.tracking.lookup import RUNS

    tell_stores(close_dead_runs(RUNS))
    unsent: list[str] = []
    if uri:
        rows = runs_of_store(uri, experiments=experiment, where=where, sort=sort, most=limit)
    else:
        rows, unsent = runs_of_store_and_folder(RUNS, experiments=experiment, where=where, sort=sort, most=limit)
    if as_json:
        print_json([_plain(row) for row in rows])
        return
    if not rows:
        note("No run is like that." if where or experiment else "There is no run yet.")
        return
    shown = [name.strip() for name in columns.split(",") if name.strip()] or _telling(rows)
    head = ("name", "experiment", "status", "started", "took", *shown)
    print_table([_cells(row, shown) for row in rows], head)
    if unsent:
        note(f"In no store yet: {', '.join(unsent)}\n  Send what there is: fw runs sync")


@app.command("sync")
def sync_runs(
    names: list[str] = typer.Argument(None, metavar="[RUN]...", help="Names, ids or folders (default: all in runs/)."),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: the one that each run was to go to)."),
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Send what the tracking store does not have of runs here. Ends with 1 where something is left.

    Of runs that were killed, that ended while the store was away, or that were recorded with
    mlops.tracking.offline=true. Nothing is sent twice.
    """
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.tracking.closing import close_dead_runs
    from framework_core.tracking.lookup import RUNS, find_run
    from framework_core.tracking.sync import runs_with_journal, send_run

    close_dead_runs(RUNS)
    records = [find_run(name, output_dir=RUNS) for name in names] if names else runs_with_journal(RUNS)
    rows = [send_run(record, uri) for record in records]
    if as_json:
        print_json([vars(row) for row in rows])
    elif told := [row for row in rows if names or row.points or row.files or row.state != "complete"]:
        head = ("name", "state", "points sent", "files sent", "points left", "files left", "store")
        print_table([_sent_cells(row) for row in told], head)
        for row in told:
            if row.cause:
                note(f"{row.name}: {row.cause}")
    else:
        note("Every run here is in its store.")
    if any(row.state == "incomplete" for row in rows):
        raise typer.Exit(1)


@app.command("gc")
def gc_runs(
    older_than: float = typer.Option(..., "--older-than", min=0, help="Days since the start of a run."),
    status: list[str] = typer.Option([], "--status", help="Only failed, killed ... Can be repeated."),
    keep: int = typer.Option(0, "--keep", min=0, help="The newest of each experiment that stay whatever their age."),
    delete: bool = typer.Option(False, "--delete", help="Delete it; without this, it is only said what would go."),
    uri: str = URI,
    as_json: bool = typer.Option(False, "--json", help="Print as JSON."),
) -> None:
    """Find runs that are old, and artifacts whose run is gone; delete them where that is asked for.

    What a registered version needs stays, and so does what no store has yet.
    """
    from framework_core.cli.screen import note, print_json, print_table
    from framework_core.model_registry import leftovers, remove
    from framework_core.tracking.closing import close_dead_runs, tell_stores
    from framework_core.tracking.lookup import RUNS

    tell_stores(close_dead_runs(RUNS))
    found = leftovers(older_than=older_than, statuses=status, keep=keep, tracking_uri=uri)
    if delete:
        remove(found, tracking_uri=uri)
    going = [each for each in found if not each.kept]
    if as_json:
        print_json([{**vars(each), "deleted": delete and not each.kept} for each in found])
    elif found:
        rows = [[each.kind, each.name, _moment(each.started), f"{each.size:,}", each.kept] for each in found]
        print_table(rows, ("what", "name", "started", "bytes", "stays because"))
    size = sum(each.size for each in going)
    if not going:
        note("There is nothing to delete.")
    elif delete:
        note(f"Deleted: {len(going)}, {size:,} bytes. What a store marks as deleted, mlflow gc takes away.")
    else:
        note(f"Nothing was deleted. {len(going)} would go, {size:,} bytes: the same with --delete")


def _sent_cells(row: Sent) -> list[str]:
    counts = (row.points, row.files, row.left_points, row.left_files)
    return [row.name, row.state, *map(str, counts), row.store]


def _telling(rows: Sequence[RunRow]) -> list[str]:
    """The metrics that most rows have: those of the test first, then those of validation."""
    count = Counter(name for row in rows for name in row.metrics if name.startswith(("test/", "val/")))
    ranked = sorted(count, key=lambda name: (-count[name], not name.startswith("test/"), name))
    return ranked[:METRICS_SHOWN]


def _cells(row: RunRow, shown: Sequence[str]) -> list[str]:
    from framework_core.durations import clock

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
