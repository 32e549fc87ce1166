"""The base class of datasets of series that have a class each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from framework_core import BaseDataModule, DataError, DataSpec
from framework_core.contracts import Processing
from framework_core.prediction import rows_of
from framework_plugins_timeseries.labelled_series import (
    LabelledSeries,
    LabelledSet,
    Preparation,
    check_channels,
    common_length,
    without_missing,
)
from framework_plugins_timeseries.scaling import Scaler, as_float32
from framework_plugins_timeseries.series import Array

FOR_CLASSIFICATION = "time-series-classification"


class BaseSeriesClassificationDataModule(BaseDataModule):
    """Series with a class each, ``(channels, steps)``. A subclass gives ``read_splits``.

    Where there is no test set or no validation set of its own, a share of each class is kept for it.

    Args:
        unequal: What is done with series of different lengths: ``refuse``, ``pad``, ``truncate`` or ``resample``.
        missing: What stands for a missing value: ``refuse``, ``forward``, ``interpolate`` or ``zero``.
        scaler: How values are scaled: ``instance``, each channel of each series by itself; or ``standard``, ``minmax``,
            ``robust``, each channel by all training series; or ``none``.
        val_size: The share of training series that is validated on.
        test_size: The share that is tested on, where there is no test set.
        split_seed: Decides which series go where.
        batch_size: How many series make a batch.
        num_workers: How many processes load them.
    """

    domain: ClassVar[str] = "timeseries"
    tasks: ClassVar[tuple[str, ...]] = (FOR_CLASSIFICATION,)
    in_memory = True

    reads_archive_files: ClassVar[bool] = False
    """Whether ``read_file`` reads files of the UCR and UEA archives, as ``read_labelled`` does."""

    def __init__(
        self,
        *,
        unequal: str = "refuse",
        missing: str = "refuse",
        scaler: str = "instance",
        val_size: float = 0.2,
        test_size: float = 0.2,
        split_seed: int = 0,
        batch_size: int = 32,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers)
        self.unequal = unequal
        self.missing = missing
        self.scaler_kind = scaler
        self.val_size = val_size
        self.test_size = test_size
        self.split_seed = split_seed
        self.preparation: Preparation | None = None
        self.class_names: tuple[str, ...] = ()
        self._counts: dict[str, int] = {}
        self._test: Sequence[LabelledSeries] = ()
        self._digest = hashlib.sha256()

    def read_splits(self) -> Mapping[str, LabelledSet]:
        """The samples by split: ``train``, and ``val`` and ``test`` where they are given.

        Raises:
            DataError: A subclass has to give it.
        """
        raise DataError(f"{type(self).__name__} does not say how its series are read (read_splits).")

    def read_file(self, path: Path) -> LabelledSet:
        """The series of a file to predict; their classes may be empty.

        Raises:
            DataError: This data has no way to read a file.
        """
        raise DataError(f"{type(self).__name__} does not say how a file is read (read_file).")

    def source(self) -> str:
        """Where the data came from, for people."""
        return type(self).__name__

    def setup(self, stage: str | None = None) -> None:
        """Read the samples, check, fill, scale and bring them to one length.

        Raises:
            DataError: They cannot be used.
        """
        if self.train_dataset is not None:
            return
        splits = self._complete(dict(self.read_splits()))
        self.class_names = _classes(splits)
        self.preparation = self._fitted(splits["train"])
        for split, found in splits.items():
            _check(found, self.class_names, splits["train"].channels)
            values = torch.from_numpy(self.preparation.apply(found).astype(np.float32))
            labels = torch.tensor([self.class_names.index(each.label) for each in found.samples])
            self._digest.update(split.encode() + values.numpy().tobytes() + labels.numpy().tobytes())
            setattr(self, f"{split}_dataset", TensorDataset(values, labels))
        self._test = splits["test"].samples if "test" in splits else ()
        counted = Counter(each.label for each in splits["train"].samples)
        self._counts = {name: counted[name] for name in self.class_names}

    def data_spec(self) -> DataSpec:
        """What the samples turned out to be; what was done with them is in its facts."""
        train = self._split("train")
        splits = {"train": self.train_dataset, "val": self.val_dataset, "test": self.test_dataset}
        return DataSpec(
            task=self.tasks[0],
            input_shape=tuple(train[0][0].shape),
            class_names=self.class_names,
            target_shape=(),
            split_sizes={name: len(each) for name, each in splits.items() if each is not None},  # type: ignore[arg-type]
            class_counts=self._counts,
            fingerprint=f"content:{self._digest.hexdigest()[:32]}",
            source=self.source(),
            facts=self._facts(),
        )

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """Every series of the files, prepared as the training series were.

        Raises:
            DataError: A file cannot be read, or has other channels.
        """
        facts: Any = data.facts
        scaler = Scaler.of(facts["scaler"]) if facts["scaler"] else None
        preparation = Preparation(facts["length"], facts["unequal"], facts["missing"], scaler)
        series = SeriesToClassify()
        for path in paths:
            found = self.read_file(path)
            check_channels(found, data.channels)
            series.add(path, found, preparation.apply(found))
        return series

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """The series of a file, without torch, where files are those of the UCR archive."""
        if not self.reads_archive_files:
            return None
        kept = {name: data.facts[name] for name in ("length", "unequal", "missing", "scaler")}
        return Processing(
            builder="framework_plugins_timeseries.serving_classes:LabelledInputs",
            settings={"channels": data.channels, **kept},
        )

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Series of the test in a ``.ts`` file, with missing values filled, and their classes left out."""
        samples = self._test[:count]
        if not samples:
            return ()
        lines = [":".join(",".join(map(repr, each)) for each in sample.values.T.tolist()) for sample in samples]
        path = folder / "samples.ts"
        path.write_text("\n".join(["@classLabel false", "@data", *lines]) + "\n", encoding="utf-8")
        return [path]

    def _complete(self, splits: dict[str, LabelledSet]) -> dict[str, LabelledSet]:
        """With a share of each class for the splits that are not given."""
        # The test is taken first, so that a change of val_size leaves it as it is.
        for split, share in (("test", self.test_size), ("val", self.val_size)):
            if split not in splits and share:
                train = splits["train"]
                kept, given = _by_class(train.samples, share, self.split_seed)
                splits["train"] = replace(train, samples=kept)
                if given:
                    splits[split] = replace(train, samples=given)
        return {split: splits[split] for split in ("train", "val", "test") if split in splits}

    def _fitted(self, training: LabelledSet) -> Preparation:
        length = common_length(training, self.unequal)
        scaler = None
        if self.scaler_kind != "instance":
            filled = without_missing(training, self.missing)
            scaler = Scaler.fit(self.scaler_kind, [np.concatenate([each.values for each in filled.samples])])
        return Preparation(length, self.unequal, self.missing, scaler)

    def _facts(self) -> dict[str, Any]:
        made = self.preparation
        if made is None:
            raise DataError(f"{type(self).__name__} is not set up yet.")
        scaler = made.scaler.facts() if made.scaler else None
        return {"length": made.length, "unequal": made.unequal, "missing": made.missing, "scaler": scaler}


