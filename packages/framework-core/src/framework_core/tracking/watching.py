"""Following runs while they last: what is new, as soon as the store can tell it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from framework_core.tracking.journal import SYSTEM
from framework_core.tracking.runs import RunRow, Runs

Point = tuple[int, float]


@dataclass
class Watched:
    """A run that is followed.

    Attributes:
        row: What the store said last.
        curves: The points of each metric that are known; those before the watching began are asked for once.
        changed: When something new was last seen, seconds of the monotonic clock.
    """

    row: RunRow
    curves: dict[str, list[Point]] = field(default_factory=lambda: defaultdict(list))
    changed: float = field(default_factory=time.monotonic)

    def take(self, row: RunRow) -> bool:
        """Take what the store says now; whether anything is new."""
        new = row.status != self.row.status
        for name, value in row.metrics.items():
            point = (row.steps.get(name, 0), value)
            if not self.curves[name] or self.curves[name][-1] != point:
                self.curves[name].append(point)
                new = True
        self.row = row
        if new:
            self.changed = time.monotonic()
        return new

    @property
    def step(self) -> int:
        """The newest step of training."""
        return max((step for name, step in self.row.steps.items() if not name.startswith(SYSTEM)), default=0)


def watch(runs: Runs, run_ids: Sequence[str], *, every: float = 1.0) -> Iterator[list[Watched]]:
    """Follow runs until all of them have ended.

    Args:
        runs: The store.
        run_ids: Which.
        every: Seconds between two looks, where the store has no way to say that something changed.

    Yields:
        All of them, whenever one has something new, and about once a second in between.
    """
    watched = {run_id: Watched(runs.get(run_id)) for run_id in run_ids}
    for run_id, each in watched.items():
        for name in each.row.metrics:
            each.curves[name] = [(point.step, point.value) for point in runs.client.get_metric_history(run_id, name)]
    yield list(watched.values())
    for changed in _changes(runs, run_ids, every):
        for run_id in changed:
            watched[run_id].take(runs.get(run_id))
        yield list(watched.values())
        if not any(each.row.is_running for each in watched.values()):
            return


def _changes(runs: Runs, run_ids: Sequence[str], every: float) -> Iterator[Sequence[str]]:
    """The runs that may have changed; a store that offers ``watch_runs`` tells which, others are asked for all."""
    store: Any = runs.client._tracking_client.store
    told: Callable[..., Iterator[Sequence[str]] | None] | None = getattr(store, "watch_runs", None)
    stream = told(list(run_ids), wait_seconds=every) if told else None
    # What changed while the stream was opened.
    yield run_ids
    if stream is not None:
        yield from stream
    while True:
        time.sleep(every)
        yield run_ids
