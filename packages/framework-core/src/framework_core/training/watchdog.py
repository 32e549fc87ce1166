"""A thread that sees whether training still moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType


class Watchdog:
    """Calls a function when nothing has moved for some time, once until it moves again.

    Args:
        seconds: For how long.
        beat: A number that changes whenever something moves.
        act: What to call, on the watchdog's own thread.
    """

    def __init__(self, seconds: float, beat: Callable[[], int], act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._beat = beat
        self._act = act
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _watch(self) -> None:
        every = min(self._seconds / 10, 5.0)
        before, still, told = self._beat(), 0, False
        while not self._over.wait(every):
            now = self._beat()
            if now != before:
                before, still, told = now, 0, False
                continue
            still += 1
            # Before the first step a model may be compiled, or data be fetched.
            if now and not told and still * every >= self._seconds:
                told = True
                self._act()
