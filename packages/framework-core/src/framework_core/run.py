"""Train, evaluate, predict: everything the command line can do, as functions."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import DictConfig

from framework_core.base.model import BaseModel
from framework_core.config.compose import complete, compose
from framework_core.config.saved import settings_text
from framework_core.config.validate import short_name
from framework_core.contracts.config import RunConfig
from framework_core.contracts.data import DataSpec
from framework_core.contracts.run import RunInfo, RunResult, Status
from framework_core.errors import ContractError, DataError, OutputError, RunInterrupted, RunNotFoundError
from framework_core.plugins.registry import registry
from framework_core.tracking import plots, tracker
from framework_core.tracking.logged_model import without_pretrained
from framework_core.tracking.logger import TrackingLogger
from framework_core.tracking.lookup import CHECKPOINTS, CONFIG, DATA, LAST, RunRecord, find_run
from framework_core.tracking.store import check_store, tracking_uri
from framework_core.training.interruption import Interruption
from framework_core.training.lean_loop import frozen_heap, without_empty_hooks
from framework_core.training.preparation import Prepared, build_model, data_spec_of, has_batches, prepare, set_up_data
from framework_core.training.progress import ProgressReporter
from framework_core.training.recorder import StepRecorder
from framework_core.training.trainer import build_trainer, checkpointing, early_stopping, without_gpu_lookups

DIRECTORY_OF_CHILDREN = "FRAMEWORK_RUN_DIRECTORY"
"""Environment variable: processes that Lightning starts for a run use the first one's folder."""

_log = logging.getLogger("framework_core")


def train(
    config: RunConfig, *, resume: str | None = None, callbacks: Sequence[Callback] = (), **trainer_arguments: Any
) -> RunResult:
    """Train a model.

    Args:
        config: The settings, from ``compose``.
        resume: A run to continue from its newest checkpoint.
        callbacks: Lightning callbacks beside those the settings name.
        **trainer_arguments: Anything else Lightning's Trainer takes; it replaces what the settings say.

    Returns:
        How the run ended, with its metrics and checkpoints.

    Raises:
        RequestError: Something that was asked for cannot be done; nothing was written.
        RunInterrupted: Ctrl-C or SIGTERM; there is a checkpoint to continue from.
    """
    resumed = _resumable(resume, config) if resume else None
    with _quiet():
        check_places(config)
        seed_everything(config.seed, workers=True, verbose=False)
        prepared = prepare(config)
        say_what_is_trained(prepared, config)
        return _Run(config, prepared, resumed, callbacks, trainer_arguments).execute()


def dry_run(config: RunConfig) -> None:
    """Check everything that ``train`` would, and put one batch through everything. Writes nothing.

    Raises:
        RequestError: Something that was asked for cannot be done.
    """
    with _quiet():
        check_places(config)
        seed_everything(config.seed, workers=True, verbose=False)
        prepared = prepare(config)
        say_what_is_trained(prepared, config)
        trial = {"fast_dev_run": 1, "enable_checkpointing": False}
        trainer = build_trainer(config, directory=Path.cwd(), logger=False, callbacks=(), **trial)
        trainer.fit(prepared.model, datamodule=prepared.datamodule)
        if has_batches(prepared.datamodule, "test"):
            trainer.test(prepared.model, datamodule=prepared.datamodule, verbose=False)


def evaluate(run: str, *, overrides: Sequence[str] = (), split: str = "test", output_dir: Path | None = None) -> dict[str, float]:
    """Measure a trained model, on its own data or on other data.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        overrides: Settings to change: ``dataset.path=other``, ``dataset.batch_size=256``.
        split: ``test`` or ``val``.
        output_dir: Where runs are; ``runs`` here.

    Returns:
        The metrics by name.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
        ContractError: The data does not fit the model.
    """
    with _quiet():
        trained = _trained(run, overrides, output_dir)
        datamodule = set_up_data(trained.config.dataset, "fit" if split == "val" else "test")
        _same_classes(data_spec_of(datamodule), trained.data, trained.record.name)
        if not has_batches(datamodule, split):
            raise DataError(f"The dataset {trained.config.dataset.name!r} has no {split} split.")
        trainer = _silent_trainer(trained.config)
        measure = trainer.validate if split == "val" else trainer.test
        measure(trained.model, datamodule=datamodule, verbose=False)
        return {name: float(value) for name, value in trainer.callback_metrics.items()}


