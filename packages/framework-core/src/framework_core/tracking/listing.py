"""The runs that somebody may look for here: those of a store, and those of this folder that no store has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from framework_core.errors import TrackingError
from framework_core.tracking.here import Followed, has_journal
from framework_core.tracking.journal import FOLDER
from framework_core.tracking.lookup import CONFIG, RunRecord, runs_in
from framework_core.tracking.newest import newest_runs
from framework_core.tracking.progress import Progress
from framework_core.tracking.runs import STARTED, RunRow, Runs, order


def runs_of_store(
    uri: str, *, experiments: Sequence[str], elsewhere: Collection[str] = (), where: str, sort: str, most: int
) -> list[RunRow]:
    """Find runs in a store.

    Args:
        uri: The store; empty takes the usual one.
        experiments: The names of their experiments; empty takes all.
        elsewhere: Names of experiments that need not be in the store.
        where: A filter in MLflow's grammar.
        sort: A column; ``-`` turns it.
        most: How many at most.

    Raises:
        TrackingError: The store cannot be used.
        UnknownNameError: There is no such experiment.
        RunSearchError: The filter or the order cannot be read.
    """
    if not where and sort == f"-{STARTED}":
        newest = newest_runs(uri, experiments=experiments, most=most)
        if newest is not None:
            return newest
    store = Runs(uri)
    return store.search(experiments=experiments, elsewhere=elsewhere, where=where, order_by=[order(sort)], most=most)


def runs_of_store_and_folder(
    output_dir: Path, *, experiments: Sequence[str], where: str, sort: str, most: int
) -> tuple[list[RunRow], list[str]]:
    """Find runs in the usual store and, where nothing is filtered, in a folder of runs.

    Args:
        output_dir: The folder in which runs make their folders.
        experiments: The names of their experiments; empty takes all.
        where: A filter in MLflow's grammar, which only a store understands.
        sort: A column; ``-`` turns it.
        most: How many at most.

    Returns:
        The runs, and the names of those that are still to be sent to a store.

    Raises:
        TrackingError: The store cannot be used, and nothing is here.
        UnknownNameError: There is no such experiment.
    """
    records = [] if where else [record for record in runs_in(output_dir) if _is_only_here(record)]
    here = [_row(record) for record in records]
    names = {row.experiment for row in here}
    try:
        found = runs_of_store("", experiments=experiments, elsewhere=names, where=where, sort=sort, most=most)
    except TrackingError:
        if not here:
            raise
        found = []
    wanted = [row for row in here if not experiments or row.experiment in experiments]
    shown = _sorted([*found, *wanted], sort)[:most] if wanted else found
    sendable = {record.name for record in records if has_journal(record)}
    return shown, [row.name for row in shown if row in wanted and row.name in sendable and not row.is_running]


def _is_only_here(record: RunRecord) -> bool:
    return record.run_id == record.name and not Progress.read(record.directory / FOLDER).run_id


def _row(record: RunRecord) -> RunRow:
    if has_journal(record):
        followed = Followed(record)
        followed.look()
        return followed.watched.row
    settings: dict[str, Any] = {}
    with suppress(OSError, yaml.YAMLError):
        settings = yaml.safe_load((record.directory / CONFIG).read_text("utf-8"))
    return RunRow(
        run_id=record.run_id,
        name=record.name,
        experiment=(settings.get("experiment") or {}).get("name", ""),
        status=record.status,
        started=datetime.fromisoformat(record.started).timestamp(),
        seconds=None,
        metrics={},
        steps={},
        params={},
        tags={},
    )


def _sorted(rows: Sequence[RunRow], sort: str) -> list[RunRow]:
    """Rows by a column; those that do not have it come last, as in a store."""
    column = sort.removeprefix("-")
    kind, dot, rest = column.partition(".")
    name = rest if dot and kind in ("params", "tags", "metrics", "attributes") else column
    values: dict[int, Any] = {id(row): row.started if column == STARTED else row.value(name) for row in rows}
    there = [row for row in rows if values[id(row)] not in (None, "")]
    there.sort(key=lambda row: values[id(row)], reverse=sort.startswith("-"))
    return [*there, *(row for row in rows if values[id(row)] in (None, ""))]
