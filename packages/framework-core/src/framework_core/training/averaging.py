"""An average of the weights: validated, kept as best and tested in place of the weights themselves."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from framework_core.contracts.training import AveragingConfig
from framework_core.process import is_main_process
from framework_core.training.batch_statistics import refresh

_log = logging.getLogger("framework_core")


def averaging(settings: AveragingConfig) -> Callback | None:
    """What averages, if anything is to."""
    if settings.kind == "ema":
        return ExponentialAverage(settings)
    return EpochAverage(settings) if settings.kind == "swa" else None


class _Average(WeightAveraging):
    """Lightning's averaging, that does nothing before there is an average, and is saved whole in mid-validation too.

    Running statistics of normalisation are averaged like weights, unless they are counted anew.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(use_buffers=True, **arguments)
        self._in_place = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep the average where the model will be; the count of it where reading it waits for nobody."""
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            self._average_model.n_averaged = self._average_model.n_averaged.cpu()

    @property
    def _begun(self) -> bool:
        return self._average_model is not None and int(self._average_model.n_averaged) > 0

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The average takes the place of the weights."""
        if self._begun:
            self._swap_models(pl_module)
            self._in_place = True

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The weights come back."""
        if self._in_place:
            self._swap_models(pl_module)
            self._in_place = False

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The average stays, if there is one."""
        if self._begun:
            super().on_train_end(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """The average as the model, the weights beside it to go on from."""
        if not self._begun:
            return
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._in_place:
            names = ("state_dict", "current_model_state")
            checkpoint[names[0]], checkpoint[names[1]] = checkpoint[names[1]], checkpoint[names[0]]

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on from both; a checkpoint from before the average has none."""
        if self._average_model is not None and "current_model_state" in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)


class ExponentialAverage(_Average):
    """An exponential moving average of the weights.

    Polyak and Juditsky, https://doi.org/10.1137/0330046; Tarvainen and Valpola, https://arxiv.org/abs/1703.01780.

    Args:
        settings: How it moves.
    """

    def __init__(self, settings: AveragingConfig) -> None:
        super().__init__(multi_avg_fn=self._move)
        self._settings = settings
        self._moves = 0

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """At every so many steps."""
        if step_idx is None or (step_idx + 1) % self._settings.every_n_steps:
            return False
        self._moves = (step_idx + 1) // self._settings.every_n_steps
        return True

    @property
    def decay(self) -> float:
        """How slowly the average moves now."""
        settings = self._settings
        return min(settings.decay, (1 + self._moves) / (10 + self._moves)) if settings.warmup else settings.decay

    def _move(self, averages: Any, current: Any, _: Any) -> None:
        _towards(averages, current, 1 - self.decay)


class EpochAverage(_Average):
    """The mean of the weights at the ends of the last epochs (Izmailov et al., https://arxiv.org/abs/1803.05407).

    Args:
        settings: From where on, and with which learning rate.
    """

    def __init__(self, settings: AveragingConfig) -> None:
        super().__init__(multi_avg_fn=self._mean)
        self._settings = settings
        self._first = 0
        self._said = not is_main_process()
        self._lr = settings.lr
        if self._lr is None:
            # A hook of every step that nobody wrote is not called.
            self.on_train_batch_start = None  # type: ignore[assignment, method-assign]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the first epoch that counts; the last always does."""
        epochs = trainer.max_epochs or 1
        self._first = min(round(self._settings.start * epochs), epochs - 1)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Hold the learning rate, each group in its proportion to the largest."""
        if trainer.current_epoch < self._first or self._lr is None:
            return
        for optimizer in trainer.optimizers:
            starts = [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]
            for group, start in zip(optimizer.param_groups, starts, strict=True):
                group["lr"] = self._lr * start / max(starts)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take an epoch's end into the mean with its last batch: what is validated then is what is saved."""
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self.on_train_epoch_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The same where an epoch ends before its last batch; the statistics are counted for the new mean."""
        before = self._latest_update_epoch
        super().on_train_epoch_end(trainer, pl_module)
        if self._latest_update_epoch == before or not self._settings.bn_batches or self._average_model is None:
            return
        began = time.perf_counter()
        batches = refresh(self._average_model.module, trainer, pl_module, batches=self._settings.bn_batches)
        if batches and not self._said:
            self._said = True
            cost = f"{batches} batches, {time.perf_counter() - began:.1f} s an epoch"
            _log.info("swa       batch statistics counted anew from %s  else: averaging.bn_batches=0", cost)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """At the end of each epoch that counts."""
        return epoch_idx is not None and epoch_idx >= self._first

    def state_dict(self) -> dict[str, Any]:
        """With the epoch, which Lightning leaves out."""
        return {**super().state_dict(), "latest_update_epoch": self._latest_update_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """With the epoch."""
        super().load_state_dict(state_dict)
        self._latest_update_epoch = state_dict["latest_update_epoch"]

    def _mean(self, averages: Any, current: Any, count: Tensor | int) -> None:
        _towards(averages, current, 1 / (int(count) + 1))


def _towards(averages: Iterable[Tensor], current: Iterable[Tensor], share: float) -> None:
    """Move by a share of the way; whole numbers, as counts of batches, are taken as they are."""
    pairs = list(zip(averages, current, strict=True))
    moving = [pair for pair in pairs if pair[0].is_floating_point()]
    if moving:
        torch._foreach_lerp_([average for average, _ in moving], [now for _, now in moving], share)
    for average, now in pairs:
        if not average.is_floating_point():
            average.copy_(now)
