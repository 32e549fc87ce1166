"""The journal of a run: everything that is to be recorded, on disk before the store hears of it.

One JSON record a line, numbered, only ever appended to. A line that was cut off by a kill or a power cut is left as it
is and skipped by readers; the next record begins on a line of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.errors import RunInUseError

FOLDER = "tracking"
"""The folder in a run's folder that holds its journal and what belongs to it."""

JOURNAL = "journal.jsonl"
LOCK = "lock"
FILES = "files"
"""Files that stand nowhere else; each is removed once the store has it."""

SYSTEM = "system/"
"""What the names of points on the use of the machine begin with: they know no steps of training."""

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """A line of the journal.

    Attributes:
        number: Its place in the order; the first is 1.
        kind: ``run``, ``params``, ``data``, ``points``, ``checkpoint``, ``cut``, ``file``, ``model`` or ``status``.
        body: What it says.
        start: Where its line begins, in bytes.
        end: Where the next one does.
    """

    number: int
    kind: str
    body: Body
    start: int
    end: int


def read(folder: Path, start: int = 0) -> Iterator[Record]:
    """The records from a place on; a line that is being written is left for the next time."""
    path = folder / JOURNAL
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            end = start + len(line)
            with suppress(ValueError, KeyError, TypeError):
                body = json.loads(line)
                yield Record(body["n"], body["kind"], body, start, end)
            start = end


class Journal:
    """A journal that is written to, by one process at a time.

    Args:
        folder: Its folder.

    Raises:
        RunInUseError: Another process has it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = _locked(folder)
        self._descriptor = os.open(folder / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self.last = max((record.number for record in read(folder)), default=0)
        self._end_torn_line()

    def append(self, bodies: Iterable[Body]) -> None:
        """Hand records to the operating system: a kill of this process no longer loses them.

        Raises:
            OSError: The disk does not take them; nothing of them is in the journal then.
        """
        lines = []
        for number, body in enumerate(bodies, self.last + 1):
            lines.append(json.dumps({"n": number, **body}, separators=(",", ":")))
        if not lines:
            return
        size = os.fstat(self._descriptor).st_size
        try:
            _write(self._descriptor, ("\n".join(lines) + "\n").encode())
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise
        self.last += len(lines)

    def flush(self) -> None:
        """Wait until the disk has everything: a power cut no longer loses it."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Flush, and let other processes have it."""
        with suppress(OSError):
            self.flush()
        os.close(self._descriptor)
        os.close(self._lock)

    def _end_torn_line(self) -> None:
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            _write(self._descriptor, b"\n")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _locked(folder: Path) -> int:
    """A lock of this process, which its end opens; children that outlive it do not inherit it, unlike with flock."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        import fcntl
    except ImportError:
        return descriptor
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        os.close(descriptor)
        raise RunInUseError(folder.parent.name) from error
    except OSError:
        return descriptor  # a file system without locks
    return descriptor


@dataclass(frozen=True)
class Point:
    """A point of a curve.

    Attributes:
        key: The curve.
        value: Its value; NaN and infinities too.
        timestamp: Milliseconds since 1970.
        step: Its step.
    """

    key: str
    value: float
    timestamp: int
    step: int


def points_of(record: Record) -> list[Point]:
    """The points of a record; none where it has another kind."""
    if record.kind != "points":
        return []
    body = record.body
    return [Point(key, value, body["at"], body["step"]) for key, value in body["values"].items()]
