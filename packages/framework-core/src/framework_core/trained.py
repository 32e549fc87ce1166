"""A trained model with its best weights, and what it answers on files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, seed_everything
from lightning.pytorch.utilities.seed import isolate_rng
from safetensors.torch import load_model

from framework_core.base.model import BaseModel
from framework_core.config.compose import compose
from framework_core.contracts.config import RunConfig
from framework_core.contracts.data import DataSpec
from framework_core.contracts.processing import Processing
from framework_core.model_registry.files import WEIGHTS, run_files
from framework_core.model_registry.lookup import find
from framework_core.model_registry.version import read_reference
from framework_core.plugins.registry import build, registry
from framework_core.prediction import Row, table_of
from framework_core.tracking.logged_model import without_pretrained
from framework_core.tracking.lookup import CONFIG, DATA, RECORD, RunRecord, find_run
from framework_core.training import preparation
from framework_core.training.quiet import quiet
from framework_core.training.session import data_errors_of_workers
from framework_core.training.trainer import silent_trainer

RUNS = Path("runs")
"""Where runs are looked for."""


@dataclass(frozen=True)
class Trained:
    """A run's model with its best weights.

    Attributes:
        record: The run.
        config: Its settings.
        data: What it was trained on.
        model: The model.
    """

    record: RunRecord
    config: RunConfig
    data: DataSpec
    model: LightningModule


def trained(run: str, *, overrides: Sequence[str] = (), output_dir: Path | None = None) -> Trained:
    """The model of a run with its best weights, else its last ones.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``; or a version of a registered model:
            ``NAME@STAGE`` or ``NAME/NUMBER``, whose files come from the store.
        overrides: Settings to change.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
        UnknownNameError: There is no such registered model.
        VersionNotFoundError: It has no such version, or none stands in that stage.
    """
    if _is_registered(run, output_dir or RUNS):
        record = _registered(run)
        weights = record.directory / WEIGHTS
    else:
        record = find_run(run, output_dir=output_dir or RUNS)
        weights = record.checkpoint
    config = compose(overrides, config_file=record.directory / CONFIG).config
    data = DataSpec.model_validate_json((record.directory / DATA).read_text("utf-8"))
    model = preparation.build_model(without_pretrained(config.model), data)
    if weights.name == WEIGHTS:
        load_model(model, str(weights))
    else:
        preparation.load_weights(model, weights)
    return Trained(record, config, data, model)


def _is_registered(run: str, output_dir: Path) -> bool:
    """Whether a version of a registered model is meant: what is the folder or the name of a run is that run."""
    return read_reference(run) is not None and not any((each / run / RECORD).is_file() for each in (Path(), output_dir))


def _registered(reference: str) -> RunRecord:
    """A version of a registered model as a run's folder that holds its settings and its weights."""
    version = find(reference)
    return RunRecord(run_files(version), version.run_id, str(version), "", tracking_uri=version.tracking_uri)


class Predictor:
    """A trained model that predicts files, as often as it is asked.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        overrides: Settings to change: ``model.temperature=0.5``.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
    """

    def __init__(self, run: str, *, overrides: Sequence[str] = (), output_dir: Path | None = None) -> None:
        self.trained = trained(run, overrides=overrides, output_dir=output_dir)
        self.datamodule: Any = build(
            registry.resolve("dataset", self.trained.config.dataset.name), self.trained.config.dataset
        )
        self.suffixes: tuple[str, ...] = tuple(getattr(self.datamodule, "suffixes", ()))

    @property
    def preprocessing(self) -> Processing | None:
        """How files are prepared without torch; nothing where the data does not say."""
        found: Processing | None = getattr(self.datamodule, "preprocessing", lambda data: None)(self.trained.data)
        return found

    @property
    def postprocessing(self) -> Processing | None:
        """How rows are made of outputs without torch; nothing where the model does not say.

        What is drawn is drawn by the seed of the settings.
        """
        if not isinstance(self.trained.model, BaseModel):
            return None
        with isolate_rng():
            seed_everything(self.trained.config.seed, verbose=False)
            return self.trained.model.postprocessing()

    def dataset(self, files: Sequence[Path]) -> Any:
        """The samples of files.

        Raises:
            DataError: One cannot be read.
        """
        return self.datamodule.predict_dataset(files, self.trained.data)

    def rows(self, files: Sequence[Path], dataset: Any = None) -> list[Row]:
        """One pass over everything; what is drawn is drawn by the seed of the settings.

        Args:
            files: The files, in the order of the answers.
            dataset: Their samples, where they are at hand.

        Raises:
            DataError: One cannot be read.
        """
        config = self.trained.config
        with quiet(), data_errors_of_workers(), isolate_rng():
            seed_everything(config.seed, verbose=False)
            dataset = self.dataset(files) if dataset is None else dataset
            loader = self.datamodule.loader(dataset)
            batches: Any = silent_trainer(config).predict(self.trained.model, dataloaders=loader)
        return table_of(dataset, files, batches or [])