def predict(
    run: str, paths: Sequence[Path], *, overrides: Sequence[str] = (), output_dir: Path | None = None
) -> list[dict[str, Any]]:
    """Let a trained model predict files.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        paths: Files, or folders of files.
        overrides: Settings to change: ``dataset.batch_size=256``.
        output_dir: Where runs are; ``runs`` here.

    Returns:
        One row for each file, in order: ``path`` and the columns of the model's ``predict_step``.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
        DataError: There are no files, or one cannot be read.
    """
    from framework_core.plugins.registry import build
    from framework_core.prediction import files_in, rows_of

    with _quiet():
        trained = _trained(run, overrides, output_dir)
        datamodule = build(registry.resolve("dataset", trained.config.dataset.name), trained.config.dataset)
        files = files_in(paths, getattr(datamodule, "suffixes", ()))
        loader = datamodule.loader(datamodule.predict_dataset(files, trained.data))
        with _data_errors_of_workers():
            batches = _silent_trainer(trained.config).predict(trained.model, dataloaders=loader)
        return rows_of(files, batches or [])


class FrameworkTrainer:
    """Trains from settings that were composed elsewhere.

    Args:
        config: A ``RunConfig``, or what ``@hydra.main`` gives; what it leaves out has its default.
        **trainer_arguments: Anything else Lightning's Trainer takes.

    Raises:
        ConfigError: Settings that are not allowed, all of them at once.
    """

    def __init__(self, config: RunConfig | DictConfig | Mapping[str, Any], **trainer_arguments: Any) -> None:
        self.config = config if isinstance(config, RunConfig) else complete(config)
        self._trainer_arguments = trainer_arguments

    def train(self) -> RunResult:
        """Train; relative paths are relative to where the program was started."""
        with _where_hydra_was_started():
            return train(self.config, **self._trainer_arguments)


