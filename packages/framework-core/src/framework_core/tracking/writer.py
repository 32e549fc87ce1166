"""Points of curves on their way into the journal, on a thread of their own."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from framework_core.tracking.journal import SYSTEM, Body, Journal

FLUSH_SECONDS = 0.5
"""A kill of the process loses at most the points of this time."""

FSYNC_SECONDS = 5.0
"""A power cut loses at most the points of this time."""

CHECKPOINT_SECONDS = 2.0
"""A checkpoint waits so long at most until the points before it are in the journal."""

_log = logging.getLogger("framework_core")

Sample = Callable[[], Mapping[str, float]]
Item = tuple[int, int, Mapping[str, Any]] | Body | threading.Event


class JournalWriter:
    """Takes points at once and writes them later. A step of the training waits for neither a device nor a disk.

    Args:
        journal: Where they go.
        sample: What else to record, asked every ``sample_seconds``.
        sample_seconds: Seconds between two samples.
        samples: How many samples the journal has already.
        later: Whether samples wait for ``begin``.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        sample: Sample | None = None,
        sample_seconds: float = 5.0,
        samples: int = 0,
        later: bool = False,
    ) -> None:
        self._journal = journal
        self._sample = sample
        self._sample_seconds = sample_seconds
        self._samples = samples
        self._sampling = not later
        self._next_sample = 0.0
        self._items: deque[Item] = deque()
        self._waiting: list[Body] = []
        self._failing = False
        self._unreadable: set[str] = set()
        self._reached: list[threading.Event] = []
        self._closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Take samples from now on."""
        self._sampling = True

    def write(self, values: Mapping[str, Any], step: int) -> None:
        """Take points of one step: numbers, or tensors of one element, which are read on the writer's thread."""
        self._items.append((step, int(time.time() * 1000), values))

    def record(self, kind: str, **body: Any) -> None:
        """Take a record of another kind; it keeps its place among the points."""
        self._items.append({"kind": kind, **body})

    def checkpoint(self, step: int) -> None:
        """Take note of a checkpoint, and wait until the operating system has everything that came before.

        Points that a checkpoint knows of are not made again when the run goes on from it.
        """
        self.record("checkpoint", step=step)
        self.catch_up()

    def catch_up(self) -> None:
        """Wait until the operating system has everything that was taken, but not for ever."""
        reached = threading.Event()
        self._items.append(reached)
        self._wake.set()
        reached.wait(CHECKPOINT_SECONDS)

    def close(self) -> None:
        """Write what is left, and wait for it."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        next_flush = time.monotonic() + FSYNC_SECONDS
        while not self._closing:
            self._take_sample_when_due()
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            now = time.monotonic()
            checkpoint = self._append()
            if checkpoint or now >= next_flush:
                self._flush()
                next_flush = now + FSYNC_SECONDS
        self._take_sample_when_due()
        self._take_sample()
        self._append()
        self._flush()

    def _take_sample_when_due(self) -> None:
        # Use is measured since the same thread's last look, so a first one has to be taken.
        if not self._next_sample and self._sampling:
            self._take_sample(lasting=False)
            self._next_sample = time.monotonic() + self._sample_seconds
        elif self._next_sample and time.monotonic() >= self._next_sample:
            self._take_sample()
            self._next_sample += self._sample_seconds

    def _take_sample(self, *, lasting: bool = True) -> None:
        if self._sample is None or not self._sampling:
            return
        try:
            found = self._sample()
        except Exception as error:  # noqa: BLE001  # a driver's own error must not end the recording
            _log.warning("The use of the machine is no longer recorded: %s", error)
            self._sample = None
            return
        if lasting:
            self.write(found, self._samples)
            self._samples += 1

    def _append(self) -> bool:
        """Append what has come; whether a checkpoint is in it."""
        self._waiting += self._converted()
        checkpoint = any(body["kind"] == "checkpoint" for body in self._waiting)
        try:
            self._journal.append(self._waiting)
        except OSError as error:
            if not self._failing:
                _log.warning("The journal of the run cannot be written; points wait in memory: %s", error)
            self._failing = True
            return False
        finally:
            for reached in self._reached:
                reached.set()
            self._reached.clear()
        self._failing = False
        self._waiting = []
        return checkpoint

    def _flush(self) -> None:
        try:
            self._journal.flush()
        except OSError as error:
            _log.debug("The journal is not flushed: %s", error)

    def _converted(self) -> Iterator[Body]:
        while self._items:
            item = self._items.popleft()
            if isinstance(item, threading.Event):
                self._reached.append(item)
                continue
            if isinstance(item, Mapping):
                yield item
                continue
            step, at, given = item
            values = {key: number for key, value in given.items() if (number := self._number(key, value)) is not None}
            if values:
                yield {"kind": "points", "step": step, "at": at, "values": values}

    def _number(self, key: str, value: Any) -> float | None:
        try:
            number = float(value)
        except (TypeError, ValueError, RuntimeError) as error:
            if key not in self._unreadable:
                _log.warning("%s is not recorded: it is no number (%s)", key, error)
            self._unreadable.add(key)
            return None
        return None if math.isnan(number) and key.startswith(SYSTEM) else number
