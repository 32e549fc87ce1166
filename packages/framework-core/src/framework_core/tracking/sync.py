"""Sending what runs have recorded and no store has: of runs that were killed, or recorded without a store."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from framework_core.config.references import resolved_where_possible
from framework_core.config.saved import without_credentials
from framework_core.contracts.config import TrackingConfig
from framework_core.errors import FrameworkError, RunInUseError, TrackingError
from framework_core.tracking.heartbeat import Heartbeat
from framework_core.tracking.journal import FOLDER, JOURNAL, Journal, read
from framework_core.tracking.lookup import CONFIG, FOLDERS, RECORD, RunRecord
from framework_core.tracking.progress import Progress
from framework_core.tracking.sender import Sender, first_line
from framework_core.tracking.store import check_store, shown_uri, tracking_uri
from framework_core.tracking.store_calls import client_of, global_store, tidy_mlflow


@dataclass(frozen=True)
class Sent:
    """What was sent of a run.

    Attributes:
        name: The run.
        run_id: Its id in the store; empty where the store does not have it yet.
        store: The store, without credentials.
        points: Points of curves that were sent now.
        files: Files and models that were sent now.
        left_points: Points that the store still does not have.
        left_files: Files and models that it does not have.
        state: ``complete``, ``incomplete``, or ``running`` for a run that sends itself.
        cause: Why something is left.
    """

    name: str
    run_id: str = ""
    store: str = ""
    points: int = 0
    files: int = 0
    left_points: int = 0
    left_files: int = 0
    state: str = "complete"
    cause: str = ""


def runs_with_journal(output_dir: Path) -> list[RunRecord]:
    """The runs of a folder that have a journal, the oldest first."""
    folders = (file.parent.parent for file in output_dir.glob(f"{FOLDERS}/{FOLDER}/{JOURNAL}"))
    return sorted((RunRecord.read(each) for each in folders if (each / RECORD).is_file()), key=lambda r: r.started)


def send_run(record: RunRecord, uri: str = "") -> Sent:
    """Send what a store does not have of a run; nothing is sent twice.

    Args:
        record: The run.
        uri: The store; without it, the one that the run was to be recorded in.
    """
    folder = record.directory / FOLDER
    store = uri or store_of(record)
    told = Sent(record.name, Progress.read(folder).run_id, shown_uri(store))
    if Heartbeat(record.directory).is_alive():
        return replace(told, state="running", cause="it is running, and sends itself")
    try:
        with closing(Journal(folder)):
            return _sent(record, store, told)
    except RunInUseError as error:
        return replace(told, state="running", cause=error.what)


def _sent(record: RunRecord, uri: str, told: Sent) -> Sent:
    with tidy_mlflow():
        sender = Sender(record.directory, client_of(uri), uri)
    before, progress = sender.left(), sender.progress
    if not before and not progress.deferred:
        return told
    cause = ""
    try:
        with tidy_mlflow(), global_store(uri):
            check_store(uri)
            _check_same_store(sender, uri)
            sender.send()
            sender.send_deferred()
    except FrameworkError as error:
        cause = error.what
    except Exception as error:  # noqa: BLE001  # each store's driver has errors of its own
        cause = first_line(error)
    if progress.run_id:
        replace(record, run_id=progress.run_id, tracking_uri=without_credentials(uri)).write()
    after = sender.left()
    if sender.standing:
        cause = f"{sender.standing} points that were taken back stand in its curves; only its database can remove them"
    files, left_files = (sum(each.kind in ("file", "model") for each in some) for some in (before, after))
    points, left_points = sender.left_points(before), sender.left_points(after)
    return replace(
        told,
        run_id=progress.run_id,
        points=points - left_points,
        files=files - left_files,
        left_points=left_points,
        left_files=left_files,
        state="incomplete" if after or sender.standing else "complete",
        cause=cause,
    )


def _check_same_store(sender: Sender, uri: str) -> None:
    """See that a run that a store has is in this one."""
    from mlflow.exceptions import MlflowException

    run_id = sender.progress.run_id
    try:
        if run_id:
            sender.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise TrackingError(shown_uri(uri), f"it does not have the run {run_id}.") from error


def store_of(record: RunRecord) -> str:
    """The store that a run was to be recorded in, with the credentials that the environment has for it.

    Args:
        record: The run.
    """
    first = next(read(record.directory / FOLDER), None)
    recorded = record.tracking_uri or (first.body.get("store", "") if first else "")
    settings: dict[str, Any] = yaml.safe_load((record.directory / CONFIG).read_text("utf-8"))
    tracking = (resolved_where_possible(settings).get("mlops") or {}).get("tracking", {})
    written = tracking_uri(TrackingConfig(uri=tracking.get("uri")))
    return written if not recorded or without_credentials(written) == recorded else recorded