class _Run:
    """One training, from the run's folder to its result."""

    def __init__(
        self,
        config: RunConfig,
        prepared: Prepared,
        resumed: RunRecord | None,
        callbacks: Sequence[Callback],
        trainer_arguments: Mapping[str, Any],
    ) -> None:
        self._config = config
        self._prepared = prepared
        self._resumed = resumed
        self._trainer_arguments = dict(trainer_arguments)
        self._callbacks = callbacks
        self._main = rank_zero_only.rank == 0
        self._record = resumed or _new_folder(config)
        self._tracker = self._start_tracking()
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

    def execute(self) -> RunResult:
        status: Status = "failed"
        checkpoint = self._record.directory / CHECKPOINTS / LAST
        interruption = Interruption(checkpoint, self._record.name)
        self._announce("run_started", run=self._info)
        try:
            with interruption, _data_errors_of_workers():
                self._fit_and_test(interruption)
            status = "finished"
        except RunInterrupted:
            status = "interrupted"
            raise
        except (KeyboardInterrupt, SystemExit) as stop:
            if not interruption.cause:
                raise
            status = "interrupted"
            raise RunInterrupted(interruption.cause, run=self._record.name) from stop
        finally:
            result = self._close(status)
        return result

    def _fit_and_test(self, interruption: Interruption) -> None:
        recorder = StepRecorder(self._logger, self._config.trainer.log_every_n_steps)
        trainer = self._trainer([interruption, recorder], recorder)
        newest = self._resumed.last_checkpoint if self._resumed else None
        model, datamodule = self._prepared.model, self._prepared.datamodule
        with without_empty_hooks(trainer, model), without_gpu_lookups(), frozen_heap():
            trainer.fit(model, datamodule=datamodule, ckpt_path=newest, weights_only=True)
        self._metrics |= _numbers(trainer.callback_metrics)
        self._remember_best(trainer)
        self._load_best(trainer)
        if has_batches(datamodule, "test") and not trainer.fast_dev_run:
            datamodule.setup(stage="test")
            trainer.test(model, datamodule=datamodule, verbose=False)
            self._metrics |= _numbers(trainer.callback_metrics)
        if self._main and not trainer.fast_dev_run:
            self._record_outcome()

    def _trainer(self, own: list[Callback], recorder: StepRecorder) -> Trainer:
        config, prepared = self._config, self._prepared
        watched = prepared.monitor if has_batches(prepared.datamodule, "val") else None
        callbacks = [*own, *self._callbacks]
        if config.trainer.enable_checkpointing and not config.trainer.fast_dev_run:
            folder = self._record.directory / CHECKPOINTS
            callbacks.append(checkpointing(config, folder, monitor=watched, mode=prepared.mode))
        stopping = early_stopping(config, monitor=prepared.monitor, mode=prepared.mode)
        if stopping is not None:
            callbacks.append(stopping)
        if config.trainer.enable_progress_bar and self._main:
            callbacks.append(ProgressReporter(recorder, prepared.monitor))
        return build_trainer(
            config, directory=self._record.directory, logger=self._logger, callbacks=callbacks, **self._trainer_arguments
        )

    def _start_tracking(self) -> tracker.Tracker | None:
        if not self._main:
            return None
        record, config = self._record, self._config
        (record.directory / CONFIG).write_text(settings_text(config), encoding="utf-8")
        (record.directory / DATA).write_text(self._prepared.data.model_dump_json(indent=2), encoding="utf-8")
        started = None
        if config.mlops.tracking.backend == "mlflow":
            started = tracker.start(
                config,
                self._prepared.data,
                name=record.name,
                directory=record.directory,
                command=_command(record),
                run_id=record.run_id if self._resumed else None,
            )
            self._record = replace(record, run_id=started.run_id, tracking_uri=started.uri)
        self._record.write()
        return started

    def _remember_best(self, trainer: Trainer) -> None:
        checkpoints = trainer.checkpoint_callback
        if self._main and isinstance(checkpoints, ModelCheckpoint) and checkpoints.best_model_path:
            best = Path(checkpoints.best_model_path)
            self._record = replace(self._record, best_checkpoint=os.path.relpath(best, self._record.directory))
            self._record.write()
            if checkpoints.best_model_score is not None and checkpoints.monitor:
                self._metrics[checkpoints.monitor] = float(checkpoints.best_model_score)

    def _load_best(self, trainer: Trainer) -> None:
        checkpoints = trainer.checkpoint_callback
        best = checkpoints.best_model_path if isinstance(checkpoints, ModelCheckpoint) else ""
        if best and Path(best).exists():
            load_weights(self._prepared.model, Path(best))

    def _record_outcome(self) -> None:
        curves = {name: self._logger.curve(name) for name in self._logger.history}
        figures = {"learning_curves": plots.learning_curves(_worth_drawing(curves))}
        model = self._prepared.model
        if isinstance(model, BaseModel):
            figures |= model.figures()
        folder = self._record.directory / "plots"
        folder.mkdir(exist_ok=True)
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png")
        if self._tracker is None:
            return
        for name, figure in figures.items():
            self._tracker.log_figure(figure, f"plots/{name}.png")
        if self._config.mlops.tracking.log_model and self._prepared.example is not None:
            self._tracker.log_model(model, self._config, self._prepared.data, self._prepared.example)

    def _close(self, status: Status) -> RunResult:
        last = self._record.last_checkpoint
        best = self._record.directory / self._record.best_checkpoint if self._record.best_checkpoint else None
        result = RunResult(
            run=self._info,
            status=status,
            metrics=dict(sorted(self._metrics.items())),
            best_checkpoint=best,
            last_checkpoint=last,
            command=_command(self._record),
        )
        if self._tracker is not None:
            self._tracker.finish(status)
            if self._tracker.problems:
                _log.warning("The tracking store did not take: %s.", ", ".join(self._tracker.problems))
        self._announce("run_ended", result=result)
        os.environ.pop(DIRECTORY_OF_CHILDREN, None)
        return result

    def _announce(self, event: str, **facts: Any) -> None:
        if self._main:
            registry.plugins.announce(event, **facts)


@dataclass(frozen=True)
class _Trained:
    """A run's model with its best weights."""

    record: RunRecord
    config: RunConfig
    data: DataSpec
    model: LightningModule


def _trained(run: str, overrides: Sequence[str], output_dir: Path | None) -> _Trained:
    record = find_run(run, output_dir=output_dir or Path("runs"))
    checkpoint = record.checkpoint
    config = compose(overrides, config_file=record.directory / CONFIG).config
    data = DataSpec.model_validate_json((record.directory / DATA).read_text("utf-8"))
    model = build_model(without_pretrained(config.model), data)
    load_weights(model, checkpoint)
    return _Trained(record, config, data, model)


def load_weights(model: LightningModule, checkpoint: Path) -> None:
    """Load a checkpoint's weights.

    Raises:
        ContractError: They are not this model's.
    """
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    try:
        model.load_state_dict(saved["state_dict"])
    except RuntimeError as error:
        first = str(error).strip().split("\n")[1:3]
        raise ContractError(f"The checkpoint {checkpoint} does not fit the model", [" ".join(first).strip()]) from error


def check_places(config: RunConfig) -> None:
    """See that the run can be written and tracked, before anything is.

    Raises:
        OutputError: The folder of runs, or a local store, cannot be written.
        TrackingError: The tracking store cannot be used.
    """
    folder = Path(config.output_dir).absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise OutputError(folder, "it is a file, not a folder.", next_step="Choose another: output_dir=FOLDER")
    if not os.access(folder, os.W_OK):
        step = "Start it in another folder, or choose one: output_dir=FOLDER"
        raise OutputError(folder, "it is read-only.", next_step=step)
    if config.mlops.tracking.backend == "mlflow":
        check_store(tracking_uri(config.mlops.tracking))


