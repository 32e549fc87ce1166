"""Your own images, with a table that says what is to be predicted of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from framework_core import DataError
from framework_core.contracts.scores import are_moments
from framework_plugins_vision.datasets.image_module import ImageFilesDataModule, Samples
from framework_plugins_vision.datasets.table_targets import Targets, targets_of
from framework_plugins_vision.datasets.tables import Table, read_table
from framework_plugins_vision.splits import random_split, stratified_split

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""The words of a split column."""

MOST_GROUPS = 50
"""Values of a column that divides images into groups; one with more tells single images apart."""


class ImageCsv(ImageFilesDataModule):
    """Images named in a table, CSV or Parquet, with a class, several classes or numbers each.

    Args:
        path: The table; that of training where there are others.
        val_path: A table for validation.
        test_path: A table for the test.
        image_root: The folder that image paths are relative to; empty is the table's own.
        image_column: The column of image paths.
        task: ``image-classification``, ``multi-label-classification`` or ``regression``.
        target_columns: The column of the class; several columns of 0 and 1, or of numbers.
        separator: What stands between the classes of an image, where one column names them all.
        delimiter: What stands between the columns of a CSV file.
        split_column: The column that says train, val or test.
        val_fraction: The share kept for validation where nothing else says which images those are.
        test_fraction: The share kept for the test where nothing else says which images those are.
        split_seed: Decides which images go where.
        **images: How images are read and prepared, as ``ImageFilesDataModule`` takes it.
    """

    tasks: ClassVar[tuple[str, ...]] = ("image-classification", "multi-label-classification", "regression")
    repair = "Repair them, or correct the table; another folder that its paths are in: dataset.image_root=FOLDER"

    def __init__(
        self,
        path: str,
        val_path: str | None = None,
        test_path: str | None = None,
        image_root: str | None = None,
        image_column: str = "image",
        task: str = "image-classification",
        target_columns: str | Sequence[str] = "label",
        separator: str | None = None,
        delimiter: str = ",",
        split_column: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        **images: Any,
    ) -> None:
        super().__init__(**images)
        self.paths = {"train": path, "val": val_path, "test": test_path}
        self.root = Path(path).parent if image_root is None else Path(image_root)
        self.image_column = image_column
        self.task = task
        self.target_columns = (target_columns,) if isinstance(target_columns, str) else tuple(target_columns)
        self.separator = separator
        self.delimiter = delimiter
        self.split_column = split_column
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed
        self._tables: list[Table] = []

    def setup(self, stage: str | None = None) -> None:
        """Read the tables, check the images and split them.

        Raises:
            DataError: A table, a column or an image is missing, or a target is not what the task takes.
        """
        if self.train_dataset is not None:
            return
        tables = {split: read_table(Path(path), delimiter=self.delimiter) for split, path in self.paths.items() if path}
        rows = self._rows(tables)
        found = targets_of(tables, self.target_columns, self.task, self.separator, train=rows["train"])
        self.class_names, self.target_names = found.class_names, found.target_names
        self._tables = list(tables.values())
        self.listed = f"named in {', '.join(str(table.path) for table in self._tables)}"
        self.use(self.root, self._samples(tables, rows, found))
        self.groups = {split: self._groups(tables, chosen) for split, chosen in rows.items()}

    def where(self, path: Path) -> str:
        """An image, and the line of the table that names it."""
        for table in self._tables:
            for index, name in enumerate(table.columns[self.image_column]):
                if self.root / name == path:
                    return f"{table.at(index)}: {path}"
        return super().where(path)

    def source(self) -> str:
        """The table."""
        return str(Path(str(self.paths["train"])).resolve())

    def _groups(self, tables: Mapping[str, Table], rows: Sequence[tuple[str, int]]) -> dict[str, list[str]]:
        """What images belong to by the other columns of the table, where some belong together."""
        own = {self.image_column, self.split_column, *self.target_columns}
        common = set.intersection(*(set(table.columns) for table in tables.values())) - own
        found = {name: [str(tables[table].columns[name][index]) for table, index in rows] for name in sorted(common)}
        return {
            name: values for name, values in found.items() if 1 < len(set(values)) <= MOST_GROUPS or are_moments(values)
        }

    def _rows(self, tables: Mapping[str, Table]) -> dict[str, list[tuple[str, int]]]:
        """The rows of each split, as the table and the number of each."""
        train = tables["train"]
        if self.split_column:
            return self._said(train.column(self.split_column, "split_column"), train)
        held_out = {
            "val_fraction": 0.0 if "val" in tables else self.val_fraction,
            "test_fraction": 0.0 if "test" in tables else self.test_fraction,
        }
        if self.task == "image-classification":
            labels = train.column(self.target_columns[0], "target_columns")
            numbers = {label: number for number, label in enumerate(sorted({str(each) for each in labels}))}
            split = stratified_split([numbers[str(each)] for each in labels], **held_out, seed=self.split_seed)
        else:
            split = random_split(len(train), **held_out, seed=self.split_seed)
        rows = {name: [("train", index) for index in indices] for name, indices in split.items()}
        for name in ("val", "test"):
            if name in tables:
                rows[name] = [(name, index) for index in range(len(tables[name]))]
        return rows

    def _said(self, words: Sequence[Any], table: Table) -> dict[str, list[tuple[str, int]]]:
        rows: dict[str, list[tuple[str, int]]] = {"train": [], "val": [], "test": []}
        for index, word in enumerate(words):
            split = SPLITS.get(str(word).lower())
            if split is None:
                raise DataError(
                    f"{table.at(index)}: {self.split_column} is {word!r}.",
                    paths=[table.path],
                    possible=f"A split is one of {', '.join(SPLITS)}.",
                    next_step="Correct it, or name another column with dataset.split_column=COLUMN",
                )
            rows[split].append(("train", index))
        if not rows["train"]:
            raise DataError(
                f"No row of {table.path} is for training: none says train in {self.split_column}.",
                paths=[table.path],
                next_step="Name another column with dataset.split_column=COLUMN",
            )
        return rows

    def _samples(
        self, tables: Mapping[str, Table], rows: Mapping[str, list[tuple[str, int]]], found: Targets
    ) -> dict[str, Samples]:
        images = {name: self._images(table) for name, table in tables.items()}
        samples = {}
        for split, chosen in rows.items():
            targets = [found.of[name][index] for name, index in chosen]
            stacked: Tensor = torch.stack(targets) if targets else torch.empty(0)
            samples[split] = Samples([images[name][index] for name, index in chosen], stacked)
        return samples

    def _images(self, table: Table) -> list[Path]:
        names = table.column(self.image_column, "image_column")
        for index, name in enumerate(names):
            if not isinstance(name, str) or not name:
                what = "empty" if name in (None, "") else f"{type(name).__name__}, not a path"
                raise DataError(
                    f"{table.at(index)}: {self.image_column} is {what}.",
                    paths=[table.path],
                    next_step="Correct it, or name another column with dataset.image_column=COLUMN",
                )
        return [self.root / name for name in names]
