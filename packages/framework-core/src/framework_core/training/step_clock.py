"""How long the steps of a run took and what they waited for, at the cost of reading a clock a few times a step."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from framework_core.contracts.config import RunConfig
from framework_core.training.bottleneck import PARTS, Verdict, advice

FEWEST_STEPS, FEWEST_SECONDS = 20, 1.0
"""Of less nothing is told."""

_log = logging.getLogger("framework_core")


class StepClock:
    """Adds up what steps take, what of it is waiting for batches, and what is logging.

    The processor's time is read, and a GPU is not waited for: where the GPU is what takes long, batches are there
    before they are asked for, so waiting for one still means that loading is too slow.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._started = self._asked = 0.0
        self._inside = False
        self._seconds = {"step": 0.0, "data": 0.0, "logging": 0.0}

    def start(self) -> None:
        """A step begins."""
        self._inside, self._started = True, time.perf_counter()

    def ask(self) -> None:
        """A batch is asked for."""
        self._asked = time.perf_counter()

    def receive(self) -> None:
        """It is there; what is fetched before the first step of an epoch belongs to no step."""
        if self._inside:
            self._seconds["data"] += time.perf_counter() - self._asked

    def stop(self) -> None:
        """A step is over; the first is not counted, for it does what is done once."""
        self._inside = False
        self._seconds["step"] += time.perf_counter() - self._started
        self._steps += 1
        if self._steps == 1:
            self._seconds = dict.fromkeys(self._seconds, 0.0)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time that belongs to a part of a step; outside steps it is not counted."""
        since = time.perf_counter()
        yield
        if self._inside:
            self._seconds[name] += time.perf_counter() - since

    def verdict(self) -> Verdict | None:
        """The shares; nothing of so short a training."""
        steps, seconds = self._steps - 1, self._seconds["step"]
        if steps < FEWEST_STEPS or seconds < FEWEST_SECONDS:
            return None
        data, logging = self._seconds["data"] / seconds, self._seconds["logging"] / seconds
        return Verdict(steps, seconds, {"data": data, "computing": 1 - data - logging, "logging": logging})


def say(found: Verdict, config: RunConfig) -> None:
    """One line; with the change that would help where the device waits for something."""
    shares = ", ".join(f"{part} {found.shares[part]:.0%}" for part in PARTS)
    change = "" if found.bound == "computing" else f"; {advice(found, config)}"
    _log.info("step      %.1f ms, %s: bound by %s%s", found.milliseconds, shares, found.bound, change)


def facts(found: Verdict, config: RunConfig) -> dict[str, Any]:
    """The verdict for the run's folder."""
    return {
        "steps": found.steps,
        "milliseconds": round(found.milliseconds, 4),
        "shares": {part: round(found.shares[part], 4) for part in PARTS},
        "bound": found.bound,
        "advice": advice(found, config),
    }
