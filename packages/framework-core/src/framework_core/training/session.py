"""One training, from the run's folder to its result."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer

from framework_core.config.saved import run_settings_text
from framework_core.contracts.config import RunConfig
from framework_core.contracts.run import RunInfo, RunResult, Status
from framework_core.errors import DataError, FrameworkError, RunInterrupted
from framework_core.heap import frozen_heap
from framework_core.plugins.registry import registry
from framework_core.process import is_main_process
from framework_core.secrets import conceal
from framework_core.tracking import tracker
from framework_core.tracking.checkpoints import LAST, clean
from framework_core.tracking.heartbeat import Heartbeat
from framework_core.tracking.logger import TrackingLogger
from framework_core.tracking.lookup import CHECKPOINTS, CONFIG, DATA, write_whole
from framework_core.training import step_clock
from framework_core.training.alone import without_others
from framework_core.training.bottleneck import Verdict
from framework_core.training.callbacks import training_callbacks
from framework_core.training.checkpoint_io import step_of, where_it_goes_on
from framework_core.training.checkpointing import BestCheckpoint, LastCheckpoint
from framework_core.training.concealment import ConcealedHyperparameters
from framework_core.training.epoch_ends import EpochEnds
from framework_core.training.evidence import KeptAnswers
from framework_core.training.failures import FOLDER, to_be_sent
from framework_core.training.faults import Faults
from framework_core.training.first_step import AfterFirstStep
from framework_core.training.folders import CHILDREN_USE, Resumed, new_folder
from framework_core.training.guard import RollBack
from framework_core.training.interruption import Interruption
from framework_core.training.lean_loop import clock_of, without_empty_hooks
from framework_core.training.monitoring import MonitoredMetrics
from framework_core.training.performance import applied
from framework_core.training.preparation import Prepared, can_measure, load_weights
from framework_core.training.progress import ProgressReporter
from framework_core.training.recorder import StepRecorder
from framework_core.training.report import CARD, Outcome, Report, repeat_command
from framework_core.training.same_everywhere import SameEverywhere
from framework_core.training.starting import Others, start_others
from framework_core.training.stopping import early_stopping
from framework_core.training.strategies.whole_model import whole_model
from framework_core.training.strategies.whole_state import WholeState
from framework_core.training.trainer import (
    build_trainer,
    without_gpu_lookups,
)

DEVICES = {"accelerator", "devices", "num_nodes", "plugins", "strategy"}
"""Arguments of Lightning's Trainer that say which processes there are."""

CLOSING_SECONDS = 10.0
"""How long a run may take to write down how it ended, where its process ends without waiting for anything else."""

_log = logging.getLogger("framework_core")


