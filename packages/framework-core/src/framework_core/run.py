"""Train, evaluate, predict: everything the command line can do, as functions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.utilities.seed import isolate_rng
from omegaconf import DictConfig

from framework_core.base.model import BaseModel
from framework_core.config.compose import complete, compose, dataset_settings
from framework_core.contracts.config import RunConfig
from framework_core.contracts.data import DataSpec
from framework_core.contracts.run import RunResult
from framework_core.errors import ContractError, DataError
from framework_core.plugins.registry import build, registry
from framework_core.prediction import Row, files_in
from framework_core.process import is_main_process
from framework_core.tracking.closing import close_dead_runs, tell_stores
from framework_core.tracking.lookup import CONFIG, RunRecord, find_run
from framework_core.trained import RUNS, Predictor, trained
from framework_core.training import duplicates, finding, fitting, loading, performance, preparation, together
from framework_core.training.callbacks import training_callbacks
from framework_core.training.device import device
from framework_core.training.duplicates import Duplicates
from framework_core.training.faults import check_processes
from framework_core.training.finding import BatchSizes, LearningRates
from framework_core.training.fitting import Devices, FitCheck
from framework_core.training.folders import AUTO, Resumed, check_places, resumable, unfinished
from framework_core.training.joining import check_started, one_folder
from framework_core.training.memory import memory_errors
from framework_core.training.quiet import quiet
from framework_core.training.replay import ReplayedStep, without_outlets
from framework_core.training.replay import replay as replay_step
from framework_core.training.same_everywhere import SameEverywhere
from framework_core.training.session import Session, data_errors_of_workers
from framework_core.training.starting import end_with_first
from framework_core.training.strategies.optimizers import check_optimizer
from framework_core.training.trainer import build_trainer, silent_trainer


def train(
    config: RunConfig,
    *,
    resume: str | None = None,
    callbacks: Sequence[Callback] = (),
    **trainer_arguments: Any,
) -> RunResult:
    """Train a model.

    Args:
        config: The settings, from ``compose``.
        resume: A run to continue from its newest checkpoint; ``auto`` for the newest with these settings that was not
            trained to its end, and a new one where there is none. Processes that torchrun starts again, because one
            of them died, do that of themselves.
        callbacks: Lightning callbacks beside those the settings name.
        **trainer_arguments: Anything else Lightning's Trainer takes; it replaces what the settings say.

    Returns:
        How the run ended, with its metrics and checkpoints.

    Raises:
        RequestError: Something that was asked for cannot be done; nothing was written.
        RunInterrupted: Ctrl-C or SIGTERM; there is a checkpoint to continue from.
    """
    end_with_first()
    resumed = resumable(resume, config) if resume and resume != AUTO else None
    with quiet(), memory_errors(config):
        with _dead_runs_closed(config, resumed) as closed:
            prepared, config = made_ready(config)
            found = duplicates.check(prepared.datamodule, prepared.data, config.duplicates)
            prepared = replace(prepared, duplicates=found)
            with one_folder(config, prepared.model) as again:
                if resume == AUTO or (again and resume is None):
                    resumed = unfinished(config)
                    closed[:] = [each for each in closed if resumed is None or each.name != resumed.record.name]
                session = Session(config, prepared, resumed, callbacks, trainer_arguments)
        return session.execute()


def dry_run(config: RunConfig) -> None:
    """Check everything that ``train`` would, and put one batch through everything. Writes nothing.

    Raises:
        RequestError: Something that was asked for cannot be done.
    """
    with quiet(), data_errors_of_workers(), memory_errors(config):
        prepared, config = made_ready(config)
        duplicates.check(prepared.datamodule, prepared.data, config.duplicates)
        trial = {"fast_dev_run": 1, "enable_checkpointing": False}
        callbacks = [*training_callbacks(config), SameEverywhere(config, prepared.data)]
        trainer = build_trainer(config, directory=Path.cwd(), logger=False, callbacks=callbacks, **trial)
        with performance.applied(config, prepared.model):
            trainer.fit(prepared.model, datamodule=prepared.datamodule)
            if preparation.can_measure(prepared.model, prepared.datamodule, "test"):
                trainer.test(prepared.model, datamodule=prepared.datamodule, verbose=False)


def find_lr(config: RunConfig, *, lowest: float = 1e-6, highest: float = 1.0, steps: int = 100) -> LearningRates:
    """Find a learning rate by a range test. Writes nothing; random numbers are afterwards what they were.

    Args:
        config: The settings, from ``compose``.
        lowest: The learning rate to begin with.
        highest: The learning rate to end with.
        steps: How many steps lie between them.

    Raises:
        RequestError: Something that was asked for cannot be done, or the loss fell nowhere.
    """
    with quiet(), data_errors_of_workers(), memory_errors(config), isolate_rng():
        prepared, config = made_ready(config)
        return finding.learning_rate(config, prepared, lowest=lowest, highest=highest, steps=steps)


def find_batch_size(config: RunConfig, *, first: int = 8, most: int | None = None) -> BatchSizes:
    """Find the batch size that fits and is fast. Writes nothing; random numbers are afterwards what they were.

    Args:
        config: The settings, from ``compose``.
        first: The batch size to begin with.
        most: The largest to try; without it, all samples.

    Raises:
        RequestError: Something that was asked for cannot be done, or not even the first fits.
    """
    with quiet(), data_errors_of_workers(), memory_errors(config), isolate_rng():
        prepared, config = made_ready(config)
        return finding.batch_size(config, prepared, first=first, most=most)


def fit_check(config: RunConfig, devices: Devices | None = None) -> FitCheck:
    """Predict the memory of a training step and what fits, without taking it. Writes nothing.

    Args:
        config: The settings, from ``compose``.
        devices: What there is to train on, from ``devices_of``.

    Raises:
        RequestError: Something that was asked for cannot be done.
    """
    with quiet(), data_errors_of_workers(), memory_errors(config), isolate_rng():
        prepared, config = made_ready(config)
        return fitting.fit_check(config, prepared, devices)


def check_data(dataset: str, overrides: Sequence[str] = (), *, seconds: float | None = None) -> Duplicates:
    """Look for samples of validation and test that training has too.

    Args:
        dataset: A dataset by name, ``file.py:Class`` or ``package.module:Class``.
        overrides: Its settings: ``dataset.path=photos``.
        seconds: How long to look at most; without it, until all was seen.

    Raises:
        DataError: The data cannot be used, or does not say what tells its samples apart.
    """
    with quiet():
        datamodule = preparation.set_up_data(dataset_settings(dataset, overrides), "fit")
        data = preparation.data_spec_of(datamodule)
        found = duplicates.find(datamodule, fingerprint=data.fingerprint, seconds=seconds)
        if found is None:
            raise DataError(
                f"The dataset {dataset!r} has nothing to compare.",
                possible="That takes a training split and another, and a datamodule that has sample_hashes.",
            )
        return found


def evaluate(
    run: str, *, overrides: Sequence[str] = (), split: str = "test", output_dir: Path | None = None
) -> dict[str, float]:
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
    with quiet(), data_errors_of_workers():
        found = trained(run, overrides=overrides, output_dir=output_dir)
        stage = "fit" if split == "val" else "test"
        datamodule = preparation.set_up_data(found.config.dataset, stage, like=found.data)
        _same_classes(preparation.data_spec_of(datamodule), found.data, found.record.name)
        if not preparation.has_batches(datamodule, split):
            raise DataError(f"The dataset {found.config.dataset.name!r} has no {split} split.")
        if not preparation.can_measure(found.model, datamodule, split):
            step = "validation_step" if split == "val" else "test_step"
            raise ContractError(f"The model {found.config.model.name!r} cannot be measured", [f"it has no {step}"])
        trainer = silent_trainer(found.config)
        measure = trainer.validate if split == "val" else trainer.test
        measure(found.model, datamodule=datamodule, verbose=False)
        return {name: float(value) for name, value in trainer.callback_metrics.items()}


def predict(
    run: str, paths: Sequence[Path], *, overrides: Sequence[str] = (), output_dir: Path | None = None
) -> list[Row]:
    """Let a trained model predict files.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        paths: Files, or folders of files.
        overrides: Settings to change: ``dataset.batch_size=256``, ``seed=1`` for others where something is drawn.
        output_dir: Where runs are; ``runs`` here.

    Returns:
        One row for each file, in order: ``path`` and the columns of the model's ``predict_step``; or the rows
        that the dataset makes of them, where a file is more than one.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
        DataError: There are no files, or one cannot be read.
    """
    with quiet():
        predictor = Predictor(run, overrides=overrides, output_dir=output_dir)
        return predictor.rows(files_in(paths, predictor.suffixes))


def answers(
    run: str, paths: Sequence[Path], *, overrides: Sequence[str] = (), output_dir: Path | None = None
) -> list[Row] | Iterator[str]:
    """What ``predict`` gives; of a model whose predictions are text that is made bit by bit, that text as it is made.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        paths: Files, or folders of files.
        overrides: Settings to change: ``model.temperature=0.5``, ``seed=1``.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
        DataError: There are no files, or one cannot be read.
    """
    with quiet():
        predictor = Predictor(run, overrides=overrides, output_dir=output_dir)
        files = files_in(paths, predictor.suffixes)
        dataset = predictor.dataset(files)
        model, config = predictor.trained.model, predictor.trained.config
        if isinstance(model, BaseModel):
            pieces = model.to(device(config.trainer.accelerator).kind).eval().stream_predictions(dataset)
            if pieces is not None:
                seed_everything(config.seed, verbose=False)
                return pieces
        return predictor.rows(files, dataset)


def stream(run: str, path: Path, *, overrides: Sequence[str] = (), output_dir: Path | None = None) -> Iterator[str]:
    """Let a trained model predict what goes on, and tell of it while it comes.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        path: A file; ``-`` is what another program sends.
        overrides: Settings to change: ``model.threshold=0.8``.
        output_dir: Where runs are; ``runs`` here.

    Returns:
        Lines, as they come.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
        DataError: The data cannot be read, or has nothing that goes on.
        ContractError: The model has no predictions that go on.
    """
    with quiet():
        found = trained(run, overrides=overrides, output_dir=output_dir)
        datamodule: Any = build(registry.resolve("dataset", found.config.dataset.name), found.config.dataset)
        dataset = datamodule.stream_dataset([path], found.data)
        kind = device(found.config.trainer.accelerator).kind
        pieces = found.model.to(kind).eval().stream_predictions(dataset) if isinstance(found.model, BaseModel) else None
        if pieces is None:
            raise ContractError(
                f"The model {found.config.model.name!r} cannot follow a stream", ["it has no stream_predictions for it"]
            )
        return pieces


def replay(run: str, step: int, *, output_dir: Path | None = None) -> ReplayedStep:
    """Make one training step of a run once more, and look at it. Writes nothing.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        step: The optimizer step, from 1.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run.
        StepNotFoundError: The run has no such step.
    """
    record = find_run(run, output_dir=output_dir or RUNS)
    config = without_outlets(compose([], config_file=record.directory / CONFIG).config)
    with quiet(), data_errors_of_workers(), memory_errors(config), isolate_rng():
        prepared, config = made_ready(config)
        return replay_step(config, prepared, record, step)


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


@contextlib.contextmanager
def _dead_runs_closed(config: RunConfig, resumed: Resumed | None) -> Iterator[list[RunRecord]]:
    """Runs here whose process is gone are marked, and at the end their stores told, but for one that goes on."""
    but = resumed.record.directory if resumed else None
    closed = close_dead_runs(Path(config.output_dir), but=but) if is_main_process() else []
    try:
        yield closed
    finally:
        if not config.mlops.tracking.offline:
            tell_stores(closed)


def made_ready(config: RunConfig) -> tuple[preparation.Prepared, RunConfig]:
    """Check everything that can be checked before something is written.

    Args:
        config: The settings.

    Returns:
        Data and model, and the settings complete with what follows from them.

    Raises:
        RequestError: Something that was asked for cannot be done.
    """
    check_places(config)
    trainer = build_trainer(config, directory=Path.cwd(), logger=False, callbacks=(), enable_checkpointing=False)
    check_started(trainer)
    check_processes(config, trainer.world_size)
    check_optimizer(config)
    seed_everything(config.seed, workers=True, verbose=False)
    config, filled = preparation.fitted_to_model(config)
    prepared = preparation.prepare(config)
    here = device(config.trainer.accelerator)
    loading.plan(prepared, config, here)
    preparation.say_what_is_trained(prepared, config, filled)
    asked, config = config, together.with_strategy(config, prepared.model, trainer)
    check_optimizer(config)  # again: the strategy may be another one now
    chosen = performance.choices(config, prepared.model, here)
    performance.say(chosen, here)
    config = performance.with_choices(config, chosen)
    together.say(config, asked, prepared, trainer)
    preparation.set_optimization(prepared, config)
    return prepared, config


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


__all__ = [
    "FrameworkTrainer",
    "answers",
    "check_data",
    "dry_run",
    "evaluate",
    "find_batch_size",
    "find_lr",
    "predict",
    "replay",
    "train",
]
