"""The curve of the training loss and of the learning rate, at next to no cost a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from framework_core.tracking.logger import TrackingLogger
from framework_core.training.shares import weight_of_loss

POINTS = 1000
"""About how many points a curve has where nobody set the interval."""


class StepRecorder(Callback):
    """Adds up the loss on its device and writes the mean of each interval, over all processes that train together.

    ``self.log`` at every step is what makes plain Lightning slow on small models; a sum costs one addition.

    Args:
        logger: Where points go.
        every: Steps between two points; ``None`` gives about ``POINTS`` for the whole run.
    """

    def __init__(self, logger: TrackingLogger, every: int | None = None) -> None:
        self._logger = logger
        self._every = every or 1
        self._chosen = every is not None
        self._sum: torch.Tensor | None = None
        self._count = 0
        self._under_way: _Point | None = None
        self._last: torch.Tensor | _Point | None = None

    @property
    def last(self) -> torch.Tensor | None:
        """The newest loss; of several processes that of this one, until there is a mean."""
        return self._last.mean() if isinstance(self._last, _Point) else self._last

    def state_dict(self) -> dict[str, Any]:
        """The interval that is not complete."""
        return {"sum": self._sum, "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with it."""
        self._sum, self._count = state_dict["sum"], state_dict["count"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the interval from the length of the run."""
        steps = trainer.estimated_stepping_batches
        if not self._chosen and steps != float("inf"):
            self._every = max(1, int(steps) // POINTS)
        # The interval of self.log in the user's own code is the same.
        trainer.log_every_n_steps = self._every  # type: ignore[attr-defined]
        if self._sum is not None:
            self._sum = self._sum.to(pl_module.device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add one loss."""
        loss = batch_loss(trainer, outputs)
        if loss is None:
            return
        self._last = loss
        if trainer.world_size > 1:
            loss = loss * weight_of_loss(trainer, pl_module)
        self._sum = loss if self._sum is None else self._sum + loss
        self._count += 1
        if self._count >= self._every * trainer.accumulate_grad_batches:
            self._flush(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the unfinished interval."""
        self._flush(trainer)
        self._write()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note among the points where it was taken: those that follow are made again when a run goes on from it."""
        self._write()
        self._logger.note_checkpoint(trainer.global_step)

    def _flush(self, trainer: Trainer) -> None:
        if self._sum is None:
            return
        self._write()
        rate = trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else None
        self._under_way = _Point(trainer, self._sum / self._count, rate)
        self._sum, self._count = None, 0
        if trainer.world_size > 1:
            self._last = self._under_way
        else:
            self._write()

    def _write(self) -> None:
        """Write the point that waits for the other processes, which did not stop the steps since."""
        point, self._under_way = self._under_way, None
        if point is None:
            return
        values: dict[str, Any] = {"train/loss": point.mean()}
        if point.rate is not None:
            values["lr"] = point.rate
        self._logger.log_metrics(values, point.step)


class _Point:
    """A point whose mean over all processes is on its way.

    Args:
        trainer: Lightning's Trainer.
        mean: That of this process.
        rate: The learning rate.
    """

    def __init__(self, trainer: Trainer, mean: torch.Tensor, rate: float | None) -> None:
        self.step, self.rate = trainer.global_step, rate
        self._mean, self._processes = mean, trainer.world_size
        self._work: Any = None
        if trainer.world_size == 1:
            return
        if torch.distributed.is_initialized():
            self._mean = mean.detach().clone()
            self._work = torch.distributed.all_reduce(self._mean, async_op=True)
        else:
            self._mean = trainer.strategy.reduce(mean, reduce_op="mean")

    def mean(self) -> torch.Tensor:
        """That of all of them."""
        if self._work is not None:
            self._work.wait()
            self._work = None
            self._mean /= self._processes
        return self._mean


def batch_loss(trainer: Trainer, outputs: Any) -> torch.Tensor | None:
    """The loss of a batch, as ``training_step`` gave it: Lightning divides it by the batches that make a step.

    Args:
        trainer: Lightning's Trainer.
        outputs: What Lightning hands to ``on_train_batch_end``.
    """
    loss: torch.Tensor | None = outputs["loss"] if isinstance(outputs, Mapping) else outputs
    batches = trainer.accumulate_grad_batches
    return loss if loss is None or batches == 1 else loss * batches
