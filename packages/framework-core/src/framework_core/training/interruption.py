"""Ctrl-C and SIGTERM: the step in hand is finished, a checkpoint is written, and the run ends as interrupted."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from framework_core.errors import RunInterrupted
from framework_core.training.exact_loop import BetweenSteps

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Interruption(BetweenSteps):
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

    def between_steps(self, trainer: Trainer, *, epoch_over: bool) -> None:
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
        """Several processes end here, all at the same step; one does where Lightning saw the signal too."""
        if self.cause and (trainer.world_size > 1 or isinstance(exception, SIGTERMException)):
            trainer.save_checkpoint(self._checkpoint)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A signal in the very last step ends the run all the same."""
        self._trainer = None

    def _stop(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self._checkpoint)
        raise RunInterrupted(self.cause, run=self._run)
