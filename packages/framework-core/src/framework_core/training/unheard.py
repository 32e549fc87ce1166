"""Signals that come while the main thread waits outside of Python, as for other processes, where no handler can run."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable

_open: set[tuple[int, int]] = set()
"""Pipes of those that listen."""

LOOK_SECONDS = 0.05
CLOSE = 1.0
"""Seconds by which the thread that listens may hear of a signal later than the main one."""


class UnheardSignals:
    """Listens on a thread of its own, and says which signal the main thread cannot hear.

    Args:
        numbers: The signals to listen for.
        patience: Gives the seconds in which the main thread has to move on after a signal of a number.
        unheard: Called on that thread with the signal's number; a second one of Ctrl-C is not waited for.
    """

    def __init__(
        self, numbers: tuple[int, ...], patience: Callable[[int], float], unheard: Callable[[int], None]
    ) -> None:
        self._numbers = numbers
        self._patience = patience
        self._unheard = unheard
        self._heard = 0.0
        self._ends = (-1, -1)
        self._before = -1
        self.pending = 0
        """A signal that has come and that the main thread has not heard yet; 0 for none."""

    def start(self) -> None:
        """Listen from now on; called in the main thread."""
        self._ends = os.pipe()
        for end in self._ends:
            os.set_blocking(end, False)
        _open.add(self._ends)
        self._before = signal.set_wakeup_fd(self._ends[1], warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(self._ends[0],), name="unheard-signals", daemon=True).start()

    def stop(self) -> None:
        """Listen no more; called in the main thread."""
        signal.set_wakeup_fd(self._before)
        _open.discard(self._ends)
        os.close(self._ends[1])

    def heard(self) -> None:
        """Called by the handler of a signal."""
        self._heard = time.monotonic()

    def _listen(self, pipe: int) -> None:
        try:
            while (number := _next(pipe, None)) is not None:
                if number not in self._numbers:
                    continue
                self.pending = number
                if self._is_stuck(number, pipe):
                    self._unheard(number)
                self.pending = 0
        finally:
            os.close(pipe)

    def _is_stuck(self, number: int, pipe: int) -> bool:
        """Whether the main thread stands where it stood until patience ends."""
        begun, place = time.monotonic(), _place()
        while time.monotonic() - begun < self._patience(number):
            if self._heard > begun - CLOSE or _place() != place:
                return False
            if _next(pipe, LOOK_SECONDS) == signal.SIGINT and time.monotonic() - begun > CLOSE:
                return True
        return True


def _next(pipe: int, seconds: float | None) -> int | None:
    """The next signal; nothing where none comes in so many seconds, or the other end is closed."""
    select.select([pipe], [], [], seconds)
    try:
        read = os.read(pipe, 1)
    except BlockingIOError:
        return None
    return read[0] if read else None


def _place() -> tuple[int, int]:
    """Which instruction of which call the main thread is at."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return (id(frame), frame.f_lasti) if frame is not None else (0, 0)


def _leave_to_parent() -> None:
    """In a process that was forked, as those that load data are: its signals are not those of this one."""
    if _open:
        signal.set_wakeup_fd(-1)
    for ends in _open:
        for end in ends:
            os.close(end)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
