"""Sounds of the Hugging Face hub, or of its library's form on the disk. Nothing that stands in a dataset is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from datasets import Audio, ClassLabel, Dataset, DatasetDict, load_dataset, load_from_disk

from framework_core import DataError
from framework_core.errors import near_names
from framework_plugins_audio import tables
from framework_plugins_audio.datasets.audio_module import AudioFilesDataModule, Recordings
from framework_plugins_audio.datasets.targets import in_order
from framework_plugins_audio.reading import Place
from framework_plugins_audio.splits import stratified_split

VALIDATION = ("validation", "valid", "val", "dev")
SAVED = ("dataset_dict.json", "state.json")
"""What ``save_to_disk`` leaves in a folder."""


class HuggingFaceAudio(AudioFilesDataModule):
    """A dataset with a column of sounds and a column of classes.

    Args:
        path: An id of the hub, or a folder: of ``save_to_disk``, or of Parquet files.
        subset: The subset, which the hub calls config.
        revision: The version on the hub.
        audio_column: The column of sounds; empty takes the one that holds sounds.
        label_column: The column of labels; empty takes the one that holds classes.
        group_columns: What sounds belong to; empty takes columns called ``speaker_id`` and the like.
        train_split: The split to train on.
        val_split: The split to validate on; empty looks for one.
        test_split: The split to test on; empty takes ``test``.
        val_fraction: The share kept for validation where there is no such split.
        test_fraction: The share kept for the test where there is no such split.
        split_seed: Decides which sounds go where.
        **files: What every dataset of sound files takes: ``sample_rate``, ``seconds``, ``batch_size`` ...
    """

    repair = "Take another revision: dataset.revision=NAME"

    def __init__(
        self,
        path: str,
        subset: str | None = None,
        revision: str | None = None,
        audio_column: str | None = None,
        label_column: str | None = None,
        group_columns: Sequence[str] = (),
        train_split: str = "train",
        val_split: str | None = None,
        test_split: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        **files: Any,
    ) -> None:
        super().__init__(**files)
        self.path = path
        self.subset = subset
        self.revision = revision
        self.audio_column = audio_column
        self.label_column = label_column
        self.group_columns = tuple(group_columns)
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
        """Find columns, classes and splits, and check the sounds.

        Raises:
            DataError: There is no such column or split, or a label is beyond the classes.
        """
        if self.train_dataset is not None:
            return
        splits = self._splits(self._load())
        train = splits["train"]
        sounds = self._column(train, "audio_column", self.audio_column, lambda kind: isinstance(kind, Audio))
        column = self._column(train, "label_column", self.label_column, lambda kind: isinstance(kind, ClassLabel))
        labels = {name: _words(split, column) for name, split in splits.items()}
        self.class_names = self._classes(train, column, labels["train"])
        groups = [name for name in train.column_names if name.lower() in tables.GROUPS]
        whole = {
            name: self._recordings(name, split, labels[name], list(self.group_columns) or groups)
            for name, split in splits.items()
        }
        kept = stratified_split(
            whole["train"].targets.tolist(),
            val_fraction=0.0 if "val" in splits else self.val_fraction,
            test_fraction=0.0 if "test" in splits else self.test_fraction,
            seed=self.split_seed,
        )
        self.shelf = _Rows({name: split.select_columns([sounds]) for name, split in splits.items()}, sounds)
        self.use(
            self.path,
            {name: whole["train"].only(rows) for name, rows in kept.items() if rows or name == "train"}
            | {name: found for name, found in whole.items() if name != "train"},
        )

    def where(self, name: str) -> str:
        """A sound by its row."""
        split, _, row = name.rpartition("/")
        return f"{self.path}, {split} row {int(row) + 1:,}"

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
                    next_step=f"Name one: dataset.{name}_split=SPLIT",
                )
            if word is not None:
                found[name] = whole[word]
        if "val" not in found and (word := next((each for each in VALIDATION if each in whole), None)):
            found["val"] = whole[word]
        if "test" not in found and "test" in whole:
            found["test"] = whole["test"]
        return found

    def _column(self, train: Dataset, setting: str, name: str | None, fits: Callable[[Any], bool]) -> str:
        columns = train.features
        if name is not None:
            if name in columns:
                return name
            near = near_names(name, columns)
            raise DataError(
                f"The dataset {self.path} has no column {name!r}.",
                possible=f"Near it: {', '.join(near)}." if near else f"It has {', '.join(columns)}.",
                next_step=f"Name one: dataset.{setting}=COLUMN",
            )
        found = [each for each, kind in columns.items() if fits(kind)]
        usual = setting.partition("_")[0]
        if len(found) != 1 and usual in columns:
            return usual
        if len(found) != 1:
            kind = "sounds" if setting == "audio_column" else "classes"
            what = f"{len(found)} columns of {kind}: {', '.join(found)}" if found else f"no column of {kind}"
            raise DataError(
                f"The dataset {self.path} has {what}.",
                possible=f"Its columns: {', '.join(columns)}.",
                next_step=f"Name one: dataset.{setting}=COLUMN",
            )
        return str(found[0])

    def _classes(self, train: Dataset, column: str, labels: Sequence[str]) -> tuple[str, ...]:
        if self.trained is not None:
            return self.trained.class_names
        feature = train.features[column]
        return tuple(map(str, feature.names)) if isinstance(feature, ClassLabel) else in_order(labels)

    def _recordings(self, name: str, split: Dataset, labels: Sequence[str], groups: Sequence[str]) -> Recordings:
        numbers = {label: number for number, label in enumerate(self.class_names)}
        for row, label in enumerate(labels):
            if label not in numbers:
                raise DataError(
                    f"{self.path}, {name} row {row + 1:,}: the label is {label!r}, which is no class of training.",
                    possible=f"Classes of training: {', '.join(self.class_names)}.",
                    next_step=f"Without that split: dataset.{name}_split=OTHER",
                )
        return Recordings(
            [f"{name}/{row}" for row in range(len(split))],
            torch.tensor([numbers[label] for label in labels], dtype=torch.int64),
            {column: [str(value) for value in split[column]] for column in groups},
        )


class _Rows:
    """The sounds of a dataset by split and row, as they were saved."""

    def __init__(self, splits: dict[str, Dataset], column: str) -> None:
        self.splits = {name: split.cast_column(column, Audio(decode=False)) for name, split in splits.items()}
        self.column = column

    def place(self, name: str) -> Place:
        split, _, row = name.rpartition("/")
        sound = self.splits[split][int(row)][self.column]
        return BytesIO(sound["bytes"]) if sound["bytes"] is not None else str(sound["path"])

    def mark(self, name: str) -> list[int]:
        return [int(self.splits[name.rpartition("/")[0]]._fingerprint, 16)]


def _words(split: Dataset, column: str) -> list[str]:
    """Labels as text; of classes their names."""
    feature = split.features[column]
    if isinstance(feature, ClassLabel):
        return ["" if value is None or value < 0 else str(feature.names[value]) for value in split[column]]
    return [str(value) for value in split[column]]
