"""What is checked: a package, a component, a model on its data, a dataset."""

from __future__ import annotations

import copy
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework_core.testing.check import Kind, NotApplicableError, expect

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule
    from torch import Tensor

    from framework_core.contracts.config import ComponentConfig, RunConfig
    from framework_core.contracts.data import DataSpec
    from framework_core.plugins.discovery import Offer, Plugin

IMPORT_SECONDS = 20.0
"""How long importing a plugin's light modules may take by the clock before it is called a hang."""


@dataclass(frozen=True)
class PackageSubject:
    """An installed distribution.

    Args:
        name: The distribution's name.
    """

    name: str

    @functools.cached_property
    def distribution(self) -> Distribution:
        """Its metadata."""
        return distribution(self.name)

    @functools.cached_property
    def imported(self) -> Mapping[str, Any]:
        """What importing its light modules does, seen in a process of its own.

        Raises:
            BrokenPromiseError: It ended or hung that process.
        """
        with tempfile.TemporaryDirectory() as folder:
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "framework_core.testing.package_child", self.name],
                    cwd=folder,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=IMPORT_SECONDS,
                )
            except subprocess.TimeoutExpired:
                expect(False, f"importing it did not end within {IMPORT_SECONDS:g} seconds")
        expect(bool(done.stdout), f"importing it ended the process with status {done.returncode}: {_last(done.stderr)}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @functools.cached_property
    def plugins(self) -> list[Plugin]:
        """What became of its plugins here."""
        from framework_core.plugins.registry import registry

        return [plugin for plugin in registry.plugins.found if plugin.distribution == self.name]

    @property
    def offers(self) -> list[Offer]:
        """Its components."""
        return [offer for plugin in self.plugins for offer in plugin.offers]


@dataclass(frozen=True)
class ComponentSubject:
    """A component, as it is listed.

    Args:
        offer: What is offered.
    """

    offer: Offer

    @property
    def name(self) -> str:
        """What the user types."""
        return self.offer.spec.name

    @functools.cached_property
    def config_class(self) -> type[ComponentConfig]:
        """Its settings."""
        from framework_core.plugins.catalogue import config_class

        return config_class(self.offer)


@dataclass(frozen=True)
class DatasetSubject:
    """A dataset with settings that make it small.

    Args:
        name: Its name.
        settings: Overrides, as they are typed: ``dataset.path=photos``.
    """

    name: str
    settings: Sequence[str] = ()

    def config(self) -> ComponentConfig:
        """Its settings, checked."""
        from framework_core.config.compose import dataset_settings

        return dataset_settings(self.name, [*_small_data(self.name, self.settings), *self.settings])

    def module(self, **changes: Any) -> LightningDataModule:
        """The datamodule, set up for training and test.

        Args:
            **changes: Settings that differ.
        """
        from framework_core.training.preparation import set_up_data

        datamodule = set_up_data(self.config().model_copy(update=changes), "fit")
        datamodule.setup("test")
        return datamodule

    @functools.cached_property
    def ready(self) -> LightningDataModule:
        """One that is set up, for checks that only look."""
        return self.module()

    @functools.cached_property
    def data(self) -> DataSpec:
        """What it says its data is."""
        from framework_core.training.preparation import data_spec_of

        return data_spec_of(self.ready)


@dataclass(frozen=True)
class ModelSubject:
    """A model on data that it can learn.

    Args:
        name: Its name.
        dataset: The dataset; empty takes the one that ``fw train --model NAME`` takes.
        settings: Overrides, as they are typed: ``model.width=8``, ``dataset.batch_size=8``.
    """

    name: str
    dataset: str = ""
    settings: Sequence[str] = ()

    @functools.cached_property
    def config(self) -> RunConfig:
        """The settings of a small run."""
        from framework_core.config.compose import compose, default_dataset
        from framework_core.training.preparation import fitted_to_model

        dataset = self.dataset or default_dataset(self.name)
        words = [*SMALL, *_small_data(dataset, self.settings), *self.settings]
        return fitted_to_model(compose(words, model=self.name, dataset=dataset).config)[0]

    @functools.cached_property
    def datamodule(self) -> LightningDataModule:
        """Its data, set up."""
        from framework_core.training.preparation import set_up_data

        return set_up_data(self.config.dataset, "fit")

    @functools.cached_property
    def data(self) -> DataSpec:
        """What its data is."""
        from framework_core.training.preparation import data_spec_of

        return data_spec_of(self.datamodule)

    def model(self, data: DataSpec | None = None, seed: int = 0) -> LightningModule:
        """A new one, the same for the same seed.

        Args:
            data: What it is to be trained on, if not its own data.
            seed: Seeds its weights.
        """
        import torch

        from framework_core.training.preparation import build_model

        torch.manual_seed(seed)
        return build_model(self.config.model, data or self.data)

    @property
    def batch(self) -> Any:
        """A training batch, the same each time, and nobody else's."""
        return copy.deepcopy(self._batch)

    @functools.cached_property
    def _batch(self) -> Any:
        import torch
        from lightning.pytorch.utilities.seed import isolate_rng

        with isolate_rng():
            torch.manual_seed(0)
            return next(iter(self.datamodule.train_dataloader()))

    def pair(self, samples: int | None = None) -> tuple[Tensor, Tensor]:
        """The inputs and targets of a batch.

        Args:
            samples: How many; all of them where it is empty.

        Raises:
            NotApplicableError: Its batches are no pairs of tensors.
        """
        from torch import Tensor

        batch = self.batch
        if not (isinstance(batch, list | tuple) and len(batch) == 2 and all(isinstance(x, Tensor) for x in batch)):
            raise NotApplicableError("its batches are no pairs of inputs and targets")
        return batch[0][:samples], batch[1][:samples]


SMALL = (
    "trainer.accelerator=cpu",
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=2",
    "trainer.limit_val_batches=1",
    "trainer.limit_test_batches=1",
    "trainer.enable_progress_bar=false",
    "mlops.tracking.backend=none",
    "mlops.report=false",
    "preflight=false",
    "duplicates.action=ignore",
)
"""The settings of a run that is made to look at something."""


def files_here() -> list[str]:
    """The names in the working folder."""
    return sorted(path.name for path in Path().iterdir())


def _small_data(dataset: str, settings: Sequence[str]) -> list[str]:
    """Small batches and no loading processes, where the dataset has such settings and nobody asked for others."""
    from framework_core.plugins.catalogue import config_class
    from framework_core.plugins.registry import registry

    known = config_class(registry.resolve("dataset", dataset)).model_fields
    asked = {word.partition("=")[0] for word in settings}
    small = {"batch_size": 8, "num_workers": 0}
    return [f"dataset.{key}={value}" for key, value in small.items() if key in known and f"dataset.{key}" not in asked]


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["nothing was said"])[-1]


def subjects_of(offer: Offer, settings: Sequence[str]) -> dict[Kind, ComponentSubject | ModelSubject | DatasetSubject]:
    """What is looked at of a component, by the kind of check.

    Args:
        offer: The component.
        settings: Overrides; of a model, ``dataset=NAME`` chooses the data.
    """
    kind, name = offer.spec.kind, offer.spec.name
    if offer.target is None:
        name = f"{offer.distribution}:{name}"
    found: dict[Kind, ComponentSubject | ModelSubject | DatasetSubject] = {"component": ComponentSubject(offer)}
    dataset = "".join(word.partition("=")[2] for word in settings if word.startswith("dataset="))
    words = [word for word in settings if not word.startswith("dataset=")]
    if kind == "model":
        found["model"] = ModelSubject(name, dataset, words)
    elif kind == "dataset":
        found["dataset"] = DatasetSubject(name, words)
    return found
