"""A sender on a thread of its own, for a run while it lasts."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from framework_core.tracking.sender import Sender, first_line

INTERVAL_SECONDS = 1.0
RETRY_SECONDS = 3.0
UPLOAD_AGAIN_SECONDS = 30.0
AWAY_SECONDS = 3.0
"""How long the end of a run waits for a store that does not answer."""

SILENT_SECONDS = 15.0
"""How long it waits for a store that has been asked and says nothing."""

LATEST_SECONDS = 30.0
"""How long sending waits at most for the first step of the training."""

_log = logging.getLogger("framework_core")


class Sending:
    """Sends while a run lasts.

    Args:
        sender: What sends.
        first: What it does before, once it is told to ``begin``; without it, it sends at once.
    """

    def __init__(self, sender: Sender, *, first: Callable[[], None] | None = None) -> None:
        self.sender = sender
        self._first = first
        self._begun = threading.Event()
        self._ready = threading.Event()
        if first is None:
            self._ready.set()
        self._closing = threading.Event()
        self._closed_at = 0.0
        self._acknowledged = (0, 0.0)
        self.failing = False
        """Whether the store did not answer the last time."""
        self._next_upload = time.monotonic() + UPLOAD_AGAIN_SECONDS
        self._thread = threading.Thread(target=self._run, name="journal-sender", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Begin now; without this, so long after the start that a first step cannot be what it waits for."""
        self._begun.set()

    def ready(self) -> None:
        """Begin, and wait until what comes first is done."""
        self._begun.set()
        self._ready.wait()

    def close(self) -> None:
        """Send what is left, and wait for it as long as the store takes something."""
        self.ready()
        self._closed_at = time.monotonic()
        self._closing.set()
        while self._thread.is_alive() and not self._is_given_up():
            self._thread.join(0.05)
        self.sender.stopped.set()

    def _is_given_up(self) -> bool:
        """Whether the store is away; an upload may take long and is not interrupted."""
        waited = time.monotonic() - self._closed_at
        return (self.failing and waited > AWAY_SECONDS) or (not self.sender.uploading and self._silent(waited))

    def _silent(self, waited: float) -> bool:
        number = self.sender.progress.number
        if number != self._acknowledged[0]:
            self._acknowledged = (number, waited)
        return waited - self._acknowledged[1] > SILENT_SECONDS

    def _run(self) -> None:
        if self._first is not None:
            self._begun.wait(LATEST_SECONDS)
            self._try(self._first)
            self._ready.set()
        while not self._closing.wait(RETRY_SECONDS if self.failing else INTERVAL_SECONDS):
            if self._try(self.sender.send) and time.monotonic() >= self._next_upload:
                self._try(partial(self.sender.send_deferred, last=False))
                self._next_upload = time.monotonic() + UPLOAD_AGAIN_SECONDS
        while not self._finish() and not self.sender.stopped.wait(0.5):
            continue

    def _finish(self) -> bool:
        return self._try(self.sender.send) and self._try(self.sender.send_deferred)

    def _try(self, send: Callable[[], None]) -> bool:
        try:
            send()
        except Exception as error:  # noqa: BLE001  # whatever the store raises must not end the training
            if not self.failing:
                _log.warning("The tracking store does not answer; the journal keeps everything: %s", first_line(error))
            self.failing = True
            return False
        if self.failing:
            _log.warning("The tracking store answers again.")
        self.failing = False
        return True
