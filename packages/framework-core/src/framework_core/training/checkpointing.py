"""When checkpoints are written, and which are kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from lightning.pytorch.strategies.single_xla import SingleDeviceXLAStrategy
from lightning.pytorch.strategies.xla import XLAStrategy
from torch import Tensor

from framework_core.contracts.config import CheckpointConfig
from framework_core.tracking.checkpoints import LAST, Facts
from framework_core.training.checkpoint_io import CheckpointFolders
from framework_core.training.checkpoint_together import CheckpointParts
from framework_core.training.exact_loop import BetweenSteps
from framework_core.training.strategies.whole_state import WholeState

OWN_FORM = (DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy, SingleDeviceXLAStrategy, XLAStrategy)
"""Strategies that write a model in parts, each in a form of its own."""


def use_folders(trainer: Trainer, settings: CheckpointConfig, *, timeout_seconds: float) -> None:
    """Let a new Trainer write checkpoints as folders, unless somebody chose otherwise or the strategy cannot.

    Args:
        trainer: The Trainer.
        settings: How they are written.
        timeout_seconds: How long a process waits for the others.
    """
    own_form = isinstance(trainer.strategy, OWN_FORM) and not isinstance(trainer.strategy, WholeState)
    if trainer._accelerator_connector.checkpoint_io is not None or own_form:
        return
    arguments: dict[str, Any] = {
        "keep_last": settings.keep_last,
        "keep_hours": settings.keep_hours,
        "asynchronous": settings.asynchronous,
    }
    if settings.sharded and isinstance(trainer.strategy, WholeState):
        trainer.strategy.checkpoint_io = CheckpointParts(timeout_seconds=timeout_seconds, **arguments)
    else:
        trainer.strategy.checkpoint_io = CheckpointFolders(**arguments)


class _Kept(ModelCheckpoint, BetweenSteps):
    """Lightning's, but it saves when everything that belongs to a step is done, and not in the middle of it."""

    on_train_batch_end = None  # type: ignore[assignment]

    def __init__(self, settings: CheckpointConfig, folder: Path, **arguments: Any) -> None:
        super().__init__(dirpath=folder, auto_insert_metric_name=False, enable_version_counter=False, **arguments)
        self._settings = settings
        self._epoch_over = False
        self._validated = False

    def _generate_state_key(self, **facts: Any) -> str:
        return f"ModelCheckpoint{facts!r}"

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Too early: schedulers that watch a metric come after it."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that metrics are new."""
        self._validated = not trainer.sanity_checking

    def between_steps(self, trainer: Trainer, *, epoch_over: bool) -> None:
        """Save what is due."""
        self._epoch_over = epoch_over
        due = self._due(trainer) and not self._should_skip_saving_checkpoint(trainer)
        self._validated = False
        if due:
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def _due(self, trainer: Trainer) -> bool:
        raise NotImplementedError

    def _is_epoch_due(self, trainer: Trainer) -> bool:
        return self._epoch_over and (trainer.current_epoch % self._settings.every_n_epochs == 0 or _is_end(trainer))

    def _monitor_candidates(self, trainer: Trainer) -> dict[str, Tensor]:
        """With the number of the epoch that the step belongs to."""
        found = super()._monitor_candidates(trainer)
        found["epoch"] = found["epoch"] - int(self._epoch_over)
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The checkpoints it knew, wherever the run's folder is now."""
        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        best = {self._here(path): value for path, value in state_dict.get("best_k_models", {}).items()}
        moved = {name: self._here(state_dict[name]) for name in paths if name in state_dict}
        super().load_state_dict({**state_dict, **moved, "best_k_models": best, "dirpath": self.dirpath})
        self.current_score = state_dict.get("current_score")

    def _here(self, path: str) -> str:
        return str(Path(self.dirpath or ".") / Path(path).name) if path else path


class BestCheckpoint(_Kept):
    """Keeps the best by the monitored metric.

    Args:
        settings: How many, and how often.
        folder: Where.
        monitor: The metric.
        mode: ``min`` or ``max``.
    """

    def __init__(self, settings: CheckpointConfig, folder: Path, *, monitor: str, mode: str) -> None:
        name = "best-epoch{epoch}-step{step}"
        super().__init__(settings, folder, filename=name, monitor=monitor, mode=mode, save_top_k=settings.save_top_k)
        self.best_metrics: dict[str, float] = {}
        """All metrics as they were when the best was written."""

    def state_dict(self) -> dict[str, Any]:
        """With the metrics of the best."""
        return {**super().state_dict(), "best_metrics": self.best_metrics}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """With the metrics of the best."""
        self.best_metrics = dict(state_dict.get("best_metrics", {}))
        super().load_state_dict(state_dict)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        if filepath == self.best_model_path:
            self.best_metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        super()._save_checkpoint(trainer, filepath)

    def _due(self, trainer: Trainer) -> bool:
        if self._epoch_over and not self._is_epoch_due(trainer):
            return False
        return self._validated or (self._epoch_over and not trainer.enable_validation)


class LastCheckpoint(_Kept):
    """Keeps the newest. Lightning's own ``save_last`` saves only where the metric has improved.

    Args:
        settings: How often.
        folder: Where.
    """

    def __init__(self, settings: CheckpointConfig, folder: Path) -> None:
        super().__init__(settings, folder, filename=LAST.removesuffix(".ckpt"), save_top_k=1)
        self._clock = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._clock = time.monotonic()

    def nothing_left(self, trainer: Trainer) -> None:
        """Of the two checkpoints of a run's end, the one that was killed may have written the best one only."""
        newest = Path(self.dirpath or ".") / LAST
        facts = Facts.read(newest)
        if trainer.strategy.broadcast(facts is None or facts.global_step < trainer.global_step):
            trainer.save_checkpoint(newest)

    def _due(self, trainer: Trainer) -> bool:
        steps, minutes = self._settings.every_n_train_steps, self._settings.every_n_minutes
        due = (
            self._is_epoch_due(trainer)
            or (self._validated and not self._epoch_over)
            or (steps is not None and trainer.global_step % steps == 0)
        )
        if minutes is not None:
            late = time.monotonic() - self._clock >= 60 * minutes
            due = due or bool(trainer.strategy.broadcast(late))
        if due:
            self._clock = time.monotonic()
        return due


def _is_end(trainer: Trainer) -> bool:
    """Whether no epoch follows."""
    loop: Any = trainer.fit_loop
    return bool(loop.done)
