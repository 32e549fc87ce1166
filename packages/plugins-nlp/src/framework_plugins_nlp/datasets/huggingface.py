"""Texts of the Hugging Face hub, or of its library's form on the disk. Nothing that stands in a dataset is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, load_dataset, load_from_disk

from framework_core import DataError
from framework_core.errors import near_names
from framework_plugins_nlp.columns import label_column, text_column
from framework_plugins_nlp.labelled_texts import LabelledTexts, Texts
from framework_plugins_nlp.running_text import RunningText
from framework_plugins_nlp.tables import Table

VALIDATION = ("validation", "valid", "val", "dev")
SAVED = ("dataset_dict.json", "state.json")
"""What ``save_to_disk`` leaves in a folder."""


class HuggingFaceTexts(LabelledTexts):
    """A dataset with a column of texts and a column of labels.

    Args:
        path: An id of the hub, or a folder: of ``save_to_disk``, or of Parquet, CSV or JSON lines files.
        subset: The subset, which the hub calls config.
        revision: The version on the hub.
        text_column: The column of texts; ``None`` tells it from the names.
        label_column: The column of labels; ``None`` takes the one that holds classes, or tells it from the names.
        train_split: The split to train on.
        val_split: The split to validate on; ``None`` looks for one.
        test_split: The split to test on; ``None`` takes ``test`` where it has labels.
        **common: What every dataset of texts with a class takes: ``tokenizer``, ``val_size``, ``batch_size`` ...
    """

    def __init__(
        self,
        path: str,
        subset: str | None = None,
        revision: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
        train_split: str = "train",
        val_split: str | None = None,
        test_split: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.hub = _Hub(path, subset, revision, {"train": train_split, "val": val_split, "test": test_split})
        self.text_column = text_column
        self.label_column = label_column

    def prepare_data(self) -> None:
        """Fetch the dataset, unless it is here.

        Raises:
            DataError: It cannot be fetched or read.
        """
        self.hub.load()

    def read_texts(self) -> Mapping[str, Texts]:
        """The splits; a test split whose labels are kept secret is none.

        Raises:
            DataError: There is no such column or split.
        """
        found = {name: self._texts(name, split) for name, split in self.hub.splits().items()}
        named = self.hub.names["test"] is not None
        secret = not named and "test" in found and not any(found["test"].labels)
        return {name: texts for name, texts in found.items() if not (secret and name == "test")}

    def source(self) -> str:
        """The id, or the folder."""
        return self.hub.path

    def _texts(self, name: str, split: Dataset) -> Texts:
        table = self.hub.table(split)
        text = text_column(table, self.text_column)
        classes = [column for column, kind in split.features.items() if isinstance(kind, ClassLabel)]
        label = self.label_column or (classes[0] if len(classes) == 1 else label_column(table, None))
        labels = _labels(table.column(label, "label_column"), split.features.get(label))
        texts = ["" if value is None else str(value) for value in table.column(text, "text_column")]
        return Texts(texts, labels, lambda index: f"{self.hub.path}, {name} row {index + 1:,}")


class HuggingFaceCorpus(RunningText):
    """A dataset with a column of texts, each a document.

    Args:
        path: An id of the hub, or a folder: of ``save_to_disk``, or of Parquet, CSV, JSON lines or text files.
        subset: The subset, which the hub calls config.
        revision: The version on the hub.
        text_column: The column of texts; ``None`` tells it from the names.
        train_split: The split to train on.
        val_split: The split to validate on; ``None`` looks for one.
        test_split: The split to test on; ``None`` takes ``test``.
        **common: What every dataset of running text takes: ``tokenizer``, ``block_size``, ``batch_size`` ...
    """

    def __init__(
        self,
        path: str,
        subset: str | None = None,
        revision: str | None = None,
        text_column: str | None = None,
        train_split: str = "train",
        val_split: str | None = None,
        test_split: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.hub = _Hub(path, subset, revision, {"train": train_split, "val": val_split, "test": test_split})
        self.text_column = text_column

    def prepare_data(self) -> None:
        """Fetch the dataset, unless it is here.

        Raises:
            DataError: It cannot be fetched or read.
        """
        self.hub.load()

    def read_documents(self) -> Mapping[str, Sequence[str]]:
        """The texts that are not empty."""
        return {name: self._documents(split) for name, split in self.hub.splits().items()}

    def source(self) -> str:
        """The id, or the folder."""
        return self.hub.path

    def _documents(self, split: Dataset) -> list[str]:
        table = self.hub.table(split)
        column = table.column(text_column(table, self.text_column), "text_column")
        return [str(value) for value in column if value is not None and str(value).strip()]


class _Hub:
    """A dataset of the hub, or of a folder.

    Args:
        path: Its id, or the folder.
        subset: The subset.
        revision: The version on the hub.
        names: What each split is called there, as far as somebody said it.
    """

    def __init__(self, path: str, subset: str | None, revision: str | None, names: Mapping[str, str | None]) -> None:
        self.path = path
        self.subset = subset
        self.revision = revision
        self.names = names

    def load(self) -> DatasetDict:
        """All splits.

        Raises:
            DataError: It cannot be fetched or read.
        """
        try:
            if any((Path(self.path) / name).is_file() for name in SAVED):
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
        return found if isinstance(found, DatasetDict) else DatasetDict({self.names["train"] or "train": found})

    def splits(self) -> dict[str, Dataset]:
        """Those that are trained on, validated and tested on.

        Raises:
            DataError: One that was named is not there.
        """
        whole = self.load()
        found = {}
        for name, word in self.names.items():
            if word is not None and word not in whole:
                near = near_names(word, whole)
                raise DataError(
                    f"The dataset {self.path} has no split {word!r}.",
                    possible=f"It has {', '.join(whole)}.",
                    next_step=f"Name one: dataset.{name}_split={near[0] if near else 'SPLIT'}",
                )
            if word is not None:
                found[name] = whole[word]
        if "val" not in found and (word := next((each for each in VALIDATION if each in whole), None)):
            found["val"] = whole[word]
        if "test" not in found and "test" in whole:
            found["test"] = whole["test"]
        return found

    def table(self, split: Dataset) -> Table:
        """Columns of a split by their names."""
        columns = {name: split[name] for name in split.column_names}
        return Table(Path(self.path), columns, range(1, len(split) + 1))


def _labels(values: Sequence[Any], kind: Any) -> list[str]:
    """Labels as text; of classes their names, and nothing where a label is kept secret."""
    if isinstance(kind, ClassLabel):
        return ["" if value is None or value < 0 else str(kind.names[value]) for value in values]
    return ["" if value is None else str(value).strip() for value in values]
