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
        self.last: torch.Tensor | None = None
        """The newest loss; of several processes that of this one, until there is a mean."""

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
        self.last = loss
        if trainer.world_size > 1:
            loss = loss * weight_of_loss(trainer, pl_module)
        self._sum = loss if self._sum is None else self._sum + loss
        self._count += 1
        if self._count >= self._every * trainer.accumulate_grad_batches:
            self._flush(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the unfinished interval."""
        self._flush(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note among the points where it was taken: those that follow are made again when a run goes on from it."""
        self._logger.note_checkpoint(trainer.global_step)

    def _flush(self, trainer: Trainer) -> None:
        if self._sum is None:
            return
        mean = self._sum / self._count
        if trainer.world_size > 1:
            self.last = mean = trainer.strategy.reduce(mean, reduce_op="mean")
        values: dict[str, Any] = {"train/loss": mean}
        if trainer.optimizers:
            values["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        self._logger.log_metrics(values, trainer.global_step)
        self._sum, self._count = None, 0


def batch_loss(trainer: Trainer, outputs: Any) -> torch.Tensor | None:
    """The loss of a batch, as ``training_step`` gave it: Lightning divides it by the batches that make a step.

    Args:
        trainer: Lightning's Trainer.
        outputs: What Lightning hands to ``on_train_batch_end``.
    """
    loss: torch.Tensor | None = outputs["loss"] if isinstance(outputs, Mapping) else outputs
    batches = trainer.accumulate_grad_batches
    return loss if loss is None or batches == 1 else loss * batches
