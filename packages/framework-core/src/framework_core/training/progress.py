"""Progress on the screen: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from framework_core.training.recorder import StepRecorder

REFRESH_SECONDS = 0.1
LINE_SECONDS = 30.0
"""Without a terminal an epoch longer than this says how far it is."""


class Display(Protocol):
    """Where progress is shown."""

    interval: float

    def start(self, what: str, total: int | None) -> None:
        """A new stage."""

    def update(self, done: int, facts: str) -> None:
        """How far the stage is."""

    def line(self, text: str) -> None:
        """A line that stays."""

    def close(self) -> None:
        """No more progress."""


class TerminalDisplay:
    """A bar that is redrawn in place; lines that stay go above it."""

    interval = REFRESH_SECONDS

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}", style="bright_black"),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self._task: TaskID | None = None

    def start(self, what: str, total: int | None) -> None:
        """A new stage, in place of the last."""
        if self._task is None:
            self._progress.start()
        else:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total, facts="")

    def update(self, done: int, facts: str) -> None:
        """Redraw the bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=done, facts=facts, refresh=True)

    def line(self, text: str) -> None:
        """A line above the bar."""
        self._progress.console.print(text, highlight=False, markup=False)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()
        self._task = None


class LineDisplay:
    """Plain lines: for logs, pipes and schedulers."""

    interval = LINE_SECONDS

    def __init__(self) -> None:
        self._what = ""
        self._total: int | None = None

    def start(self, what: str, total: int | None) -> None:
        """A new stage; it is named when there is something to say of it."""
        self._what, self._total = what, total

    def update(self, done: int, facts: str) -> None:
        """One line on how far it is."""
        self.line(f"{self._what}  {done}/{self._total or '?'}  {facts}")

    def line(self, text: str) -> None:
        """A line."""
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to take away."""


def display() -> Display:
    """A bar where stderr is a terminal, lines where it is not."""
    return TerminalDisplay() if sys.stderr.isatty() else LineDisplay()


class ProgressReporter(Callback):
    """Shows loss, metric, speed and remaining time.

    Args:
        recorder: Where the loss is read.
        monitor: The metric to show beside it.
    """

    def __init__(self, recorder: StepRecorder, monitor: str) -> None:
        self._recorder = recorder
        self._monitor = monitor
        self._display = display()
        self._next = 0.0
        self._started = 0.0
        self._epoch_started = 0.0
        self._batches_before = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.monotonic()
        self._batches_before = trainer.fit_loop.epoch_loop.total_batch_idx + 1
        # A run that is continued inside an epoch starts none.
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A new bar."""
        self._epoch_started = time.monotonic()
        self._next = self._epoch_started + self._display.interval
        self._display.start(f"epoch {_of(trainer)}", _count(trainer.num_training_batches))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Redraw, a few times a second at most: only then is the loss read from its device."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._display.interval
            self._display.update(batch_idx + 1, self._facts(trainer, now))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The validation's own bar."""
        if not trainer.sanity_checking:
            self._next = time.monotonic() + self._display.interval
            self._display.start(f"epoch {_of(trainer)} validation", _count(sum(trainer.num_val_batches)))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Redraw."""
        if not trainer.sanity_checking:
            self._tick(batch_idx)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One line that stays."""
        seconds = time.monotonic() - self._epoch_started
        shown = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        if self._recorder.last is not None:
            shown = {"loss": float(self._recorder.last), **shown}
        facts = "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
        self._display.line(f"epoch {_of(trainer)}  {facts}  {seconds:.1f} s")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The test's own bar."""
        self._next = time.monotonic() + self._display.interval
        self._display.start("test", _count(sum(trainer.num_test_batches)))

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Redraw."""
        self._tick(batch_idx)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """No more bars."""
        self._display.close()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """No more bars."""
        self._display.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """No more bars."""
        self._display.close()

    def _tick(self, batch_idx: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._display.interval
            self._display.update(batch_idx + 1, "")

    def _facts(self, trainer: Trainer, now: float) -> str:
        done = trainer.fit_loop.epoch_loop.total_batch_idx + 1 - self._batches_before
        speed = done / max(1e-9, now - self._started)
        facts = [f"loss {float(self._recorder.last):.4f}" if self._recorder.last is not None else ""]
        facts.append(_metric(trainer.callback_metrics, self._monitor))
        facts.append(f"{speed:.1f} it/s")
        epochs = trainer.max_epochs if trainer.max_epochs is not None else -1
        if epochs > 0 and trainer.num_training_batches != float("inf"):
            left = epochs * int(trainer.num_training_batches) - self._batches_before - done
            facts.append(f"{_clock(left / speed)} left")
        return "  ".join(fact for fact in facts if fact)


def _of(trainer: Trainer) -> str:
    total = trainer.max_epochs if trainer.max_epochs is not None and trainer.max_epochs > 0 else None
    return f"{trainer.current_epoch + 1}/{total}" if total else str(trainer.current_epoch + 1)


def _count(batches: int | float) -> int | None:
    return None if batches == float("inf") else int(batches)


def _metric(metrics: Mapping[str, Any], name: str) -> str:
    return f"{name} {float(metrics[name]):.4f}" if name in metrics else ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
