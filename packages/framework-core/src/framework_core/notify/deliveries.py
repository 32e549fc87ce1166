"""The messages of one run: sent beside it, in their order."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

from framework_core.notify.webhook import DeliveryError, send

MOST_WAITING = 20
"""Messages that wait at once; an older one than these is left out, for nobody wants to hear of it any more."""

_log = logging.getLogger("framework_core")


class Deliveries:
    """Sends messages from a thread of its own, so that whoever tells them never waits; what fails is said once.

    Args:
        webhook: The address.
        seconds: How long a message may take.
    """

    def __init__(self, webhook: str, *, seconds: float) -> None:
        self._webhook = webhook
        self._seconds = seconds
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self._changed = threading.Condition()
        self._busy = False
        self._said = False
        self._thread: threading.Thread | None = None

    def tell(self, text: str) -> None:
        """Send a message soon."""
        with self._changed:
            self._waiting.append(text)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="notify", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until all is sent, no longer than a message may take."""
        end = time.monotonic() + self._seconds
        with self._changed:
            while self._waiting or self._busy:
                left = end - time.monotonic()
                if left <= 0:
                    self._waiting.clear()
                    self._warn(f"it did not answer within {self._seconds:g} seconds")
                    return
                self._changed.wait(left)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                text, self._busy = self._waiting.popleft(), True
            cause = ""
            try:
                send(self._webhook, text, seconds=self._seconds)
            except DeliveryError as error:
                cause = str(error)
            with self._changed:
                self._busy = False
                if cause:
                    self._warn(cause)
                self._changed.notify_all()

    def _warn(self, cause: str) -> None:
        if not self._said:
            self._said = True
            _log.warning("A message was not taken by the webhook of notify.webhook: %s", cause)
