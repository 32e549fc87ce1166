"""How far a download is: a bar on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 10.0
"""How often a line says how far a download is."""

_log = logging.getLogger("framework_core")


class DownloadProgress(Protocol):
    """Is told how much has arrived."""

    def update(self, there: int) -> None:
        """So many bytes are there."""


@contextmanager
def shown_progress(name: str, total: int | None, there: int) -> Iterator[DownloadProgress]:
    """Show how far a download is.

    Args:
        name: The file.
        total: Its bytes; ``None`` where nobody knows.
        there: Those that are there already.
    """
    if not sys.stderr.isatty():
        yield _Lines(total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=total, completed=there)
        yield _Bar(progress, task)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def update(self, there: int) -> None:
        self._progress.update(self._task, completed=there)


class _Lines:
    def __init__(self, total: int | None) -> None:
        self._of = f" of {megabytes(total)}" if total else ""
        self._said = time.monotonic()

    def update(self, there: int) -> None:
        if time.monotonic() - self._said > LINE_SECONDS:
            self._said = time.monotonic()
            _log.info("download  %s%s", megabytes(there), self._of)


def megabytes(count: int | None) -> str:
    """A number of bytes for people: in MB, or kB where it is small."""
    count = count or 0
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
