"""The command ``fw watch``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from framework_core.tracking.lookup import RunRecord
    from framework_core.tracking.runs import Runs
    from framework_core.tracking.watching import Watched

MOST = 6
"""Runs that are watched where none is named."""

LINES_EVERY = 5.0
"""Seconds between two lines of one run, where the output is no terminal."""


def watch(
    names: list[str] = typer.Argument(None, metavar="[RUN]...", help="Names or ids (default: all that are running)."),
    uri: str = typer.Option("", "--uri", help="A tracking store (default: MLFLOW_TRACKING_URI, else mlflow.db here)."),
    every: float = typer.Option(
        1.0, "--every", min=0.1, help="Seconds between two looks at a store that must be asked."
    ),
) -> None:
    """Follow runs until they end: curves, speed, use of the machine. Ends with 1 where one has not finished."""
    looks = _looks(names or [], uri, every)
    last: list[Watched] = []
    show = _live if sys.stdout.isatty() else _lines
    for last in show(looks):  # noqa: B007  # the last of them is looked at
        continue
    if any(each.row.status != "finished" for each in last):
        raise typer.Exit(1)


def _looks(names: Sequence[str], uri: str, every: float) -> Iterator[list[Watched]]:
    """Looks at runs here by their journals, and at others, or all of a named store, by the store."""
    from framework_core.cli.screen import note
    from framework_core.errors import TrackingError
    from framework_core.tracking.here import running_here, watch_here
    from framework_core.tracking.lookup import RUNS
    from framework_core.tracking.runs import Runs
    from framework_core.tracking.store import shown_uri
    from framework_core.tracking.watching import watch as followed

    here = [] if uri else _here(names)
    if here:
        return watch_here(here, every=every)
    try:
        runs = Runs(uri)
    except TrackingError:
        if uri or names or not (running := running_here(RUNS)):
            raise
        return watch_here(running, every=every)
    run_ids = _ids(runs, names)
    if not run_ids:
        note(f"No run is running in {shown_uri(runs.uri)}.\n  See what has ended: fw runs list")
        return iter(())
    return followed(runs, run_ids, every=every)


def _here(names: Sequence[str]) -> list[RunRecord]:
    """The runs of these names, where all of them have a journal here."""
    from framework_core.errors import RunNotFoundError
    from framework_core.tracking.here import has_journal
    from framework_core.tracking.lookup import RUNS, find_run

    try:
        found = [find_run(name, output_dir=RUNS) for name in names]
    except RunNotFoundError:
        return []
    return found if all(has_journal(record) for record in found) else []


def _ids(runs: Runs, names: Sequence[str]) -> list[str]:
    if names:
        return [_id(runs, name) for name in names]
    return [row.run_id for row in runs.search(where="attributes.status = 'RUNNING'", most=MOST)]


def _id(runs: Runs, name: str) -> str:
    """The id of a run of the store, or of one whose folder is here."""
    from framework_core.errors import RunNotFoundError
    from framework_core.tracking.lookup import RUNS, find_run

    quoted = name.replace("'", "\\'")
    for where in (f"attributes.run_name = '{quoted}'", f"attributes.run_id = '{quoted}'"):
        if found := runs.search(where=where, most=1):
            return found[0].run_id
    newest = runs.search(most=5)
    if name == "last" and newest:
        return newest[0].run_id
    begun = [row for row in runs.search(most=1000) if len(name) >= 4 and row.run_id.startswith(name)]
    if len(begun) == 1:
        return begun[0].run_id
    if (Path(name) / "run.json").is_file():
        return find_run(name, output_dir=RUNS).run_id
    raise RunNotFoundError(name, "none in the tracking store.", known=[row.name for row in newest])


def _live(looks: Iterator[list[Watched]]) -> Iterator[list[Watched]]:
    """Curves that move, on a terminal."""
    from rich.console import Console
    from rich.live import Live

    from framework_core.cli.curves import panel

    console = Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for seen in looks:
            live.update(panel(seen, console.width), refresh=True)
            yield seen


def _lines(looks: Iterator[list[Watched]]) -> Iterator[list[Watched]]:
    """A line whenever something of a run is new, a few seconds apart; for a log."""
    from framework_core.cli.curves import summary

    said: dict[str, tuple[float, str]] = {}
    for seen in looks:
        for each in seen:
            when, status = said.get(each.row.run_id, (0.0, ""))
            due = each.changed > when and time.monotonic() - when >= LINES_EVERY
            if due or each.row.status != status:
                print(summary(each), flush=True)
                said[each.row.run_id] = (time.monotonic(), each.row.status)
        yield seen
