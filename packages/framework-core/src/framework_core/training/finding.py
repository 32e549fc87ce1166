"""Finding a learning rate and a batch size: short trainings in the framework's own loop that leave no trace."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng

from framework_core.contracts.config import RunConfig
from framework_core.errors import ContractError, NothingFoundError
from framework_core.training.callbacks import training_callbacks
from framework_core.training.common_answer import highest, memory_ran_out_elsewhere, summed, tell_memory_ran_out
from framework_core.training.lean_loop import without_empty_hooks
from framework_core.training.memory import is_out_of_memory
from framework_core.training.optimization import Optimization
from framework_core.training.performance import applied
from framework_core.training.preparation import Prepared
from framework_core.training.recorder import batch_loss
from framework_core.training.scheduler_settings import Constant
from framework_core.training.shares import weight_of_loss
from framework_core.training.trainer import build_trainer

SMOOTHING = 0.95
"""How much of the smoothed loss is kept at each step."""

DIVERGED = 4.0
"""How many times the best loss is a loss that has run away."""

TIMED_STEPS = 4
"""Steps with each batch size; the first is not timed."""

NEARLY_BEST = 0.95
"""The smallest batch that has this share of the best speed is the one to take."""


SHARDING = ("fsdp", "deepspeed")
"""Strategies that leave a model in parts, which nobody puts together again."""


@dataclass(frozen=True)
class LearningRates:
    """A range test (Smith, https://arxiv.org/abs/1506.01186, section 3.3)."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Smoothed, one for each rate."""

    suggestion: float
    """Where the loss falls most steeply."""

    diverged: bool
    """Whether the loss ran away before the last rate."""


@dataclass(frozen=True)
class Trial:
    """A batch size that was tried."""

    batch_size: int
    samples_per_second: float | None
    """``None`` where it did not fit."""


@dataclass(frozen=True)
class BatchSizes:
    """The batch sizes that were tried, the smallest first."""

    trials: tuple[Trial, ...]
    suggestion: int
    """The smallest that is nearly as fast as the fastest."""

    largest: int
    """The largest that fits, of those tried."""

    ended: str
    """Why no larger one was tried."""


def learning_rate(
    config: RunConfig, prepared: Prepared, *, lowest: float = 1e-6, highest: float = 1.0, steps: int = 100
) -> LearningRates:
    """Raise the learning rate at each step of a short training, and see where the loss falls most steeply.

    Weights, random numbers and the order of the data are afterwards what they were.

    Raises:
        NothingFoundError: The loss ran away at once.
    """
    ramp = _Ramp(lowest, highest, steps)
    with _without_trace(config, prepared) as own:
        _train(config, own, steps, [ramp])
    if len(ramp.losses) < 3:
        step = "Begin lower: fw find lr --from 1e-8"
        possible = "It is looked for where the loss still falls."
        raise NothingFoundError("learning rate", "the loss ran away at once.", possible=possible, next_step=step)
    return LearningRates(tuple(ramp.rates), tuple(ramp.losses), steepest(ramp.rates, ramp.losses), ramp.diverged)


def batch_size(config: RunConfig, prepared: Prepared, *, first: int = 8, most: int | None = None) -> BatchSizes:
    """Double the batch size until it does not fit, or there are no more samples, and time a few steps with each.

    Weights, random numbers and the order of the data are afterwards what they were.

    Raises:
        ContractError: The data has no batch size to change.
        NothingFoundError: Not even the first fits.
    """
    datamodule: Any = prepared.datamodule
    if not hasattr(datamodule, "batch_size"):
        raise ContractError("The batch size cannot be found", ["the dataset has no attribute batch_size"])
    samples = prepared.data.split_sizes.get("train", 0)
    asked = most is not None and (not samples or most < samples)
    most = min(most or samples, samples) if samples else most or 2**20
    ended = "no larger one was asked for" if asked else "there are no more samples"
    before, size, trials = datamodule.batch_size, first, []
    try:
        while size <= most:
            trials.append(_tried(config, prepared, size))
            if trials[-1].samples_per_second is None:
                ended = f"{size} does not fit into memory"
                break
            if not _room_for_twice(config):
                ended = "twice as many would not fit into memory"
                break
            size *= 2
    finally:
        datamodule.batch_size = before
    return _judged(trials, ended)


def largest_that_fits(config: RunConfig, prepared: Prepared, below: int) -> int | None:
    """Halve a batch size that did not fit until a few steps with it do; ``None`` where not even one sample does.

    Weights, random numbers and the order of the data are afterwards what they were.
    """
    datamodule: Any = prepared.datamodule
    before, size = datamodule.batch_size, below // 2
    try:
        while size:
            if _tried(config, prepared, size).samples_per_second is not None:
                return size
            size //= 2
    finally:
        datamodule.batch_size = before
    return None


def steepest(rates: list[float], losses: list[float]) -> float:
    """The rate at which the loss falls most by the logarithm of the rate.

    A fall is that over a quarter of the steps: from one step to the next it is mostly that of one batch to another.
    """
    best = min(range(len(losses)), key=losses.__getitem__)
    reach = min(len(losses) // 8, max(0, (best - 1) // 2))
    falls = [
        (losses[index + 1 + reach] - losses[index - reach], rates[index])
        for index in range(reach, max(reach + 1, best - reach))
    ]
    return min(falls)[1]


class _Ramp(Callback):
    """Raises the learning rate at each step, and ends when the loss runs away."""

    def __init__(self, lowest: float, highest: float, steps: int) -> None:
        self._lowest, self._highest, self._steps = lowest, highest, steps
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.diverged = False
        self._mean = 0.0

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Set the rate of this step, each group in its proportion to the largest."""
        share = trainer.global_step / max(1, self._steps - 1)
        rate = self._lowest * (self._highest / self._lowest) ** share
        starts = [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]
        for group, start in zip(optimizer.param_groups, starts, strict=True):
            group["lr"] = rate * start / max(starts)
        self._rate = rate

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss that the step began with."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        found = batch_loss(trainer, outputs)
        if found is None:  # the author left the batch out
            return
        # Each process sees a loss of its own, and all must come to the same end.
        device = trainer.strategy.root_device
        own = float(found) * weight_of_loss(trainer, pl_module) / trainer.world_size
        (loss,) = summed(own, device=device)
        count = len(self.losses) + 1
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * loss
        smooth = self._mean / (1 - SMOOTHING**count)
        if not math.isfinite(loss) or (count > 5 and smooth > DIVERGED * min(self.losses)):
            self.diverged = True
            trainer.should_stop = True
            return
        self.rates.append(self._rate)
        self.losses.append(smooth)


class _Clock(Callback):
    """Times steps from the second on."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.samples = 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note when a step ends, on the device too."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())
        if len(self.times) > 1:
            self.samples += len(batch[0]) if isinstance(batch, list | tuple) else 1

    def samples_per_second(self, device: torch.device) -> float:
        """Of the steps that were timed, those of all processes together, and as long as the slowest took.

        Args:
            device: Where tensors are that processes exchange.
        """
        (samples,) = summed(self.samples, device=device)
        (seconds,) = highest(self.times[-1] - self.times[0], device=device)
        return samples / max(1e-9, seconds)


def _tried(config: RunConfig, prepared: Prepared, size: int) -> Trial:
    datamodule: Any = prepared.datamodule
    datamodule.batch_size = size
    clock = _Clock()
    try:
        with _without_trace(config, prepared) as own:
            trainer = _train(config, own, TIMED_STEPS, [clock])
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            tell_memory_ran_out()
        elif not memory_ran_out_elsewhere():
            raise
        return Trial(size, None)
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return Trial(size, clock.samples_per_second(trainer.strategy.root_device))


def _judged(trials: list[Trial], ended: str) -> BatchSizes:
    fitting = [trial for trial in trials if trial.samples_per_second is not None]
    if not fitting:
        cause = f"not even a batch of {trials[0].batch_size} fits into memory."
        possible = "A smaller model or smaller inputs leave more room."
        step = "Begin lower: fw find batch-size --from 1"
        raise NothingFoundError("batch size", cause, possible=possible, next_step=step)
    speeds = {trial.batch_size: trial.samples_per_second or 0.0 for trial in fitting}
    fastest = max(speeds.values())
    suggestion = next(size for size, speed in speeds.items() if speed >= NEARLY_BEST * fastest)
    return BatchSizes(tuple(trials), suggestion, max(speeds), ended)


def _room_for_twice(config: RunConfig) -> bool:
    """Whether as much again is free of main memory; a GPU says itself when it is full, a processor is ended for it."""
    if torch.cuda.is_available() and config.trainer.accelerator != "cpu":
        return True
    import psutil

    processor = torch.device("cpu")
    (taken,) = summed(psutil.Process().memory_info().rss, device=processor)
    (missing,) = highest(-psutil.virtual_memory().available, device=processor)
    return -missing > taken / config.num_nodes


def _train(config: RunConfig, prepared: Prepared, steps: int, callbacks: list[Callback]) -> Trainer:
    """A short training with a constant learning rate, recorded nowhere."""
    model: Any = prepared.model
    optimization = getattr(model, "optimization", None)
    if isinstance(optimization, Optimization):
        model.optimization = replace(optimization, scheduler=Constant(name="constant", warmup_steps=0))
    short = {"max_steps": steps, "max_epochs": -1, "limit_val_batches": 0, "num_sanity_val_steps": 0}
    asked = [each for each in training_callbacks(config) if type(each).__name__ != "Freezing"]
    trainer = build_trainer(
        config.model_copy(update={"callbacks": {}}),
        directory=Path.cwd(),
        logger=False,
        callbacks=[*asked, *callbacks],
        enable_checkpointing=False,
        fast_dev_run=False,
        **short,
    )
    try:
        with applied(config, model), without_empty_hooks(trainer, model):
            trainer.fit(model, datamodule=prepared.datamodule)
        return trainer
    finally:
        if optimization is not None:
            model.optimization = optimization


@contextmanager
def _without_trace(config: RunConfig, prepared: Prepared) -> Iterator[Prepared]:
    """What may be trained; weights, gradients, random numbers and the mode of the model are afterwards as they were."""
    model = prepared.model
    if config.strategy_name.startswith(SHARDING):
        with isolate_rng():
            yield replace(prepared, model=copy.deepcopy(model))
        return
    saved = copy.deepcopy(model.state_dict())
    training = model.training
    with isolate_rng():
        try:
            yield prepared
        finally:
            model.cpu().load_state_dict(saved)
            model.zero_grad(set_to_none=True)
            model.train(training)