class Session:
    """A run while it lasts.

    Args:
        config: The settings.
        prepared: Data and model that fit each other.
        resumed: The run to continue.
        callbacks: Lightning callbacks beside those the settings name.
        trainer_arguments: Anything else Lightning's Trainer takes.
    """

    def __init__(
        self,
        config: RunConfig,
        prepared: Prepared,
        resumed: Resumed | None,
        callbacks: Sequence[Callback],
        trainer_arguments: Mapping[str, Any],
    ) -> None:
        self._config = config
        self._prepared = prepared
        self._resumed = resumed
        self._trainer_arguments = dict(trainer_arguments)
        self._callbacks = callbacks
        self._main = is_main_process()
        self._record = resumed.record if resumed else new_folder(config, self._files())
        self._heartbeat = Heartbeat(self._record.directory)
        self._others = Others()
        try:
            if self._main:
                self._begin()
            # A Trainer that was told of other devices starts the processes for them itself.
            if not DEVICES & self._trainer_arguments.keys():
                self._others = start_others(config)
            self._tracker = self._start_tracking() if self._main else None
        except BaseException:
            self._others.end_unmet()
            if self._main:
                self._heartbeat.stop()
            if resumed is None:
                shutil.rmtree(self._record.directory, ignore_errors=True)
            elif self._main:
                resumed.record.write()
            raise
        self._info = RunInfo(
            run_id=self._record.run_id,
            name=self._record.name,
            directory=self._record.directory,
            config=config,
            tracking_uri=self._record.tracking_uri,
        )
        writer = self._tracker.writer if self._tracker else None
        self._logger = TrackingLogger(config.experiment.name, self._record.name, writer)
        self._metrics: dict[str, float] = {}
        self._intervals: dict[str, tuple[float, float]] = {}
        self._best: BestCheckpoint | None = None
        self._steps: Verdict | None = None

    def execute(self) -> RunResult:
        """Train, test, record.

        Raises:
            RunInterrupted: Ctrl-C or SIGTERM; there is a checkpoint to continue from.
        """
        status: Status = "failed"
        cause = ""
        checkpoint = self._record.directory / CHECKPOINTS / LAST
        if self._main:
            self._say_where_it_goes_on()
        patience = self._config.faults.stop_seconds
        interruption = Interruption(checkpoint, self._record.name, patience, self._end_at_once)
        self._announce("run_started", run=self._info)
        try:
            with interruption, data_errors_of_workers():
                self._fit_and_test(interruption)
            status = "finished"
        except (RunInterrupted, KeyboardInterrupt, SystemExit) as stop:
            if not interruption.cause:
                raise
            status, cause = "interrupted", interruption.cause
            continued = self._record.name if checkpoint.exists() else ""
            raise RunInterrupted(interruption.cause, run=continued) from stop
        except BaseException as error:
            cause = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise
        finally:
            if status != "finished":
                self._others.end_unmet()
            result = self._close(status, cause)
        return result

    def _end_at_once(self, error: FrameworkError) -> None:
        """End this process; called on another thread, as the main one waits where nothing reaches it."""
        self._others.end_unmet()
        told = ("interrupted", error.cause) if isinstance(error, RunInterrupted) else ("failed", error.what)
        closing = threading.Thread(target=self._close, args=told, daemon=True)
        closing.start()
        closing.join(CLOSING_SECONDS)
        if self._main or not isinstance(error, RunInterrupted):
            text = str(error).replace("\n", "\n  ")
            sys.stderr.write(f"error: {text}\n")
            sys.stderr.flush()
        os._exit(error.exit_code)

    def _fit_and_test(self, interruption: Interruption) -> None:
        recorder = StepRecorder(self._logger, self._config.trainer.log_every_n_steps)
        answers = KeptAnswers()
        faults = Faults(self._config, self._prepared, self._record.directory, interruption)
        own: list[Callback] = [interruption, recorder, *([answers] if self._config.mlops.report else [])]
        if self._tracker is not None:
            own.append(AfterFirstStep(self._tracker.begin))
        newest = self._resumed.checkpoint if self._resumed else None
        while True:
            trainer = self._trainer([*own, *faults.callbacks()], recorder)
            try:
                with faults.watched(trainer):
                    self._train_once(trainer, newest)
                break
            except RollBack as back:
                faults.left_out(back)
                newest = self._record.last_checkpoint
                if self._tracker is not None:
                    self._tracker.take_back(0 if newest is None else step_of(newest))
        if self._main and not self._config.trainer.fast_dev_run:
            with without_others():
                self._record_outcome(answers)

    def _train_once(self, trainer: Trainer, newest: Path | None) -> None:
        model, datamodule = self._prepared.model, self._prepared.datamodule
        with applied(self._config, model):
            with without_empty_hooks(trainer, model), without_gpu_lookups(), frozen_heap():
                trainer.fit(model, datamodule=datamodule, ckpt_path=newest, weights_only=True)
            self._metrics |= _numbers(trainer.callback_metrics)
            self._steps = clock_of(trainer).verdict()
            self._put_together(trainer)
            self._take_best()
            if can_measure(model, datamodule, "test") and not self._config.trainer.fast_dev_run:
                datamodule.setup(stage="test")
                trainer.test(self._prepared.model, datamodule=datamodule, verbose=False)
                self._metrics |= _numbers(trainer.callback_metrics)
                self._put_together(trainer)

    def _put_together(self, trainer: Trainer) -> None:
        """Where the model was sharded, go on with one that is whole."""
        if isinstance(trainer.strategy, WholeState):
            model = whole_model(trainer.strategy, self._prepared, self._config)
            self._prepared = replace(self._prepared, model=model)

    def _say_where_it_goes_on(self) -> None:
        if self._resumed and self._resumed.checkpoint:
            _log.info("goes on   %s, %s", self._record.name, where_it_goes_on(self._resumed.checkpoint))
        elif self._resumed:
            _log.info("goes on   %s, from the start: it has no checkpoint", self._record.name)

    def _trainer(self, own: list[Callback], recorder: StepRecorder) -> Trainer:
        config, prepared = self._config, self._prepared
        monitor, mode = prepared.monitor, prepared.mode
        asked = training_callbacks(config)
        callbacks = [*own, *asked, *self._callbacks, MonitoredMetrics(self._monitored()), ConcealedHyperparameters()]
        callbacks += [SameEverywhere(config, prepared.data), EpochEnds(self._announce_epoch)]
        if config.trainer.enable_checkpointing and not config.trainer.fast_dev_run:
            callbacks += self._checkpoints()
        if config.early_stopping.patience is not None:
            callbacks.append(early_stopping(config.early_stopping, monitor=monitor or "val/loss", mode=mode))
        if config.trainer.enable_progress_bar and self._main:
            callbacks.append(ProgressReporter(recorder, monitor or ""))
        trainer = build_trainer(
            config,
            directory=self._record.directory,
            logger=self._logger,
            callbacks=callbacks,
            **self._trainer_arguments,
        )
        self._others.belong_to(trainer)
        return trainer

    def _checkpoints(self) -> list[Callback]:
        config, prepared = self._config, self._prepared
        folder = self._record.directory / CHECKPOINTS
        kept: list[Callback] = []
        if prepared.monitor and config.checkpoint.save_top_k:
            self._best = BestCheckpoint(config.checkpoint, folder, monitor=prepared.monitor, mode=prepared.mode)
            kept.append(self._best)
        if config.checkpoint.save_last:
            kept.append(LastCheckpoint(config.checkpoint, folder))
        return kept

    def _monitored(self) -> dict[str, str]:
        """The metrics that something depends on, by the setting that names them."""
        config, monitor = self._config, self._prepared.monitor
        found = {"checkpoint.monitor": monitor}
        if config.early_stopping.patience is not None:
            found["early_stopping.monitor"] = config.early_stopping.monitor or monitor or "val/loss"
        return {key: name for key, name in found.items() if name}

    def _begin(self) -> None:
        """Mark the run as one in training: a kill from here on leaves a run that can be found and closed."""
        self._record = replace(self._record, status="running")
        self._heartbeat.start()
        self._record.write()
        for name, text in self._files().items():
            write_whole(self._record.directory / name, text)
        # Before other processes read what is there.
        clean(self._record.directory / CHECKPOINTS)

    def _start_tracking(self) -> tracker.Tracker | None:
        record, config, started = self._record, self._config, None
        if config.mlops.tracking.backend == "mlflow":
            started = tracker.start(
                config,
                self._prepared.data,
                name=record.name,
                directory=record.directory,
                command=repeat_command(record),
                run_id=record.run_id if self._resumed else None,
                from_step=self._resumed.step if self._resumed else None,
            )
            self._record = replace(record, run_id=started.run_id or record.run_id, tracking_uri=started.uri)
        self._record.write()
        return started

    def _files(self) -> dict[str, str]:
        """What tells what the run is."""
        data = conceal(self._prepared.data.model_dump_json(indent=2))
        return {CONFIG: run_settings_text(self._config), DATA: data}

    def _take_best(self) -> None:
        """Note the best checkpoint, and go on with its weights."""
        if self._best is None or not self._best.best_model_path:
            return
        path = Path(self._best.best_model_path)
        if not path.exists():
            return
        if self._main:
            self._record = replace(self._record, best_checkpoint=os.path.relpath(path, self._record.directory))
            self._record.write()
        if self._best.best_model_score is not None and self._best.monitor:
            self._metrics |= {**self._best.best_metrics, self._best.monitor: float(self._best.best_model_score)}
        load_weights(self._prepared.model, path)

    def _record_outcome(self, answers: KeptAnswers) -> None:
        if self._steps is not None:
            step_clock.say(self._steps, self._config)
        if self._config.mlops.report:
            curves = {name: self._logger.curve(name) for name in self._logger.history}
            outcome = Outcome(self._metrics, curves, answers.answers, answers.alone, self._steps)
            report = Report(self._config, self._prepared, self._record, outcome)
            self._intervals = report.intervals
            for path in report.write():
                if self._tracker is not None:
                    self._tracker.log_file(path, path.parent.relative_to(self._record.directory).as_posix())
        tracking = self._config.mlops.tracking
        if self._tracker is not None and tracking.log_model and self._prepared.example is not None:
            model = self._prepared.model
            self._tracker.log_model(
                model,
                self._config,
                self._prepared.data,
                self._prepared.example,
                metrics=self._metrics,
                card=self._record.directory / CARD,
            )

    def _close(self, status: Status, cause: str) -> RunResult:
        last = self._record.last_checkpoint
        best = self._record.directory / self._record.best_checkpoint if self._record.best_checkpoint else None
        result = RunResult(
            run=self._info,
            status=status,
            cause=conceal(cause),
            metrics=dict(sorted(self._metrics.items())),
            intervals=self._intervals,
            best_checkpoint=best,
            last_checkpoint=last,
            command=repeat_command(self._record),
        )
        if self._main:
            self._record = replace(self._record, status=status)
            self._record.write()
        if self._tracker is not None:
            self._send_failures(self._tracker)
            if unsent := self._tracker.finish(status):
                _log.warning("%s", unsent)
        if self._main:
            self._heartbeat.stop()
        self._announce("run_ended", result=result)
        os.environ.pop(CHILDREN_USE, None)
        return result

    def _send_failures(self, to: tracker.Tracker) -> None:
        """What is known of failures, but for what is large and what is the user's data."""
        for folder in sorted((self._record.directory / FOLDER).glob("*-*")):
            for file in to_be_sent(folder):
                to.log_file(file, f"{FOLDER}/{folder.name}")

    def _announce_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._announce("epoch_ended", run=self._info, epoch=epoch, metrics=metrics)

    def _announce(self, event: str, **facts: Any) -> None:
        if self._main:
            registry.plugins.announce(event, **facts)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


@contextmanager
def data_errors_of_workers() -> Iterator[None]:
    """A DataError that arose in a loading process arrives as text; this makes it one again."""
    try:
        yield
    except DataError as error:
        if "Original Traceback" not in error.what:
            raise
        lines = error.what.strip().splitlines()
        name = f"{DataError.__module__}.{DataError.__name__}: "  # as Python writes it above what an error says
        start = max(index for index, line in enumerate(lines) if line.startswith(name))
        first = lines[start].removeprefix(name)
        *said, next_step = [first, *lines[start + 1 :]]
        raise DataError("\n".join(said), next_step=next_step) from None
