"""The wine data that comes with scikit-learn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from framework_core import BaseDataModule, DataError, DataSpec
from framework_core.contracts import Processing
from sklearn.datasets import load_wine
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

SPLITS = {"test": (0,), "val": (1,), "train": (2, 3, 4)}
"""Every fifth wine of a list that is sorted by class is tested with, and so on: each split has all classes."""


class Wine(BaseDataModule):
    """178 wines of three growers by thirteen measurements (Aeberhard and Forina, https://doi.org/10.24432/C5PC7J).

    Args:
        batch_size: How many wines make a batch.
        num_workers: How many processes load them.
    """

    domain: ClassVar[str] = "tabular"
    tasks: ClassVar[tuple[str, ...]] = ("tabular-classification",)
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    in_memory = True

    def __init__(self, *, batch_size: int = 16, num_workers: int | None = None) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers)
        wine = load_wine()
        self._features = torch.tensor(wine.data, dtype=torch.float32)
        self._labels = torch.tensor(wine.target, dtype=torch.int64)
        self._feature_names = [str(name) for name in wine.feature_names]
        training = self._features[self._rows("train")]
        self._mean, self._std = training.mean(dim=0), training.std(dim=0)

    def setup(self, stage: str | None = None) -> None:
        """Split the wines."""
        self.train_dataset, self.val_dataset, self.test_dataset = (
            TensorDataset(self._scaled(self._features[rows]), self._labels[rows])
            for rows in map(self._rows, ("train", "val", "test"))
        )

    def data_spec(self) -> DataSpec:
        """Thirteen numbers, three classes."""
        content = self._features.numpy().tobytes() + self._labels.numpy().tobytes() + repr(SPLITS).encode()
        return DataSpec(
            task=self.tasks[0],
            input_shape=(len(self._feature_names),),
            class_names=("grower_0", "grower_1", "grower_2"),
            split_sizes={split: int(self._rows(split).sum()) for split in ("train", "val", "test")},
            fingerprint=f"content:{hashlib.sha256(content).hexdigest()[:32]}",
            source="sklearn.datasets.load_wine",
            facts={"features": list(self._feature_names)},
        )

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """Files of one wine each: thirteen numbers with commas between them."""
        return _Wines([self._scaled(_numbers(path, len(self._feature_names))) for path in paths])

    def preprocessing(self, data: DataSpec) -> Processing:
        """The same from the content of such a file, without torch: for a server."""
        settings = {"mean": self._mean.tolist(), "std": self._std.tolist()}
        return Processing(builder="framework_plugins_wine.serving:WineFiles", settings=settings)

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Wines of the test, a file each: an exported model is tried on them."""
        paths = []
        for number, wine in enumerate(self._features[self._rows("test")][:count].tolist()):
            paths.append(folder / f"wine-{number}.csv")
            paths[-1].write_text(",".join(map(str, wine)), "utf-8")
        return paths

    def _rows(self, split: str) -> Tensor:
        fold = torch.arange(len(self._labels)) % 5
        return torch.isin(fold, torch.tensor(SPLITS[split]))

    def _scaled(self, features: Tensor) -> Tensor:
        return (features - self._mean) / self._std


class _Wines(Dataset[Tensor]):
    def __init__(self, wines: list[Tensor]) -> None:
        self._wines = wines

    def __len__(self) -> int:
        return len(self._wines)

    def __getitem__(self, index: int) -> Tensor:
        return self._wines[index]


def _numbers(path: Path, count: int) -> Tensor:
    try:
        numbers = [float(word) for word in path.read_text("utf-8").split(",")]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.", paths=[path]) from error
    if len(numbers) != count:
        raise DataError(f"{path} has {len(numbers)} numbers; a wine has {count}.", paths=[path])
    return torch.tensor(numbers)
