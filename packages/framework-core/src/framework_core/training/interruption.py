"""Ctrl-C and SIGTERM: the step in hand is finished, a checkpoint is written, and the run ends as interrupted."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from framework_core.errors import RunInterrupted

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


def where_it_goes_on(checkpoint: Path) -> str:
    """In words, from where a checkpoint is continued."""
    loop = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["loops"]["fit_loop"]
    progress, epochs = loop["epoch_loop.batch_progress"], loop["epoch_progress"]["current"]["processed"]
    if progress["is_last_batch"]:
        return f"after epoch {epochs}"
    steps = progress["current"]["processed"]
    return f"{steps} steps into epoch {epochs + 1}; the rest of it takes samples in a new order"


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint was taken at."""
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"])


class Interruption(Callback):
    """Turns the first signal into an end between two steps; a second Ctrl-C ends at once.

    In the middle of a step weights and optimizer may not belong together, so it waits for the step's end. Where
    several processes train, Lightning carries the word to all of them, and each ends at the same step.

    Args:
        checkpoint: Where to save.
        run: The run's name, for the message.
    """

    def __init__(self, checkpoint: Path, run: str) -> None:
        self._checkpoint = checkpoint
        self._run = run
        self._before: dict[int, Any] = {}
        self._trainer: Trainer | None = None
        self.cause = ""
        """What stopped the run; empty while nothing has."""

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.cause:
            raise KeyboardInterrupt
        self.cause = SIGNALS[signal.Signals(number)]
        if self._trainer is not None and self._trainer.world_size > 1:
            self._trainer._signal_connector.received_sigterm = True
        elif self._trainer is None:
            raise RunInterrupted(self.cause)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on there are steps to wait for."""
        self._trainer = trainer

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Between two steps everything belongs together."""
        if self.cause and trainer.world_size == 1:
            self._stop(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Validation changes nothing, so any of its batches will do."""
        if self.cause and trainer.world_size == 1:
            self._stop(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Several processes end here, all at the same step."""
        if self.cause and trainer.world_size > 1:
            trainer.save_checkpoint(self._checkpoint)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A signal in the very last step ends the run all the same."""
        self._trainer = None

    def _stop(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self._checkpoint)
        raise RunInterrupted(self.cause, run=self._run)
