"""What goes wrong while a model learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework_core.errors.base import FrameworkError, RequestError, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class NothingFoundError(RequestError):
    """A search for a setting that ended without one.

    Args:
        setting: What was looked for: ``"learning rate"``, ``"batch size"``.
        cause: Why there is none.
        possible: Where there would be one.
        next_step: What to type next.

    Example::

        $ fw find lr --model mine.py:Net --dataset mine.py:Iris optimizer=sgd --from 1e30 --to 1e38 --steps 30
        error: No learning rate was found: the loss ran away at once.
          It is looked for where the loss still falls.
          Begin lower: fw find lr --from 1e-8
    """

    def __init__(self, setting: str, cause: str, *, possible: str, next_step: str) -> None:
        self.setting = setting
        self.cause = cause
        super().__init__(f"No {setting} was found: {cause}", possible=possible, next_step=next_step)


class OutOfMemoryError(FrameworkError):
    """A model or a batch that the memory does not hold.

    Args:
        wanted: How much was asked for at last, in words.
        batch_size: The samples of a batch; ``None`` where that is not known.
        fits: A batch size that was tried and fits; ``None`` where none was found.
        accumulated: How many batches make one step now.
        folder: Where everything that is known was written; ``None`` where nothing had been started.

    Example::

        $ fw train --model mine.py:Net --dataset mine.py:Iris model.width=1000000000000
        error: The memory does not hold the model and its batches: 16,000.0 GB more were asked for.
          A smaller model, smaller batches or shorter numbers take less.
          Try half of it: dataset.batch_size=8, or trainer.precision=bf16-mixed
    """

    def __init__(
        self,
        wanted: str,
        *,
        batch_size: int | None = None,
        fits: int | None = None,
        accumulated: int = 1,
        folder: Path | None = None,
    ) -> None:
        self.wanted = wanted
        self.batch_size = batch_size
        self.fits = fits
        self.accumulated = accumulated
        self.folder = folder
        half = (batch_size or 0) // 2
        smaller = f"Try half of it: dataset.batch_size={half}, or " if half else "Try "
        possible = "A smaller model, smaller batches or shorter numbers take less."
        next_step = f"{smaller}trainer.precision=bf16-mixed"
        if fits and batch_size:
            possible = f"Batches of {fits} fit: a few steps with them were tried just now."
            many = -(-batch_size * accumulated // fits)
            take = f"dataset.batch_size={fits} trainer.accumulate_grad_batches={many}"
            next_step = (
                f"Take it, with as many samples a step: {take}"
                "\nOr keep the batch: trainer.precision=bf16-mixed, performance.gradient_checkpointing=true"
            )
        super().__init__(
            f"The memory does not hold the model and its batches: {wanted} more were asked for.",
            possible=possible,
            next_step=(f"Everything that is known: {folder}\n" if folder else "") + next_step,
        )


class NotFiniteError(FrameworkError):
    """A loss, gradient or weight that is NaN or infinite.

    Args:
        what: What it is, in words.
        origin: Where it began, in words.
        step: The optimizer step, from 1.
        samples: The numbers of the batch's samples in the dataset.
        folder: Where everything that is known was written.

    Example::

        $ fw train -m trouble.py:NotFinite -d mine.py:Iris experiment.run_name=wild
        error: In step 8 the loss is nan: the first layer whose output is not finite is 'model.1'.
          No checkpoint was written after it.
          The samples of the batch: 25, 82, 51, 24, 37, 44, 81, 43, 41, 77, 58, 32, 19, 73, 18, 10.
          Everything that is known: runs/wild/failures/1-not-finite
          See the step again: fw replay wild --step 8
          Go on without such batches: faults.not_finite=skip, or faults.not_finite=rollback
    """

    def __init__(self, what: str, origin: str, *, step: int, samples: Sequence[int] = (), folder: Path) -> None:
        self.what = what
        self.origin = origin
        self.step = step
        self.samples = tuple(samples)
        self.folder = folder
        run = quoted(folder.parent.parent.name)
        super().__init__(
            f"In step {step} {what}: {origin}.",
            possible=f"No checkpoint was written after it.\n{_batch_of(self.samples)}".strip(),
            next_step=f"Everything that is known: {folder}\nSee the step again: fw replay {run} --step {step}\n"
            "Go on without such batches: faults.not_finite=skip, or faults.not_finite=rollback",
        )


class LossSpikeError(FrameworkError):
    """A loss far above the last ones, where ``faults.loss_spike`` asked to stop.

    Args:
        what: How far, in words.
        origin: Where it began, in words.
        step: The optimizer step, from 1.
        samples: The numbers of the batch's samples in the dataset.
        folder: Where everything that is known was written.

    Example::

        $ fw train -m trouble.py:Spike -d mine.py:Iris model.at=20 faults.loss_spike=stop experiment.run_name=high
        error: In step 20 the loss is 110, and the last ones lie below 1.72.
          The samples of the batch: 51, 20, 38, 6, 72, 52, 37, 78, 83, 32, 34, 26, 73, 33, 45, 30.
          Everything that is known: runs/high/failures/1-loss-spike
          See the step again: fw replay high --step 20
          Go back and on without such batches: faults.loss_spike=rollback
    """

    def __init__(self, what: str, origin: str, *, step: int, samples: Sequence[int] = (), folder: Path) -> None:
        self.what = what
        self.origin = origin
        self.step = step
        self.samples = tuple(samples)
        self.folder = folder
        run = quoted(folder.parent.parent.name)
        super().__init__(
            f"In step {step} {what}.",
            possible=_batch_of(self.samples),
            next_step=f"Everything that is known: {folder}\nSee the step again: fw replay {run} --step {step}\n"
            "Go back and on without such batches: faults.loss_spike=rollback",
        )


class WorkerError(FrameworkError):
    """A process that loads data and died, or takes too long.

    Args:
        what: What happened to it.
        likely: The likely cause.
        remedy: What to type next.
        folder: Where everything that is known was written.

    Example::

        $ fw train -m mine.py:Net -d trouble.py:Dying experiment.run_name=torn
        error: A process that loads data died: it was ended by SIGKILL.
          Likely: somebody or a job manager ended it; memory did not run out.
          Everything that is known: runs/torn/failures/1-worker
          Take fewer processes, which hold fewer batches: dataset.num_workers=1
    """

    def __init__(self, what: str, *, likely: str, remedy: str, folder: Path | None = None) -> None:
        self.what = what
        self.likely = likely
        self.remedy = remedy
        self.folder = folder
        known = f"Everything that is known: {folder}\n" if folder else ""
        super().__init__(f"A process that loads data {what}.", possible=f"Likely: {likely}.", next_step=known + remedy)


class ProcessesError(FrameworkError):
    """Processes that train together and lose each other, or never find each other.

    Args:
        what: What happened.
        likely: The likely cause.
        remedy: What to type next.

    Example::

        $ fw train -m trouble.py:Lonely -d mine.py:Iris strategy=ddp trainer.devices=2
        error: A step left parameters of the model unused, and DDP waits for their gradients.
          Likely: a branch that was not taken, or a layer that the loss does not depend on.
          Let DDP look: strategy=ddp_find_unused_parameters_true
    """

    def __init__(self, what: str, *, likely: str, remedy: str) -> None:
        self.likely = likely
        self.remedy = remedy
        super().__init__(f"{what}.", possible=f"Likely: {likely}.", next_step=remedy)


class HangError(FrameworkError):
    """A run in which nothing has moved for too long.

    Args:
        seconds: For how long.
        folder: Where the stacks of all threads were written.

    Example::

        $ fw train -m trouble.py:Stuck -d mine.py:Iris faults.hang_seconds=1 faults.hang=stop experiment.run_name=stuck
        error: Nothing has moved for 1 s: no step ended.
          What every thread was doing: runs/stuck/failures/1-hang/stacks.txt
          Give it more time: faults.hang_seconds=10
    """

    def __init__(self, seconds: float, folder: Path) -> None:
        self.seconds = seconds
        self.folder = folder
        super().__init__(
            f"Nothing has moved for {seconds:g} s: no step ended.",
            possible=f"What every thread was doing: {folder / 'stacks.txt'}",
            next_step=f"Give it more time: faults.hang_seconds={seconds * 10:g}",
        )


def _batch_of(samples: Sequence[int], most: int = 16) -> str:
    if not samples:
        return ""
    shown = ", ".join(map(str, samples[:most])) + (f", ... ({len(samples)})" if len(samples) > most else "")
    return f"The samples of the batch: {shown}."
