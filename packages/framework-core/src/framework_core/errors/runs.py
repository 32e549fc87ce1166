"""Runs, their folders and their checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework_core.errors.base import FrameworkError, RequestError, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class RunNotFoundError(RequestError):
    """A run that is not there, or is not complete enough for what was asked.

    Args:
        run: The run as it was named.
        cause: Where it was looked for, or what it lacks.
        known: The newest runs that are there.

    Example::

        $ fw evaluate lost
        error: There is no run 'lost': none in runs/ and none in the tracking store.
          The newest runs here: first.
          A run is named by its id, the beginning of its id, its name, its folder, or 'last'.
    """

    def __init__(self, run: str, cause: str, *, known: Sequence[str] = ()) -> None:
        self.run = run
        self.cause = cause
        self.known = tuple(known)
        super().__init__(
            f"There is no run {run!r}: {cause}" if cause else f"There is no run {run!r}.",
            possible=f"The newest runs here: {', '.join(self.known)}." if self.known else "There are no runs here yet.",
            next_step="A run is named by its id, the beginning of its id, its name, its folder, or 'last'.",
        )


class RunInUseError(RequestError):
    """A run that another process trains or sends.

    Args:
        run: Its name.

    Example::

        $ fw train --resume first
        error: The run 'first' is being recorded by another process.
          It can be continued or sent when that has ended.
          See how it stands: fw watch first
    """

    def __init__(self, run: str) -> None:
        self.run = run
        super().__init__(
            f"The run {run!r} is being recorded by another process.",
            possible="It can be continued or sent when that has ended.",
            next_step=f"See how it stands: fw watch {quoted(run)}",
        )


class StepNotFoundError(RequestError):
    """A step that a run does not have.

    Args:
        run: The run.
        step: The step that was asked for.
        last: Its last step.

    Example::

        $ fw replay first --step 99
        error: The run 'first' has no step 99.
          Its last step is 6.
          Ask for one it has: fw replay first --step 6
    """

    def __init__(self, run: str, step: int, *, last: int) -> None:
        self.run = run
        self.step = step
        self.last = last
        super().__init__(
            f"The run {run!r} has no step {step}.",
            possible=f"Its last step is {last}.",
            next_step=f"Ask for one it has: fw replay {quoted(run)} --step {last}",
        )


class OutputError(RequestError):
    """A place that cannot be written to.

    Args:
        path: The file or folder.
        cause: Why it cannot be written.
        possible: What can be.
        next_step: What to do about it.

    Example::

        $ fw predict last flower.txt -o table.xls
        error: Cannot write to table.xls: its ending names no format.
          Endings: .csv, .json, .jsonl, .parquet
          For example: -o table.csv
    """

    def __init__(self, path: Path | str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.path = str(path)
        self.cause = cause
        super().__init__(f"Cannot write to {self.path}: {cause}", possible=possible, next_step=next_step)


class FilesInTheWayError(RequestError):
    """Files that are there already, and are not overwritten.

    Args:
        paths: The files.

    Example::

        $ fw init night.yaml --local
        error: Nothing was written, because night.yaml is there already.
          It is written into a folder that has none of its files.
          Move it out of the way, or choose another folder.
    """

    def __init__(self, paths: Sequence[Path | str]) -> None:
        self.paths = tuple(str(path) for path in paths)
        there, them = ("is", "it") if len(self.paths) == 1 else ("are", "them")
        super().__init__(
            f"Nothing was written, because {' and '.join(self.paths)} {there} there already.",
            possible="It is written into a folder that has none of its files.",
            next_step=f"Move {them} out of the way, or choose another folder.",
        )


class CheckpointError(FrameworkError):
    """A checkpoint that cannot be written, or is damaged.

    Args:
        path: The checkpoint.
        cause: What is wrong with it.
        possible: What there is besides.
        next_step: What to do about it.

    Example::

        $ fw evaluate broken
        error: The checkpoint runs/broken/checkpoints/best-epoch0-step6.ckpt is damaged: weights.safetensors is missing.
          Others of the run may be whole: ls runs/broken/checkpoints
          Go on from the newest that is: fw train --resume broken
    """

    def __init__(self, path: Path | str, cause: str, *, possible: str = "", next_step: str = "") -> None:
        self.path = str(path)
        self.cause = cause
        super().__init__(f"The checkpoint {self.path} {cause}.", possible=possible, next_step=next_step)


class ProofError(FrameworkError):
    """A proof whose training does not run, so that there is nothing to compare.

    Args:
        code: The exit code of the training.
        said: Its last words.

    Example::

        $ fw verify resume --model fails.py:Net --dataset mine.py:Iris
        error: The training that was to be compared ended with exit code 1.
          It said last: ValueError: no luck
          Look at it alone: fw train with the same settings
    """

    def __init__(self, code: int, said: str) -> None:
        self.code = code
        self.said = said
        super().__init__(
            f"The training that was to be compared ended with exit code {code}.",
            possible=f"It said last: {said}" if said else "",
            next_step="Look at it alone: fw train with the same settings",
        )


class RebuildError(FrameworkError):
    """A run whose code or packages can no longer be had, so that it cannot be repeated in an environment of its own.

    Args:
        what: What is wrong.
        next_step: What to do about it.

    Example::

        $ fw reproduce first --in again
        error: The run was trained at commit 0123456789ab, and this folder is in no git repository.
          With the code and the packages that are here it can be repeated all the same: fw reproduce RUN
          Type this in the repository that has the commit.
    """

    def __init__(self, what: str, *, next_step: str = "") -> None:
        possible = "With the code and the packages that are here it can be repeated all the same: fw reproduce RUN"
        super().__init__(what, possible=possible, next_step=next_step)


class RunInterrupted(FrameworkError):  # noqa: N818  # it is no fault
    """Stopped from outside (Ctrl-C, SIGTERM, SIGUSR1); the run can be continued.

    Args:
        cause: What stopped it, for example ``"Ctrl-C"``.
        run: The run to continue; empty where none had been started.

    Example::

        $ fw train --model mine.py:Net --dataset mine.py:Iris experiment.run_name=second trainer.max_epochs=9999
        ^C
        error: Stopped by Ctrl-C.
          There is a checkpoint, and the run is marked as interrupted.
          Continue it: fw train --resume second
    """

    exit_code = 130

    def __init__(self, cause: str, *, run: str = "") -> None:
        self.cause = cause
        self.run = run
        super().__init__(
            f"Stopped by {cause}.",
            possible="There is a checkpoint, and the run is marked as interrupted." if run else "",
            next_step=f"Continue it: fw train --resume {quoted(run)}" if run else "",
        )
