"""Which runs and files may go: old ones by policy, and files whose run is gone. Nothing that a version needs."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from framework_core.model_registry.lookup import all_models, all_versions
from framework_core.model_registry.store import opened
from framework_core.tracking.heartbeat import Heartbeat
from framework_core.tracking.here import has_journal
from framework_core.tracking.journal import FOLDER
from framework_core.tracking.lookup import RUNS, RunRecord, runs_in
from framework_core.tracking.progress import Progress
from framework_core.tracking.runs import RunRow, Runs
from framework_core.tracking.sender import Sender
from framework_core.tracking.store_calls import TAG_PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALL = 1_000_000
RUN_FOLDER, MODEL_FOLDER = re.compile(r"[0-9a-f]{32}"), re.compile(r"m-[0-9a-f]{32}")
DAY = 86_400.0


@dataclass(frozen=True)
class Leftover:
    """A run that is old enough to go, or files whose run is gone.

    Attributes:
        kind: ``run`` or ``files``.
        name: The name of the run, or where the files are.
        run_id: Its id in the store; empty where the store does not have it.
        folder: Its folder here, or that of the files; nothing where there is none.
        started: When the run started, seconds since 1970; nothing for files.
        size: Bytes here.
        kept: Why it stays; empty where it may go.
    """

    kind: str
    name: str
    run_id: str = ""
    folder: Path | None = None
    started: float | None = None
    size: int = 0
    kept: str = ""


def leftovers(
    *,
    older_than: float,
    statuses: Sequence[str] = (),
    keep: int = 0,
    tracking_uri: str = "",
    output_dir: Path | None = None,
) -> list[Leftover]:
    """Find what may go; nothing is deleted.

    Args:
        older_than: Days since the start of a run.
        statuses: How a run has to stand: ``failed``, ``killed`` ...; empty takes every one that has ended.
        keep: How many of the newest runs of each experiment stay, whatever their age.
        tracking_uri: The store; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        TrackingError: The store cannot be used.
    """
    here = {_id_of(record): record for record in runs_in(output_dir or RUNS)}
    rows = {row.run_id: row for row in Runs(tracking_uri).search(most=ALL)}
    with opened(tracking_uri) as (client, _):
        needed = _needed(client, rows)
        newest = _newest(rows.values(), keep)
        found = []
        for run_id in dict.fromkeys([*here, *rows]):
            each = _leftover(run_id, here.get(run_id), rows.get(run_id), older_than, statuses)
            if each is not None:
                found.append(_judged(each, here.get(run_id), needed.get(run_id, ""), run_id in newest))
        return sorted(found, key=lambda each: each.started or 0.0) + list(_orphans(client))


def remove(gone: Sequence[Leftover], *, tracking_uri: str = "") -> None:
    """Delete runs and files. A store marks a run as deleted; ``mlflow gc`` then takes it and its artifacts away.

    Args:
        gone: What to delete, from ``leftovers``; what is kept is left alone.
        tracking_uri: The store, as for ``leftovers``.
    """
    with opened(tracking_uri) as (client, _):
        for each in gone:
            if each.kept:
                continue
            if each.run_id:
                client.delete_run(each.run_id)
            if each.folder is not None:
                hidden = each.folder.with_name(f".{each.folder.name}.deleted")
                each.folder.rename(hidden)
                shutil.rmtree(hidden)


def _id_of(record: RunRecord) -> str:
    return Progress.read(record.directory / FOLDER).run_id or record.run_id


def _leftover(
    run_id: str, record: RunRecord | None, row: RunRow | None, older_than: float, statuses: Sequence[str]
) -> Leftover | None:
    """A run as one that may go; nothing where it is too young, lasts, or stands otherwise."""
    status = row.status if row else record.status if record else ""
    started = row.started if row else datetime.fromisoformat(record.started).timestamp() if record else None
    if status == "running" or (statuses and status not in statuses):
        return None
    if started is None or time.time() - started < older_than * DAY:
        return None
    folder = record.directory if record else None
    name = record.name if record else row.name if row else run_id
    return Leftover("run", name, run_id if row else "", folder, started, _size(folder) if folder else 0)


def _judged(each: Leftover, record: RunRecord | None, needed: str, newest: bool) -> Leftover:
    why = needed or ("one of the newest" if newest else "")
    if not why and record is not None:
        if Heartbeat(record.directory).is_alive():
            why = "it lasts"
        elif has_journal(record) and Sender(record.directory, None, "").left():
            why = f"not all of it is in a store: fw runs sync {record.name}"
    return replace(each, kept=why)


def _needed(client: MlflowClient, rows: dict[str, RunRow]) -> dict[str, str]:
    """The runs that registered versions need, and for which: their own, and those of their group."""
    own = {
        each.run_id: f"{model.name}/{each.version} is registered"
        for model in all_models(client)
        for each in all_versions(client, model.name)
        if each.run_id
    }
    parents = {rows[run_id].tags[TAG_PARENT]: why for run_id, why in own.items() if _parent(rows.get(run_id))}
    group = {run_id: parents[_parent(row)] for run_id, row in rows.items() if _parent(row) in parents}
    return {**group, **parents, **own}


def _parent(row: RunRow | None) -> str:
    return "" if row is None else row.tags.get(TAG_PARENT, "")


def _newest(rows: Iterable[RunRow], keep: int) -> set[str]:
    by_experiment: dict[str, list[RunRow]] = {}
    for row in sorted(rows, key=lambda each: each.started or 0.0, reverse=True):
        by_experiment.setdefault(row.experiment, []).append(row)
    return {row.run_id for several in by_experiment.values() for row in several[:keep]}


def _orphans(client: MlflowClient) -> Iterator[Leftover]:
    """Folders of artifacts on this machine whose run or model the store does not have."""
    from mlflow.entities import ViewType

    for experiment in client.search_experiments(view_type=ViewType.ALL):
        folder = _local(experiment.artifact_location)
        if folder is None or not folder.is_dir():
            continue
        for each in sorted([*folder.iterdir(), *(folder / "models").glob("m-*")]):
            if each.is_dir() and _is_gone(client, each.name):
                yield Leftover("files", str(each), folder=each, size=_size(each))


def _is_gone(client: MlflowClient, name: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        if RUN_FOLDER.fullmatch(name):
            client.get_run(name)
        elif MODEL_FOLDER.fullmatch(name):
            client.get_logged_model(name)
        return False
    except MlflowException as error:
        return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")


def _local(location: str) -> Path | None:
    parts = urlsplit(location)
    return Path(url2pathname(parts.path)) if parts.scheme in ("", "file") else None


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file() and not each.is_symlink())
