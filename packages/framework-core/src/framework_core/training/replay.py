"""One step of a run once more: from the nearest checkpoint before it, bit for bit, leaving nothing behind."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from framework_core.contracts.config import RunConfig
from framework_core.errors import StepNotFoundError
from framework_core.heap import frozen_heap
from framework_core.tracking.checkpoints import Facts, damage
from framework_core.tracking.lookup import CHECKPOINTS, RunRecord
from framework_core.training.callbacks import training_callbacks
from framework_core.training.guard import SkippingGuard
from framework_core.training.lean_loop import without_empty_hooks
from framework_core.training.locating import Origin, first_bad_gradient, first_bad_weight, is_finite
from framework_core.training.performance import applied
from framework_core.training.preparation import Prepared
from framework_core.training.recorded import recorded_loss
from framework_core.training.recorder import batch_loss
from framework_core.training.samples import sample_ids
from framework_core.training.skips import Skips
from framework_core.training.stopping import early_stopping
from framework_core.training.trainer import build_trainer


@dataclass
class ReplayedStep:
    """What a step did."""

    run: str
    step: int
    start: int
    """The step of the checkpoint it was begun from; 0 is the beginning of the run."""

    epoch: int = 0
    batches: list[int] = field(default_factory=list)
    """The numbers of its batches in the epoch, from 0; several where gradients are accumulated."""

    samples: list[list[int]] = field(default_factory=list)
    """The numbers of each batch's samples in the dataset."""

    losses: list[float] = field(default_factory=list)
    """The loss of each batch."""

    lr: list[float] = field(default_factory=list)
    """The learning rate of each group of parameters."""

    gradients: dict[str, float] = field(default_factory=dict)
    """The norm of the gradient of each layer."""

    origin: str = ""
    """Where a number that is none began; empty where all are finite."""

    recorded: float | None = None
    """The loss that the run recorded for this step alone; ``None`` where it did not."""

    @property
    def loss(self) -> float:
        """The loss of the step: the mean of those of its batches."""
        total = torch.tensor(self.losses, dtype=torch.float32).sum()
        return float(total / max(1, len(self.losses)))

    @property
    def same(self) -> bool | None:
        """Whether it is bit for bit the recorded one; ``None`` where none is known."""
        if self.recorded is None:
            return None
        return self.loss == self.recorded or (self.loss != self.loss and self.recorded != self.recorded)


class _Reached(Exception):  # noqa: N818  # it is the end that was asked for
    """The step is done."""


