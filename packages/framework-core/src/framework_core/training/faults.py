"""What can go wrong while a run trains, seen in one place: told in words, and kept with everything that is known."""

from __future__ import annotations

import functools
import gc
import logging
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from framework_core.contracts.config import RunConfig
from framework_core.errors import (
    CheckpointError,
    ConfigError,
    ConfigProblem,
    FrameworkError,
    HangError,
    OutOfMemoryError,
    WorkerError,
    quoted,
)
from framework_core.process import is_main_process
from framework_core.tracking.checkpoints import newest
from framework_core.tracking.lookup import CHECKPOINTS
from framework_core.training import failures, finding, processes
from framework_core.training.agreement import let_others_end
from framework_core.training.failures import Failure
from framework_core.training.guard import RollBack, epoch_of, guard_for, listed, step_of
from framework_core.training.interruption import Interruption
from framework_core.training.memory import is_out_of_memory, wanted
from framework_core.training.preparation import Prepared
from framework_core.training.samples import sample_ids
from framework_core.training.skips import Skips
from framework_core.training.watchdog import Watchdog
from framework_core.training.whereabouts import TOGETHER, Whereabouts
from framework_core.training.workers import TIMED_OUT, Workers, whoever_dies

_log = logging.getLogger("framework_core")

MOST_HANGS = 3
"""How often a run that only waits long is told of."""


