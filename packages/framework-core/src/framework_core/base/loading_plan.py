"""How many processes load data, and how far ahead."""

from __future__ import annotations

from typing import NamedTuple


class LoadingPlan(NamedTuple):
    """What was measured to be best. What a run learns does not depend on it."""

    workers: int
    """Processes that load; 0 loads in the process that trains."""

    ahead: int
    """Batches that each has ready."""

    because: str
    """What was measured, for people."""

    def __str__(self) -> str:
        if not self.workers:
            return f"in the process that trains: {self.because}"
        processes = "1 process" if self.workers == 1 else f"{self.workers} processes"
        return f"{processes}, {self.ahead} batches ahead each: {self.because}"
