"""Images of the Hugging Face hub, or of its library's form on the disk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import ClassLabel, Dataset, DatasetDict, Image, load_dataset, load_from_disk
from torch import Tensor

from framework_core import BatchDataset, DataError
from framework_core.errors import near_names
from framework_plugins_vision import reading
from framework_plugins_vision.datasets.image_files import prepared
from framework_plugins_vision.datasets.image_module import ImageFilesDataModule
from framework_plugins_vision.image_hashes import SIDE, Picture
from framework_plugins_vision.splits import stratified_split
from framework_plugins_vision.transforms import Transform

VALIDATION = ("validation", "valid", "val", "dev")
SAVED = ("dataset_dict.json", "state.json")
"""What ``save_to_disk`` leaves in a folder."""

_log = logging.getLogger("framework_core")


class HuggingFaceImages(ImageFilesDataModule):
    """A dataset with a column of images and a column of classes. Nothing that stands in a dataset is run.

    Args:
        path: An id of the hub, or a folder: of ``save_to_disk``, or of Parquet files.
        subset: The subset, which the hub calls config.
        revision: The version on the hub.
        image_column: The column of images; empty takes the one that holds images.
        label_column: The column of labels; empty takes the one that holds classes.
        train_split: The split to train on.
        val_split: The split to validate on; empty looks for one.
        test_split: The split to test on; empty takes ``test`` where it has labels.
        val_fraction: The share kept for validation where there is no such split.
        test_fraction: The share kept for the test where there is no such split.
        split_seed: Decides which images go where.
        **images: How images are read and prepared, as ``ImageFilesDataModule`` takes it.
    """

    def __init__(
        self,
        path: str,
        subset: str | None = None,
        revision: str | None = None,
        image_column: str | None = None,
        label_column: str | None = None,
        train_split: str = "train",
        val_split: str | None = None,
        test_split: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        **images: Any,
    ) -> None:
        super().__init__(**images)
        self.path = path
        self.subset = subset
        self.revision = revision
        self.image_column = image_column
        self.label_column = label_column
        self.named = {"train": train_split, "val": val_split, "test": test_split}
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed

    def prepare_data(self) -> None:
        """Fetch the dataset, unless it is here.

        Raises:
            DataError: It cannot be fetched or read.
        """
        self._load()

    def setup(self, stage: str | None = None) -> None:
        """Find columns, classes and splits.

        Raises:
            DataError: There is no such column or split, or a label is beyond the classes.
        """
        if self.train_dataset is not None:
            return
        whole = self._load()
        splits = self._splits(whole)
        train = splits["train"]
        image = self._column(train, "image_column", self.image_column, lambda kind: isinstance(kind, Image))
        label = self._column(train, "label_column", self.label_column, lambda kind: isinstance(kind, ClassLabel))
        labels = {name: list(split[label]) for name, split in splits.items()}
        self.class_names = _classes(train, label, labels["train"])
        numbers = {name: self._numbers(name, found, label) for name, found in labels.items()}
        kept = stratified_split(
            numbers["train"].tolist(),
            val_fraction=0.0 if "val" in splits else self.val_fraction,
            test_fraction=0.0 if "test" in splits else self.test_fraction,
            seed=self.split_seed,
        )
        digest = hashlib.sha256()
        for name in ("train", "val", "test"):
            origin = name if name != "train" and name in splits else "train"
            rows = kept[name] if origin == "train" else list(range(len(splits[name])))
            if rows:
                source = splits[origin].select_columns([image]).cast_column(image, Image(decode=False))
                transform = self.train_transform if name == "train" else self.eval_transform
                chosen = torch.tensor(rows)
                made = _Rows(source, image, chosen, numbers[origin][chosen], self._reader_of(name).decoded, transform)
                made.skip = self.on_error == "skip"
                setattr(self, f"{name}_dataset", made)
                digest.update(f"{name} {splits[origin]._fingerprint} {rows}".encode())
        self._fingerprint = f"listing:{digest.hexdigest()[:32]}"

    def source(self) -> str:
        """The id, or the folder."""
        return self.path

    def _load(self) -> DatasetDict:
        folder = Path(self.path)
        try:
            if any((folder / name).is_file() for name in SAVED):
                found = load_from_disk(self.path)
            else:
                found = load_dataset(self.path, self.subset, revision=self.revision)
        except (OSError, ValueError, RuntimeError) as error:
            first = str(error).strip().partition("\n")[0]
            raise DataError(
                f"The dataset {self.path} cannot be loaded: {first}",
                possible="It is an id of the hub, user/name, or a folder of save_to_disk or of Parquet files.",
                next_step="See the subsets and splits of a dataset on its page: https://huggingface.co/datasets",
            ) from error
        return found if isinstance(found, DatasetDict) else DatasetDict({self.named["train"] or "train": found})

    def _splits(self, whole: DatasetDict) -> dict[str, Dataset]:
        found = {}
        for name, word in self.named.items():
            if word is not None and word not in whole:
                raise DataError(
                    f"The dataset {self.path} has no split {word!r}.",
                    possible=f"It has {', '.join(whole)}.",
                    next_step=f"Name one with dataset.{name}_split=SPLIT",
                )
            if word is not None:
                found[name] = whole[word]
        if "val" not in found and (word := next((each for each in VALIDATION if each in whole), None)):
            found["val"] = whole[word]
        if "test" not in found and "test" in whole:
            found["test"] = whole["test"]
        return found

    def _column(self, train: Dataset, setting: str, name: str | None, fits: Any) -> str:
        columns = train.features
        if name is not None:
            if name in columns:
                return name
            near = near_names(name, columns)
            raise DataError(
                f"The dataset {self.path} has no column {name!r}.",
                possible=f"Near it: {', '.join(near)}." if near else f"It has {', '.join(columns)}.",
                next_step=f"Name one with dataset.{setting}=COLUMN",
            )
        found = [each for each, kind in columns.items() if fits(kind)]
        usual = setting.partition("_")[0]
        if len(found) != 1 and usual in columns:
            return usual
        if len(found) != 1:
            kind = "images" if setting == "image_column" else "classes"
            what = f"{len(found)} columns of {kind}: {', '.join(found)}" if found else f"no column of {kind}"
            raise DataError(
                f"The dataset {self.path} has {what}.",
                possible=f"Its columns: {', '.join(columns)}.",
                next_step=f"Name one with dataset.{setting}=COLUMN",
            )
        return str(found[0])

    def _numbers(self, split: str, labels: Sequence[Any], column: str) -> Tensor:
        names = {name: number for number, name in enumerate(self.class_names)}
        whole = all(isinstance(label, int) for label in labels)
        numbers = [label if whole else names.get(str(label), -1) for label in labels]
        wrong = next((index for index, number in enumerate(numbers) if not 0 <= number < len(names)), None)
        if wrong is not None:
            raise DataError(
                f"{self.path}, {split} row {wrong:,}: {column} is {labels[wrong]!r}, which is no class of training.",
                possible=f"Classes of training: {', '.join(self.class_names)}.",
                next_step=f"Without that split: dataset.{split}_split=OTHER",
            )
        return torch.tensor(numbers, dtype=torch.int64)


def _classes(train: Dataset, column: str, labels: Sequence[Any]) -> tuple[str, ...]:
    feature = train.features[column]
    if isinstance(feature, ClassLabel):
        return tuple(str(name) for name in feature.names)
    if all(isinstance(label, int) for label in labels):
        return tuple(str(number) for number in range(max(labels, default=-1) + 1))
    return tuple(sorted({str(label) for label in labels}))


class _Rows(BatchDataset):
    """Rows of a dataset: its images as they were saved, and the number of the class of each."""

    skip = False

    def __init__(
        self, source: Dataset, column: str, rows: Tensor, targets: Tensor, decode: Any, transform: Transform | None
    ) -> None:
        self.source = source
        self.column = column
        self.rows = rows
        self.targets = targets
        self.decode = decode
        self.transform = transform

    def __len__(self) -> int:
        return len(self.rows)

    def picture(self, index: int) -> Picture:
        row = int(self.rows[index])
        content = _content(self.source[row][self.column])
        return Picture(f"row {row:,}", content, torch.from_numpy(reading.pixels(content, 3, short_side=SIDE)))

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        found = self.source[self.rows[indices].tolist()][self.column]
        read: dict[int, Tensor] = {}
        for place, (index, image) in enumerate(zip(indices.tolist(), found, strict=True)):
            try:
                read[place] = self.decode(_content(image))
            except reading.UNREADABLE as error:
                what = f"The image of row {int(self.rows[index]):,} cannot be read: {reading.reason(error)}"
                if not self.skip:
                    raise DataError(what, next_step="Without it: dataset.on_error=skip") from error
                _log.warning("left out: %s", what)
        if not read:
            first = int(self.rows[indices[0]])
            what = f"None of the {len(indices)} images of a batch can be read, row {first:,} among them."
            raise DataError(what, next_step="Take another revision: dataset.revision=NAME")
        assert self.transform is not None  # noqa: S101  # the module has one for each split
        return prepared(read, self.transform), self.targets[indices[list(read)]]


def _content(image: dict[str, Any]) -> bytes:
    """Of an image as the library keeps it: the file itself, or where it is."""
    content: bytes = image["bytes"] if image["bytes"] is not None else Path(image["path"]).read_bytes()
    return content