class Faults(Callback):
    """Watches a run.

    Args:
        config: The settings.
        prepared: Data and model.
        run: The run's folder.
        interruption: What can end the run between two steps.
    """

    def __init__(self, config: RunConfig, prepared: Prepared, run: Path, interruption: Interruption) -> None:
        self._config = config
        self._prepared = prepared
        self._run = run
        self._interruption = interruption
        self._skips = Skips(run)
        self._workers = Workers(config.faults.worker_seconds)
        self._guard = guard_for(config, run, self._skips)
        self._whereabouts = Whereabouts()
        self._last = Failure("crash", "")
        self._traces = ""
        self._hung = 0
        self._closely = False

    def callbacks(self) -> list[Callback]:
        """What takes part in the next training."""
        self._guard = guard_for(self._config, self._run, self._skips, closely=self._closely)
        self._whereabouts = Whereabouts()
        return [self._guard, self, self._whereabouts]

    @contextmanager
    def watched(self, trainer: Trainer) -> Iterator[None]:
        """Whatever goes wrong meanwhile is told in words.

        Raises:
            OutOfMemoryError: The memory ran out.
            WorkerError: A process that loads data died or took too long.
            NotFiniteError: A number is none.
        """
        try:
            with ExitStack() as stack:
                stack.enter_context(self._workers.watched(trainer, self._prepared.datamodule))
                stack.enter_context(self._guard.watching(trainer, self._prepared.model))
                if trainer.world_size > 1 and self._config.strategy_name.startswith(TOGETHER):
                    on_processors = trainer.strategy.root_device.type == "cpu"
                    stack.enter_context(self._whereabouts.watched(self._interruption.fail, on_processors=on_processors))
                if seconds := self._config.faults.hang_seconds:
                    hangs = Watchdog(seconds, lambda: self._guard.beat, lambda: self._hangs(trainer, seconds))
                    stack.enter_context(hangs)
                processes.watch(trainer, self._interruption.fail)
                try:
                    yield
                except Exception:
                    self._traces = self._workers.traces()
                    raise
                finally:
                    self._interruption.hurry_no_more()
                    let_others_end()
                    whoever_dies(functools.partial(_finish_writing, trainer))
        except (FrameworkError, RollBack):
            raise
        except Exception as error:
            told = self._told(trainer, error)
            if told is None:
                raise
            raise told from error

    def left_out(self, back: RollBack) -> None:
        """A run goes back to its last checkpoint: leave the batch out from now on."""
        failure = back.failure
        if failure.vague:
            self._closely = True
            if is_main_process():
                _log.warning("Step %s: %s. The run goes back and looks at every step.", failure.step, failure.message)
            return
        self._skips.add(failure.epoch or 0, failure.batch or 0)
        if is_main_process():
            told = f"{failure.message}; {failure.origin}{listed(failure.samples)}"
            _log.warning("Step %s: %s.", failure.step, told)
            _log.warning("The run goes back to its last checkpoint, and takes no step with that batch.")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Called when other processes are started."""
        processes.watch(trainer, self._interruption.fail)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Where it was, as long as everything is still there."""
        if TIMED_OUT.search(str(exception)):
            self._workers.ask(trainer)
        self._workers.note_ends(trainer, exception)
        if trainer.fit_loop.epoch_loop.batch_progress.current.ready:
            self._last = self._here(trainer)

    def _here(self, trainer: Trainer) -> Failure:
        epoch, batch = epoch_of(trainer), trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1
        return Failure(
            kind="crash",
            message="",
            epoch=epoch,
            batch=batch,
            step=step_of(trainer, epoch, batch) if trainer.state.fn == "fit" else None,
            samples=sample_ids(trainer, epoch, batch),
            losses=list(self._guard.losses),
            known_to=self._guard.known_to(trainer, epoch, batch),
            tensors=self._guard.batch,
        )

    def _told(self, trainer: Trainer, error: Exception) -> FrameworkError | None:
        """An error as people are told it; ``None`` where it is nobody's but the author's of the code."""
        if is_out_of_memory(error):
            return self._out_of_memory(trainer, error)
        if told := self._workers.told(error):
            what, likely, remedy = told
            if self._run_goes_on:
                remedy = f"{remedy}\nContinue the run: fw train --resume {quoted(self._run.name)}"
            folder = self._keep("worker", f"a process that loads data {what}", error, likely)
            return WorkerError(what, likely=likely, remedy=remedy, folder=folder)
        resume = quoted(self._run.name) if self._run_goes_on else ""
        lost = self._whereabouts.verdict or processes.told(trainer, self._config, error, resume=resume)
        if lost:
            let_others_end()
            return lost
        folder = self._keep("crash", f"{type(error).__name__}: {error}", error)
        _log.error("The run failed; everything that is known of it: %s", folder)
        return None

    @property
    def _run_goes_on(self) -> bool:
        return newest(self._run / CHECKPOINTS)[0] is not None

    def _keep(self, kind: str, message: str, error: BaseException | None, origin: str = "") -> Path:
        texts = {"workers.txt": self._traces} if self._traces else {}
        failure = replace(self._last, kind=kind, message=message, origin=origin, texts=texts)
        return failures.keep(failure, config=self._config, run=self._run, error=error)

    def _out_of_memory(self, trainer: Trainer, error: Exception) -> OutOfMemoryError:
        folder = self._keep("out-of-memory", str(error), error)
        size = getattr(self._prepared.datamodule, "batch_size", None)
        alone = trainer.world_size == 1 and trainer.state.fn == "fit" and isinstance(size, int)
        return OutOfMemoryError(
            wanted(str(error)),
            batch_size=size,
            fits=self._that_fits(error, size) if alone and size else None,
            accumulated=trainer.accumulate_grad_batches,
            folder=folder,
        )

    def _that_fits(self, error: Exception, size: int) -> int | None:
        """Try smaller batches; what the failed step held is let go of first."""
        traceback.clear_frames(error.__traceback__)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            return finding.largest_that_fits(self._config, self._prepared, size)
        except Exception as other:  # noqa: BLE001  # the memory ran out, and that is what is told
            _log.debug("No smaller batch could be tried: %s", other)
            return None

    def _hangs(self, trainer: Trainer, seconds: float) -> None:
        """Called on the watchdog's thread."""
        self._hung += 1
        if self._hung > MOST_HANGS:
            return
        self._workers.ask(trainer)
        self._traces, self._last = self._workers.traces(), self._here(trainer)
        folder = self._keep("hang", f"nothing has moved for {seconds:g} s", None)
        error = HangError(seconds, folder)
        if self._config.faults.hang == "warn":
            _log.warning("%s %s", error.what, error.possible)
            return
        self._interruption.fail(error)


def _finish_writing(trainer: Trainer) -> None:
    """Wait for checkpoints that are still being written: whoever goes on from them may begin at once."""
    with suppress(CheckpointError):  # where nothing else went wrong, Lightning has met it
        trainer.strategy.checkpoint_io.teardown()


def check_processes(config: RunConfig, processes: int) -> None:
    """See that what is asked for is possible where several processes train together.

    Args:
        config: The settings.
        processes: How many train.

    Raises:
        ConfigError: It needs one process that decides alone.
    """
    if processes == 1:
        return
    found, together = config.faults, f"with the {processes} processes that train together here"
    problems = []
    if found.not_finite == "rollback":
        message = f"rollback is not possible {together}. Possible: faults.not_finite=skip, stop or ignore"
        problems.append(ConfigProblem("faults.not_finite", message))
    if found.loss_spike in ("stop", "rollback"):
        message = f"{found.loss_spike} is not possible {together}, as each sees a loss of its own"
        problems.append(ConfigProblem("faults.loss_spike", f"{message}. Possible: faults.loss_spike=warn or ignore"))
    if problems:
        raise ConfigError(problems)
