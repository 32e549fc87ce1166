"""How large experiments are beside all others: what the choice between two indexes rests on."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from pymongo.collection import Collection

COUNTED = 50_000
"""Nobody sorts more runs than this when an index has them in order."""

KEPT_SECONDS = 60.0
MATCHING = 10
"""One run in so many is taken to fulfil the conditions of a search."""


class Size(NamedTuple):
    """Runs of some experiments, `COUNTED` at most, and of all."""

    inside: int
    total: int

    def sorts_faster(self, rows: int, *, filtered: bool) -> bool:
        """Whether sorting all runs of the experiments takes less than an index of a field, which has those of all.

        Args:
            rows: How many rows are wanted.
            filtered: Whether there are more conditions, so that not each run on the way is one of them.
        """
        walked = rows * self.total / max(self.inside, 1) * (MATCHING if filtered else 1)
        return self.inside < min(walked, COUNTED)


class Sizes:
    """The sizes of experiments, counted once a minute."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[float, Size]] = {}

    def of(self, runs: Collection[dict[str, Any]], experiments: list[int]) -> Size:
        """Return the size of some experiments."""
        key, now = tuple(sorted(experiments)), time.monotonic()
        counted, size = self._known.get(key, (-KEPT_SECONDS, Size(0, 0)))
        if now - counted < KEPT_SECONDS:
            return size
        inside = runs.count_documents({"exp": {"$in": experiments}}, limit=COUNTED)
        size = Size(inside, max(runs.estimated_document_count(), inside))
        self._known = {each: found for each, found in self._known.items() if now - found[0] < KEPT_SECONDS}
        self._known[key] = now, size
        return size
