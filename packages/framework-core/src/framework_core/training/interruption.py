"""Ctrl-C, SIGTERM and SIGUSR1: the step in hand is finished, a checkpoint is written, the run ends as interrupted.

SIGUSR1 is what Slurm is asked to send some time before a job's limit (``--signal=USR1@120``).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from framework_core.errors import FrameworkError, RunInterrupted
from framework_core.training.agreement import Agreement, let_others_end
from framework_core.training.exact_loop import BetweenSteps
from framework_core.training.unheard import UnheardSignals

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
if hasattr(signal, "SIGUSR1"):
    SIGNALS[signal.SIGUSR1] = "SIGUSR1"

NOTHING_TO_LOSE = 2.0
"""Seconds in which a main thread moves on that has not begun to train, or that was told more than once to end."""

GRACE = 10.0
"""Seconds in which it raises an error that another thread has found."""


class Interruption(BetweenSteps):
    """Turns the first signal into an end between two steps; a second Ctrl-C ends at once.

    In the middle of a step weights and optimizer may not belong together, so it waits for the step's end, but not for
    ever. Where several processes train, all of them end at the same step, whichever was sent the signal.

    Args:
        checkpoint: Where to save.
        run: The run's name, for the message.
        patience: Seconds that a step may take to end.
        end: Ends the run and the process from another thread, where the main one cannot be reached.
    """

    def __init__(self, checkpoint: Path, run: str, patience: float, end: Callable[[FrameworkError], None]) -> None:
        self._checkpoint = checkpoint
        self._run = run
        self._patience = patience
        self._before: dict[int, Any] = {}
        self._trainer: Trainer | None = None
        self._agreement = Agreement()
        self._timer: threading.Timer | None = None
        self._late = False
        self._fault: FrameworkError | None = None
        self._failed = False
        self._number = 0
        self._between = False
        self._begun = False
        self._end = end
        self._ending = threading.Lock()
        self._unheard = UnheardSignals(tuple(SIGNALS), self._moves_on_within, self._end_unheard)
        self.cause = ""
        """What stopped the run; empty while nothing has."""

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
            if self._listens:
                self._unheard.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hurry_no_more()
        if self._listens:
            self._unheard.stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def fail(self, fault: FrameworkError) -> None:
        """Let the main thread raise an error wherever it is, or end without it; called on another thread.

        Where a signal ends the run already, that is what ended it: processes that are told to end do. What is found
        after the first error follows from it.
        """
        if self._failed:
            return
        self._failed = True
        if self.cause or self._unheard.pending:
            self.cause = self.cause or SIGNALS[signal.Signals(self._unheard.pending)]
            fault = self._stopped()
        self._fault = fault
        self._start_timer(GRACE, self._end_once, fault)
        self._wake()

    def hurry_no_more(self) -> None:
        """The step has ended, or training has: what is left takes as long as it does."""
        if self._timer is not None:
            self._timer.cancel()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._unheard.heard()
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        if self._late:
            self._late = False
            # A process that only waits for data has nothing half done, but it may not speak for others.
            loop: Any = self._trainer.fit_loop.epoch_loop if self._trainer else None
            self._between = getattr(loop, "waiting", False) and loop.trainer.world_size == 1
            raise RunInterrupted(self.cause)
        if self.cause:
            # A job manager may well send SIGTERM twice; only a person's second Ctrl-C means at once.
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.cause = SIGNALS[signal.Signals(number)]
        self._number = number
        if self._trainer is None:
            raise RunInterrupted(self.cause)
        self._start_timer(self._patience, self._too_late)

    @property
    def _listens(self) -> bool:
        return bool(self._before) and hasattr(signal, "pthread_kill")

    def _moves_on_within(self, number: int) -> float:
        again = self.cause and number == signal.SIGINT
        return NOTHING_TO_LOSE if again or self._late or not self._begun else self._patience

    def _end_unheard(self, number: int) -> None:
        """Called on another thread: the main one waits where no handler can run."""
        if self._fault is None:
            if self.cause and not self._late and number != signal.SIGINT:
                return  # it writes a checkpoint, and a job manager may well send SIGTERM twice
            self.cause = self.cause or SIGNALS[signal.Signals(number)]
        self._end_once(self._fault or self._stopped())

    def _end_once(self, error: FrameworkError) -> None:
        if self._ending.acquire(blocking=False):
            self._end(error)

    def _stopped(self) -> RunInterrupted:
        return RunInterrupted(self.cause, run=self._run if self._checkpoint.exists() else "")

    def _start_timer(self, seconds: float, function: Callable[..., None], *given: Any) -> None:
        self.hurry_no_more()
        self._timer = threading.Timer(seconds, function, given)
        self._timer.daemon = True
        self._timer.start()

    def _too_late(self) -> None:
        self._late = True
        self._wake()

    def _wake(self) -> None:
        if self._listens:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on there are steps to wait for."""
        self._trainer = trainer
        self._begun = True

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning has set a handler of its own for SIGTERM, one that talks to other processes in it."""
        self._take_back()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See above: there may be no sanity check."""
        self._take_back()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A signal at the very end of training keeps the test from being begun."""
        self._take_back()
        if self.cause and trainer.world_size == 1:
            raise RunInterrupted(self.cause, run=self._run)

    def between_steps(self, trainer: Trainer, *, epoch_over: bool) -> None:
        """Between two steps everything belongs together."""
        if trainer.world_size > 1:
            told = self._agreement.signal(self._number, trainer.strategy.root_device)
            if not told:
                return
            self.cause = self.cause or SIGNALS[signal.Signals(told)]
            let_others_end()
        if self.cause:
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

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, *arguments: Any) -> None:
        """An error that a handler raises is lost where Python ignores errors, as when an object is deleted."""
        if self.cause and trainer.world_size == 1:
            raise RunInterrupted(self.cause, run=self._run)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """One that has waited too long for its next batch has a step behind it that is whole."""
        if self._between or (self.cause and isinstance(exception, SIGTERMException)):
            trainer.save_checkpoint(self._checkpoint)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """There are no more steps to wait for."""
        self._trainer = None

    def _take_back(self) -> None:
        if self._before:
            signal.signal(signal.SIGTERM, self._on_signal)

    def _stop(self, trainer: Trainer) -> None:
        self.hurry_no_more()
        trainer.save_checkpoint(self._checkpoint)
        raise RunInterrupted(self.cause, run=self._run)
