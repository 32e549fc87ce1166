"""What training waits for: measured shares of the time of a step, a verdict, and the change that would help."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.profilers import Profiler

from framework_core.base.datamodule import cores
from framework_core.contracts.config import RunConfig
from framework_core.training.device import device

PARTS = ("data", "computing", "logging")
REPORTING = ("StepRecorder", "ProgressReporter")
"""Callbacks that report, by their class."""

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Verdict:
    """What the time of the training steps went into."""

    steps: int
    seconds: float
    shares: dict[str, float]
    """Of ``data``, ``computing`` and ``logging``; what is left of one is other callbacks and the loop."""

    @property
    def bound(self) -> str:
        """What takes most."""
        return max(PARTS, key=lambda part: self.shares[part])

    @property
    def milliseconds(self) -> float:
        """A step, on average."""
        return 1000 * self.seconds / self.steps


class Bottleneck(Profiler):
    """Adds up what each step waits for. On a GPU it waits for the GPU at each change, or the shares would be wrong."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__()
        self._config = config
        self._seconds = dict.fromkeys((*PARTS, "step"), 0.0)
        self._open: list[tuple[str, str, float]] = []
        self._steps = 0
        self._cuda = torch.cuda.is_available()

    def start(self, action_name: str) -> None:
        """Called by Lightning before whatever it does."""
        part = _part(action_name)
        if part and not (self._open and self._open[-1][0] == part):
            self._enter(part, action_name)

    def stop(self, action_name: str) -> None:
        """Called by Lightning afterwards."""
        if self._open and self._open[-1][1] == action_name:
            self._leave()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time that belongs to a part."""
        if self._open and self._open[-1][0] == name:
            yield
            return
        self._enter(name, name)
        try:
            yield
        finally:
            self._leave()

    def step_done(self) -> None:
        """Count a step; the first is not counted, for it does what is done once."""
        self._steps += 1
        if self._steps == 1:
            self._seconds = dict.fromkeys(self._seconds, 0.0)

    def verdict(self) -> Verdict | None:
        """The shares; nothing where there were no steps."""
        whole = self._seconds["step"] + sum(self._seconds[part] for part in PARTS)
        if self._steps < 2 or not whole:
            return None
        return Verdict(self._steps - 1, whole, {part: self._seconds[part] / whole for part in PARTS})

    def describe(self) -> None:
        """Called by Lightning at the end: say what was found."""
        found = self.verdict()
        if found is None:
            return
        shares = ", ".join(f"{part} {found.shares[part]:.0%}" for part in PARTS)
        rest = 1 - sum(found.shares.values())
        _log.info(
            "profile   %s, rest %s of %.1f ms a step (%d steps)", shares, f"{rest:.0%}", found.milliseconds, found.steps
        )
        _log.info("verdict   bound by %s: %s", found.bound, advice(found, self._config))
        self._steps = 0

    def summary(self) -> str:
        """Called by Lightning; ``describe`` says it all."""
        return ""

    def _enter(self, part: str, name: str) -> None:
        now = self._now()
        if self._open:
            outer, action, since = self._open[-1]
            self._seconds[outer] += now - since
            self._open[-1] = (outer, action, now)
        self._open.append((part, name, now))

    def _leave(self) -> None:
        now = self._now()
        part, _, since = self._open.pop()
        self._seconds[part] += now - since
        if self._open:
            outer, action, _ = self._open[-1]
            self._open[-1] = (outer, action, now)

    def _now(self) -> float:
        if self._cuda:
            torch.cuda.synchronize()
        return time.perf_counter()


class TimedFetcher:
    """Lightning's data fetcher; waiting for a batch is timed.

    Args:
        fetcher: The fetcher.
        clock: Where the time goes.
    """

    def __init__(self, fetcher: Any, clock: Bottleneck) -> None:
        self._fetcher = fetcher
        self._clock = clock

    def __next__(self) -> Any:
        with self._clock.part("data"):
            return next(self._fetcher)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fetcher, name)


class Clock(Protocol):
    """Where time goes by parts."""

    def part(self, name: str, /) -> AbstractContextManager[None]:
        """Time that belongs to a part."""


def time_logging(trainer: Trainer, clock: Clock) -> None:
    """Let what a logger takes count as logging, whoever calls it."""
    for logger in trainer.loggers:
        log_metrics = logger.log_metrics

        def timed(*arguments: Any, _log_metrics: Any = log_metrics, **options: Any) -> None:
            with clock.part("logging"):
                _log_metrics(*arguments, **options)

        logger.log_metrics = timed  # type: ignore[method-assign]


def advice(found: Verdict, config: RunConfig) -> str:
    """The change that would help most, as it is typed."""
    if found.bound == "data":
        return _more_data(config)
    if found.bound == "logging":
        return "log less often: trainer.log_every_n_steps=50"
    here = device(config.trainer.accelerator)
    if here.bf16 and config.trainer.precision in (None, "32-true", "32", 32):
        return "half of the bits: trainer.precision=bf16-mixed"
    if not config.performance.compile:
        return "compile the network, at the price of a slow first step: performance.compile=true"
    return "the device is busy; a smaller model, smaller inputs or a faster device"


def _more_data(config: RunConfig) -> str:
    workers, own = getattr(config.dataset, "num_workers", None), cores()
    if workers is not None and workers < own:
        return f"load in more processes: dataset.num_workers={own}"
    if getattr(config.dataset, "cache", "memory") != "memory":
        return "keep decoded samples in memory: dataset.cache=memory"
    return "make samples cheaper to prepare, or give the machine more cores"


def _part(action: str) -> str:
    if action == "run_training_batch":
        return "computing"
    if action.startswith("[Strategy]") and action.endswith("batch_to_device"):
        return "data"
    if action.startswith("[Callback]") and action.removeprefix("[Callback]").startswith(REPORTING):
        return "logging" if action.endswith("on_train_batch_end") else ""
    return ""