class _Look(Callback):
    """Looks closely at one step, and ends after it.

    Args:
        wanted: What to fill in.
    """

    def __init__(self, wanted: ReplayedStep) -> None:
        self._wanted = wanted
        self._hooks: list[Any] = []
        self._first = ""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """From here on every layer is looked at."""
        if trainer.global_step + 1 != self._wanted.step:
            return
        self._wanted.epoch = trainer.current_epoch
        self._wanted.batches.append(batch_idx)
        self._wanted.samples.append(sample_ids(trainer, trainer.current_epoch, batch_idx))
        if weight := first_bad_weight(pl_module):
            self._wanted.origin = f"{Origin('weight', weight)}: a step before did that"
        elif not is_finite(batch):
            self._wanted.origin = str(Origin("batch"))
        named = [(name, layer) for name, layer in pl_module.named_modules() if name]
        self._hooks = [layer.register_forward_hook(self._looked_at(name)) for name, layer in named]

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """The gradients are complete."""
        if trainer.global_step + 1 != self._wanted.step:
            return
        self._wanted.lr = [float(group["lr"]) for group in optimizer.param_groups]
        self._wanted.gradients = gradient_norms(pl_module)
        if not self._wanted.origin and (name := first_bad_gradient(pl_module)) and not self._first:
            self._wanted.origin = str(Origin("gradient", name))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss, and end where the step has been made."""
        if not self._wanted.batches:
            return
        for hook in self._hooks:
            hook.remove()
        loss = batch_loss(trainer, outputs)
        if loss is not None:
            self._wanted.losses.append(float(loss))
            self._wanted.origin = self._wanted.origin or self._seen(loss)
        if trainer.global_step >= self._wanted.step:
            raise _Reached

    def _seen(self, loss: Tensor) -> str:
        if self._first:
            return str(Origin("layer", self._first))
        return "" if is_finite(loss) else str(Origin("loss"))

    def _looked_at(self, name: str) -> Any:
        def look(layer: nn.Module, inputs: Any, output: Any) -> None:
            if not self._first and not is_finite(output):
                self._first = name

        return look


def replay(config: RunConfig, prepared: Prepared, record: RunRecord, step: int) -> ReplayedStep:
    """Train from the nearest checkpoint to a step, and look at that one.

    Args:
        config: The settings of the run.
        prepared: Its data and model.
        record: The run.
        step: The optimizer step, from 1.

    Raises:
        StepNotFoundError: The run would end before it.
    """
    start, checkpoint = nearest(record, step)
    found = ReplayedStep(record.name, step, start)
    look = _Look(found)
    model = prepared.model
    callbacks: list[Callback] = [*training_callbacks(config)]
    if config.early_stopping.patience is not None:
        callbacks.append(
            early_stopping(config.early_stopping, monitor=prepared.monitor or "val/loss", mode=prepared.mode)
        )
    skips = Skips(record.directory)
    if len(skips):
        quiet = config.model_copy(update={"faults": config.faults.model_copy(update={"not_finite": "ignore"})})
        callbacks.append(SkippingGuard(quiet, record.directory, skips))
    with tempfile.TemporaryDirectory(prefix="fw-replay-") as folder:
        trainer = build_trainer(
            config, directory=Path(folder), logger=False, callbacks=[*callbacks, look], enable_checkpointing=False
        )
        try:
            # What keeps checkpoints and points is left out, and Lightning would miss it.
            warnings.filterwarnings("ignore", message="Be aware that when using `ckpt_path`, callbacks used.*")
            with applied(config, model), without_empty_hooks(trainer, model), frozen_heap():
                trainer.fit(model, datamodule=prepared.datamodule, ckpt_path=checkpoint, weights_only=True)
        except _Reached:
            found.recorded = recorded_loss(record, step)
            return found
    raise StepNotFoundError(record.name, step, last=trainer.global_step)


def without_outlets(config: RunConfig) -> RunConfig:
    """The same settings for one process that is recorded nowhere."""
    tracking = config.mlops.tracking.model_copy(update={"backend": "none"})
    update = {"mlops": config.mlops.model_copy(update={"tracking": tracking, "report": False})}
    return config.model_copy(update=update)


def nearest(record: RunRecord, step: int) -> tuple[int, Path | None]:
    """The newest checkpoint before a step, and its own step; 0 and ``None`` where the run has to begin anew."""
    best: tuple[int, Path | None] = (0, None)
    for path in sorted((record.directory / CHECKPOINTS).glob("*.ckpt")):
        at = step_of_checkpoint(path)
        if best[0] < at < step:
            best = (at, path)
    return best


def step_of_checkpoint(path: Path) -> int:
    """The optimizer steps that a checkpoint has behind it; 0 where it is damaged."""
    facts = Facts.read(path) if path.is_dir() else None
    return facts.global_step if facts is not None and not damage(path) else 0


def gradient_norms(module: nn.Module) -> dict[str, float]:
    """The norm of the gradient of each layer that has parameters of its own."""
    found = {}
    for name, layer in module.named_modules():
        own = [each.grad for each in layer.parameters(recurse=False) if each.grad is not None]
        if own:
            norms = torch.stack([torch.linalg.vector_norm(each.float()) for each in own])
            found[name or type(module).__name__] = float(torch.linalg.vector_norm(norms))
    return found
