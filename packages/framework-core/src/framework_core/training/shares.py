"""How processes that train together share a batch: each takes a part, and together they learn what one would.

Processes average their gradients, each counting as much as the others. A part that is smaller than the others would
count too much then, so its loss is multiplied by its share.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import Strategy
from torch import Tensor
from torch.utils.data import Sampler

from framework_core.base.model import BaseModel


@dataclass(frozen=True)
class Share:
    """The part of one process in a batch."""

    first: int
    """Where it begins in the batch."""

    end: int
    """Where it ends."""

    weight: float = 1.0
    """What a mean over its samples is multiplied by, so that the mean over processes is that over the batch."""


@functools.lru_cache(maxsize=1024)
def share(samples: int, *, batch_size: int, rank: int, world_size: int) -> Share:
    """The part of a process in a batch, which is contiguous, so that all parts in order are the batch.

    The last batch of an epoch may be too small for all. Several processes take the same part then, as many of them
    each part: none is without samples, and none has a single one unless a whole batch gives it no more, as batch
    normalisation cannot learn from that.

    Args:
        samples: How many samples the batch has.
        batch_size: How many a whole one has.
        rank: The process.
        world_size: How many there are.
    """
    least = 2 if batch_size >= 2 * world_size else 1
    parts = max(
        each for each in range(1, world_size + 1) if world_size % each == 0 and (each == 1 or samples >= least * each)
    )
    part = rank * parts // world_size
    size, more = divmod(samples, parts)
    first = part * size + min(part, more)
    own = size + (part < more)
    return Share(first, first + own, own * parts / samples if samples else 1.0)


class EachSampleOnce(Sampler[list[int]]):
    """The batches of one process where a model is measured: no sample twice, none left out, and as many as the others.

    Args:
        batches: What the loader had.
        rank: The process.
        world_size: How many there are.
        together: How many of the loader's batches they share at a time.
    """

    def __init__(self, batches: Any, *, rank: int, world_size: int, together: int = 1) -> None:
        self.batches = batches
        self._together = together
        self.sampler = getattr(batches, "sampler", None)
        self._rank = rank
        self._world_size = world_size

    def __len__(self) -> int:
        return len(self._own())

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._own())

    def _own(self) -> list[list[int]]:
        least = self._world_size
        whole: list[list[int]] = []
        for number, batch in enumerate(self.batches):
            if whole and (number % self._together or len(whole[-1]) < least):
                whole[-1] += batch
            else:
                whole.append(list(batch))
        if len(whole) > 1 and len(whole[-1]) < least:
            # Too few for all of them go with the ones before.
            last = whole.pop()
            whole[-1] += last
        if any(len(each) < least for each in whole):
            return whole  # each measures all of it: the mean over processes is the same
        begins = itertools.accumulate((len(each) for each in whole), initial=0)
        return [each[(self._rank - begin) % least :: least] for begin, each in zip(begins, whole, strict=False)]


class Shared(Callback):
    """Lets each process count by its share of a batch, and means be exact, where several train together."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Called when processes know each other."""
        if trainer.world_size > 1:
            strategy: Any = trainer.strategy
            vars(strategy)["backward"] = functools.partial(_weighed, type(strategy).backward, strategy, trainer)
            vars(strategy)["reduce"] = ExactMean(strategy)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the strategy as it was."""
        for name in ("backward", "reduce"):
            vars(trainer.strategy).pop(name, None)


def _weighed(
    backward: Callable[..., Any], strategy: Any, trainer: Trainer, loss: Tensor, *arguments: Any, **options: Any
) -> Any:
    weight = weight_of_loss(trainer, trainer.lightning_module)
    return backward(strategy, loss if weight == 1.0 else loss * weight, *arguments, **options)


class ExactMean:
    """Reduces as a strategy does. Lightning rounds the mean of whole numbers, and divides sums by it.

    Args:
        strategy: The strategy.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def __call__(self, tensor: Any, group: Any = None, reduce_op: Any = "mean") -> Any:
        """What a strategy's ``reduce`` does."""
        if isinstance(tensor, Tensor) and not tensor.is_floating_point() and reduce_op in ("mean", "avg"):
            tensor = tensor.double()
        return type(self._strategy).reduce(self._strategy, tensor, group, reduce_op)

    def __deepcopy__(self, memo: Any) -> ExactMean:
        """Lightning copies it with each result that is moved to another device."""
        return self


def weight_of_loss(trainer: Trainer, module: LightningModule) -> float:
    """What the loss of the batch in hand is multiplied by."""
    if isinstance(module, BaseModel) and module.loss_counts_all_processes:
        return 1.0
    loop: Any = trainer.fit_loop
    return float(loop.share_of_batch(loop.epoch_loop.batch_progress.current.ready - 1))
