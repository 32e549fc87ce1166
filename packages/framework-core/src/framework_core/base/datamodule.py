"""The base class of datamodules: a LightningDataModule that says what its data turned out to be."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from lightning.fabric.utilities.seed import pl_worker_init_function
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, TensorDataset

from framework_core.base.batches import BatchDataset, TensorBatches, as_it_is
from framework_core.base.loading_plan import LoadingPlan
from framework_core.contracts.data import DataSpec
from framework_core.errors import ContractError, DataError

if TYPE_CHECKING:
    from framework_core.contracts.config import ComponentConfig
    from framework_core.contracts.processing import Processing
    from framework_core.contracts.samples import SampleHash

AHEAD = 2
"""Batches that each loading process has ready."""

MOST_WORKERS = 16
"""Loading processes beside a training process at most: so many keep up with a large GPU."""


class BaseDataModule(LightningDataModule):
    """Data in splits. A subclass fills ``train_dataset``, ``val_dataset`` and ``test_dataset`` in ``setup``.

    Its own settings are the parameters of its ``__init__``, which passes ``**kwargs`` on.

    Args:
        batch_size: How many samples make a batch.
        num_workers: How many processes load data; empty takes none for data in memory, and otherwise what a
            trial before training says, or one a core.
    """

    domain: ClassVar[str] = ""
    """The domain it belongs to."""

    tasks: ClassVar[tuple[str, ...]] = ()
    """What can be learned from it."""

    in_memory: bool = False
    """Whether a sample is there without reading or decoding anything."""

    def __init__(self, *, batch_size: int = 64, num_workers: int | None = None) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.plan: LoadingPlan | None = None
        self.train_dataset: Dataset[Any] | None = None
        self.val_dataset: Dataset[Any] | None = None
        self.test_dataset: Dataset[Any] | None = None
        self.groups: Mapping[str, Mapping[str, Sequence[str]]] = {}
        """What samples have in common beside their targets, by split and name: who speaks, one value a sample. The
        report has the metrics of each group of the test."""

    @classmethod
    def config_class(cls) -> type[ComponentConfig]:
        """The settings: the parameters of ``__init__``."""
        from framework_core.contracts.signature import config_from_signature

        return config_from_signature(cls)

    def data_spec(self) -> DataSpec:
        """What the data turned out to be. Called after ``setup``.

        Raises:
            ContractError: A subclass has to give it.
        """
        name = type(self).__name__
        raise ContractError(
            f"The dataset {name} is not complete", ["it has no method data_spec, which returns a DataSpec"]
        )

    def prepare_like(self, data: DataSpec) -> None:
        """Prepare data as that of a trained model was; called before ``setup`` where such a model is measured.

        What a datamodule learns from its data (a vocabulary, scales) it takes from here, as other data would teach it
        something else. By default it learns nothing.

        Args:
            data: What the model was trained on.
        """

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """New samples for a trained model: one input for each path, prepared as the validation data was.

        Where a file holds more samples than one, or a sample becomes several rows, the dataset has a method ``rows``:
        it takes what ``predict_step`` gave for each batch and returns the rows of the table, a mapping each.

        Args:
            paths: The files to predict, in the order of the answers.
            data: What the model was trained on.

        Raises:
            DataError: This data has no way to read new samples, or a file cannot be read.
        """
        raise DataError(f"{type(self).__name__} does not say how to read new samples (predict_dataset).")

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """How a program without a training library prepares new samples; nothing where that is not written yet.

        What it prepares is what ``predict_dataset`` gives: ``fw export`` puts it beside the network, and compares.
        Called without ``setup``.

        Args:
            data: What the model was trained on.
        """
        return None

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """A few samples of the test as files that ``predict_dataset`` reads; called after ``setup``. None by default.

        An exported model is tried on them from the file on.

        Args:
            count: How many at most.
            folder: An empty folder, for samples that lie in no files of their own.
        """
        return ()

    def stream_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """New data for a trained model that is predicted while it comes, for ``stream_predictions`` of the model.

        Args:
            paths: A file; ``-`` is what another program sends.
            data: What the model was trained on.

        Raises:
            DataError: This data has nothing that goes on, or it cannot be read.
        """
        raise DataError(
            f"{type(self).__name__} has nothing that goes on, so it cannot be predicted as a stream.",
            next_step="Predict whole files: fw predict RUN FILES",
        )

    def sample_hashes(self, split: str, indices: Sequence[int]) -> Sequence[SampleHash]:
        """What tells samples apart, for finding those that two splits share; nothing by default.

        Args:
            split: ``train``, ``val`` or ``test``.
            indices: Which samples of it.

        Returns:
            One for each, made from the sample before anything random is done to it; nothing where that is not known.
        """
        return ()

    def train_dataloader(self) -> DataLoader[Any]:
        """The training batches, in a new order each epoch; a stream is in an order of its own."""
        dataset = self._split("train")
        if isinstance(dataset, IterableDataset):
            return self.loader(dataset)
        # Batch normalisation cannot learn from a single sample.
        alone = len(dataset) % self.batch_size == 1 and len(dataset) > 1  # type: ignore[arg-type]
        return self.loader(dataset, shuffle=True, drop_last=alone, sampler=self.train_sampler(dataset))

    def train_sampler(self, dataset: Dataset[Any]) -> Sampler[int] | None:
        """The order of the training samples, where it is not a plain shuffle."""
        return None

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """The validation batches; none where there is no validation split."""
        return [] if self.val_dataset is None else self.loader(self.val_dataset)

    def test_dataloader(self) -> DataLoader[Any] | list[Any]:
        """The test batches; none where there is no test split."""
        return [] if self.test_dataset is None else self.loader(self.test_dataset)

    def loader(
        self,
        dataset: Dataset[Any],
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        sampler: Sampler[int] | None = None,
    ) -> DataLoader[Any]:
        """A loader with this module's batch size and workers; a sampler takes the place of ``shuffle``."""
        workers = self._workers()
        if type(dataset) is TensorDataset:
            dataset = TensorBatches(dataset)
        return DataLoader(
            dataset,
            collate_fn=as_it_is if isinstance(dataset, BatchDataset) else None,
            batch_size=self.batch_size,
            shuffle=shuffle and sampler is None,
            sampler=sampler,
            drop_last=drop_last,
            num_workers=workers,
            worker_init_fn=_start_worker if workers else None,
            persistent_workers=workers > 0,
            prefetch_factor=(self.plan.ahead if self.plan else AHEAD) if workers else None,
            pin_memory=torch.cuda.is_available(),
        )

    def loading(self) -> str:
        """How samples are loaded where nobody said it, for people."""
        if self.plan is not None:
            return str(self.plan)
        workers = self._workers()
        return f"{workers} processes, {AHEAD} batches ahead each" if workers else "in the process that trains"

    def _workers(self) -> int:
        if self.num_workers is not None:
            return self.num_workers
        if self.plan is not None:
            return self.plan.workers
        return 0 if self.in_memory else max(1, min(MOST_WORKERS, cores() // self._sharing()))

    def _sharing(self) -> int:
        """How many processes that train share the cores of this machine."""
        return 1 if self.trainer is None else self.trainer.num_devices

    def _split(self, name: str) -> Dataset[Any]:
        dataset: Dataset[Any] | None = getattr(self, f"{name}_dataset")
        if dataset is None:
            raise DataError(f"{type(self).__name__} has no {name}_dataset: its setup has to set it.")
        return dataset


def _start_worker(worker: int) -> None:
    """Seed a loading process as Lightning does, and leave Ctrl-C to the process that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pl_worker_init_function(worker)


def cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
