"""Python's garbage collector, paused while a page or a history is read.

A page of 1,000 runs is some 20,000 objects that all stay, and so is a history of as many points. Making them sets off
collections that look through all of MLflow's and find nothing, which took a fifth to a quarter of a page's time, and
most of a history's.
"""

from __future__ import annotations

import gc
import threading
from types import TracebackType


class CollectorPause:
    """A context without collections; several threads may be in one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_enabled = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._was_enabled:
                gc.enable()


paused_collector = CollectorPause()