class SeriesToClassify(Dataset[Tensor]):
    """The series of files, each a row of the table."""

    def __init__(self) -> None:
        self._inputs: list[Tensor] = []
        self._places: list[tuple[Path, int]] = []

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> Tensor:
        return self._inputs[index]

    def add(self, path: Path, found: LabelledSet, values: Array) -> None:
        """Take the samples of a file, ``(samples, channels, steps)``."""
        self._inputs += list(torch.from_numpy(as_float32(values, path)))
        self._places += [(path, each.line) for each in found.samples]

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The file and line of each series, and what the model says of it."""
        found = rows_of([path for path, _ in self._places], batches)
        return [
            {"path": row.pop("path"), "line": line, **row} for row, (_, line) in zip(found, self._places, strict=True)
        ]


def _by_class(
    samples: Sequence[LabelledSeries], share: float, seed: int
) -> tuple[list[LabelledSeries], list[LabelledSeries]]:
    """What stays and a share of each class, in the order of the data; each class keeps one sample at least."""
    generator = np.random.default_rng(seed)
    labels = np.array([each.label for each in samples])
    taken: set[int] = set()
    for label in sorted(set(labels.tolist())):
        order = generator.permutation(np.flatnonzero(labels == label))
        taken |= set(order[: min(len(order) - 1, round(share * len(order)))].tolist())
    kept = [each for index, each in enumerate(samples) if index not in taken]
    return kept, [each for index, each in enumerate(samples) if index in taken]


def _classes(splits: Mapping[str, LabelledSet]) -> tuple[str, ...]:
    """Those that are declared; otherwise those of the training samples, numbers in their order."""
    train = splits["train"]
    found = train.classes or tuple(sorted({each.label for each in train.samples}, key=_order))
    if len(found) < 2:
        raise DataError(
            f"{train.path or 'The data'} has {len(found)} class{'' if found else 'es'}: {', '.join(found) or 'none'}.",
            paths=[train.path] if train.path else [],
            possible="Telling classes apart needs two at least; in a .ts file: @classLabel true A B",
        )
    return found


def _order(label: str) -> tuple[float, str]:
    try:
        return float(label), label
    except ValueError:
        return float("inf"), label


def _check(found: LabelledSet, classes: Sequence[str], channels: int) -> None:
    check_channels(found, channels)
    for sample in found.samples:
        if sample.label not in classes:
            raise DataError(
                f"{found.where(sample)}: the class {sample.label!r} is not in the training set.",
                paths=[found.path] if found.path else [],
                possible=f"Its classes are {', '.join(classes[:12])}.",
            )