def say_what_is_trained(prepared: Prepared, config: RunConfig) -> None:
    """Model and data in two lines."""
    if rank_zero_only.rank != 0:
        return
    data, model = prepared.data, prepared.model
    sizes = ", ".join(f"{size:,} {split}" for split, size in data.split_sizes.items())
    shape = "x".join(str(length) for length in data.input_shape)
    classes = f", {data.num_classes} classes" if data.num_classes else ""
    _log.info("data      %s: %s samples of %s%s", short_name(config.dataset.name), sizes, shape, classes)
    count = sum(parameter.numel() for parameter in model.parameters())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    some = "" if trained == count else f", {trained:,} of them trained"
    _log.info("model     %s: %s parameters%s", short_name(config.model.name), f"{count:,}", some)


def _new_folder(config: RunConfig) -> RunRecord:
    """A folder of its own for a new run; processes that Lightning starts use the first one's."""
    inherited = os.environ.get(DIRECTORY_OF_CHILDREN)
    if rank_zero_only.rank != 0 and inherited:
        return RunRecord(Path(inherited), Path(inherited).name, Path(inherited).name, "")
    now = datetime.now().astimezone()
    label = f"{short_name(config.model.name)}-{short_name(config.dataset.name)}-{now:%Y%m%d-%H%M%S}"
    name = config.experiment.run_name or label
    for attempt in range(1, 1000):
        unique = name if attempt == 1 else f"{name}-{attempt}"
        directory = Path(config.output_dir) / unique
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        os.environ[DIRECTORY_OF_CHILDREN] = str(directory.resolve())
        return RunRecord(directory, unique, unique, now.isoformat())
    raise OutputError(Path(config.output_dir) / name, "a thousand runs have this name.")


def _resumable(run: str, config: RunConfig) -> RunRecord:
    record = find_run(run, output_dir=Path(config.output_dir))
    if record.last_checkpoint is None:
        raise RunNotFoundError(run, f"it has no checkpoint to continue from in {record.directory / CHECKPOINTS}.")
    os.environ[DIRECTORY_OF_CHILDREN] = str(record.directory.resolve())
    return record


def _command(record: RunRecord) -> str:
    return f"fw train --config {shlex.quote(str(record.directory / CONFIG))}"


def _same_classes(found: DataSpec, trained: DataSpec, run: str) -> None:
    if found.class_names != trained.class_names:
        raise ContractError(
            f"The run {run!r} and this data do not fit",
            [
                f"the model knows the classes {_listed(trained.class_names)}",
                f"the data has the classes {_listed(found.class_names)}",
            ],
        )


def _listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)})" if len(names) > most else "")


def _worth_drawing(curves: Mapping[str, list[tuple[int, float]]]) -> dict[str, list[tuple[int, float]]]:
    return {name: points for name, points in curves.items() if len(points) > 1 or name.startswith("val/")}


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def _silent_trainer(config: RunConfig) -> Trainer:
    """A Trainer that measures or predicts on one device and leaves nothing behind."""
    single = {"devices": 1, "num_nodes": 1, "strategy": "auto", "fast_dev_run": False, "profiler": None}
    return build_trainer(config, directory=Path.cwd(), logger=False, callbacks=(), enable_checkpointing=False, **single)


@contextlib.contextmanager
def _data_errors_of_workers() -> Iterator[None]:
    """A DataError that arose in a loading process arrives as text; this makes it one again."""
    try:
        yield
    except DataError as error:
        if "Original Traceback" not in error.what:
            raise
        lines = error.what.strip().splitlines()
        start = max(index for index, line in enumerate(lines) if line.startswith("framework_core.errors.DataError: "))
        first = lines[start].removeprefix("framework_core.errors.DataError: ")
        raise DataError("\n".join([first, *lines[start + 1 :]])) from None


@contextlib.contextmanager
def _where_hydra_was_started() -> Iterator[None]:
    from hydra.core.hydra_config import HydraConfig

    before = Path.cwd()
    if HydraConfig.initialized():
        os.chdir(HydraConfig.get().runtime.cwd)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lightning without its hints on what this framework decides: devices, workers, other products."""
    names = ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch", "lightning.fabric")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
            warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


__all__ = ["FrameworkTrainer", "dry_run", "evaluate", "predict", "train"]
