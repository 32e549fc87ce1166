"""The curve of the training loss and of the learning rate, at next to no cost a step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from framework_core.tracking.logger import TrackingLogger
from framework_core.training.shares import weight_of_loss

POINTS = 1000
"""About how many points a curve has where nobody set the interval."""

EVERY_SECONDS = 1.0
"""How long points of several processes may wait to be exchanged; doing it for each slows a small model down."""

MOST_POINTS = 100


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
        self._alone = True
        """Whether no other process trains."""
        self._points: list[_Point] = []
        self._together = 1
        """How many points are exchanged at once; all processes know the same."""
        self._since = time.monotonic()
        self._under_way: _Exchange | None = None
        self._last: torch.Tensor | _Exchange | None = None

    @property
    def last(self) -> torch.Tensor | None:
        """The newest loss; of several processes that of this one, until there is a mean."""
        return self._last.means()[-1] if isinstance(self._last, _Exchange) else self._last

    def state_dict(self) -> dict[str, Any]:
        """The interval that is not complete."""
        return {"sum": self._sum, "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with it."""
        self._sum, self._count = state_dict["sum"], state_dict["count"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the interval from the length of the run."""
        self._alone = trainer.world_size == 1
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
        if not self._alone and (weight := weight_of_loss(trainer, pl_module)) != 1.0:
            loss = loss * weight
        self._sum = loss if self._sum is None else self._sum + loss
        self._count += 1
        if self._count >= self._every * trainer.accumulate_grad_batches:
            self._flush(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exchange what waits: the epoch's line shows it."""
        self._exchange(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the unfinished interval."""
        self._flush(trainer)
        self._write_all(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note among the points where it was taken: those that follow are made again when a run goes on from it."""
        self._write_all(trainer)
        self._logger.note_checkpoint(trainer.global_step)

    def _flush(self, trainer: Trainer) -> None:
        if self._sum is None:
            return
        rate = trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else None
        point = _Point(trainer.global_step, self._sum / self._count, rate)
        self._sum, self._count = None, 0
        if self._alone:
            self._write(point, point.loss)
            return
        self._points.append(point)
        if len(self._points) >= self._together:
            self._exchange(trainer)

    def _exchange(self, trainer: Trainer) -> None:
        """Write what was under way, which did not stop the steps since, and send what waits on its way."""
        if not self._points:
            return
        self._write_exchanged()
        each = (time.monotonic() - self._since) / len(self._points)
        wish = max(1, min(MOST_POINTS, int(EVERY_SECONDS / max(each, 1e-6))))
        self._under_way = self._last = _Exchange(trainer, self._points, wish)
        self._points, self._since = [], time.monotonic()

    def _write_all(self, trainer: Trainer) -> None:
        self._exchange(trainer)
        self._write_exchanged()

    def _write_exchanged(self) -> None:
        exchange, self._under_way = self._under_way, None
        if exchange is None:
            return
        for point, mean in zip(exchange.points, exchange.means(), strict=True):
            self._write(point, mean)
        self._together = exchange.wish()

    def _write(self, point: _Point, loss: torch.Tensor) -> None:
        values: dict[str, Any] = {"train/loss": loss}
        if point.rate is not None:
            values["lr"] = point.rate
        self._logger.log_metrics(values, point.step)


class _Point(NamedTuple):
    """The mean of an interval in this process."""

    step: int
    loss: torch.Tensor
    rate: float | None


class _Exchange:
    """Points whose means over all processes are on their way.

    Args:
        trainer: Lightning's Trainer.
        points: Those of this process.
        wish: How many this process would exchange at once.
    """

    def __init__(self, trainer: Trainer, points: list[_Point], wish: int) -> None:
        self.points = points
        losses = torch.stack([point.loss.detach() for point in points]).double()
        self._values = torch.cat([losses, losses.new_tensor([wish])])
        self._processes = trainer.world_size
        self._work: Any = None
        if torch.distributed.is_initialized():
            self._work = torch.distributed.all_reduce(self._values, async_op=True)
        else:
            self._values = trainer.strategy.reduce(self._values, reduce_op="mean")

    def means(self) -> torch.Tensor:
        """Those of all of them."""
        if self._work is not None:
            self._work.wait()
            self._work = None
            self._values /= self._processes
        return self._values[:-1]

    def wish(self) -> int:
        """How many all would exchange at once, on average."""
        self.means()
        return int(self._values[-1])


def batch_loss(trainer: Trainer, outputs: Any) -> torch.Tensor | None:
    """The loss of a batch, as ``training_step`` gave it: Lightning divides it by the batches that make a step.

    Args:
        trainer: Lightning's Trainer.
        outputs: What Lightning hands to ``on_train_batch_end``.
    """
    loss: torch.Tensor | None = outputs["loss"] if isinstance(outputs, Mapping) else outputs
    batches = trainer.accumulate_grad_batches
    return loss if loss is None or batches == 1 else loss * batches
