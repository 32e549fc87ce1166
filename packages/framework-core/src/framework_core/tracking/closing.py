"""Runs whose process is gone: they do not stay running."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from framework_core.errors import RunInUseError
from framework_core.tracking.heartbeat import HEARTBEAT, Heartbeat
from framework_core.tracking.journal import FOLDER, JOURNAL, Journal, read
from framework_core.tracking.lookup import FOLDERS, RECORD, RunRecord
from framework_core.tracking.progress import Progress
from framework_core.tracking.sync import send_run

KILLED = "killed"

_log = logging.getLogger("framework_core")


def close_dead_runs(output_dir: Path, *, but: Path | None = None) -> list[RunRecord]:
    """Mark the runs of a folder whose process is gone as killed, and say so.

    Args:
        output_dir: The folder in which runs make their folders.
        but: The folder of a run that is left as it is.

    Returns:
        The runs that were marked.
    """
    marked = [_marked(folder) for folder in _dead(output_dir) if but is None or folder.resolve() != but.resolve()]
    return [record for record in marked if record is not None]


def tell_stores(closed: Iterable[RunRecord]) -> None:
    """Tell the stores of runs that were marked; one that does not answer is told by ``fw runs sync``."""
    away: set[str] = set()
    for record in closed:
        if record.tracking_uri not in away and _is_in_store(record.directory / FOLDER):
            sent = send_run(record)
            if sent.cause:
                away.add(record.tracking_uri)


def _is_in_store(folder: Path) -> bool:
    """Whether a store has a run, or may have it: the process may have ended before it heard so."""
    first = next(read(folder), None)
    begun = first is not None and first.kind == "run" and not first.body["offline"]
    return begun or bool(Progress.read(folder).run_id)


def _dead(output_dir: Path) -> Iterator[Path]:
    for file in sorted(output_dir.glob(f"{FOLDERS}/{HEARTBEAT}")):
        if not Heartbeat(file.parent).is_alive():
            yield file.parent


def _marked(directory: Path) -> RunRecord | None:
    """Mark a run as killed at its last heartbeat; nothing where another process is doing it."""
    heartbeat, folder = Heartbeat(directory), directory / FOLDER
    try:
        with closing(Journal(folder)) if (folder / JOURNAL).is_file() else nullcontext() as journal:
            at = heartbeat.at
            if journal is not None:
                journal.append([{"kind": "status", "word": KILLED, "at": int(at * 1000)}])
            record = None
            if (directory / RECORD).is_file():
                record = replace(RunRecord.read(directory), status=KILLED)
                record.write()
            heartbeat.stop()
    except (RunInUseError, OSError):
        return None
    if record is not None:
        _say(record, at)
    return record


def _say(record: RunRecord, at: float) -> None:
    when = datetime.fromtimestamp(at, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    go_on = f"; continue it: fw train --resume {shlex.quote(record.name)}" if record.last_checkpoint else ""
    _log.info("killed    %s, last heard of %s%s", record.name, when, go_on)
