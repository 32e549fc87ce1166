"""Your own sounds, with a table that says what is to be predicted of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from framework_core import DataError
from framework_plugins_audio import tables
from framework_plugins_audio.datasets.audio_module import AudioFilesDataModule, Recordings
from framework_plugins_audio.datasets.folds import following, refuse_unknown_fold
from framework_plugins_audio.datasets.targets import Targets, targets_of
from framework_plugins_audio.splits import by_folds, stratified_split, whole_groups
from framework_plugins_audio.tables import Table, read_table

WORDS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val"}
SPLITS = {**WORDS, "test": "test", "testing": "test"}
"""The words of a split column."""

Rows = dict[str, list[tuple[str, int]]]
"""For each split its rows, as the table and the number of each."""


class AudioManifest(AudioFilesDataModule):
    """Sounds named in a table, with a class, several tags or numbers each, and what they belong to.

    Args:
        path: The table: CSV, TSV, JSON lines or Parquet; that of training where there are others.
        val_path: A table for validation.
        test_path: A table for the test.
        audio_root: The folder that paths are relative to; empty is the table's own.
        path_column: The column of paths; empty tells it by its name, as all other columns that are left out.
        task: ``audio-classification``, ``audio-tagging`` or ``audio-regression``.
        target_columns: The column of the class or of tags; several columns of 0 and 1, or of numbers.
        separator: What stands between the tags of a sound, where one column names them all.
        delimiter: What stands between the columns of a CSV file.
        split_column: The column that says train, val or test.
        fold_column: The column of folds.
        fold: The fold to test on.
        val_fold: The fold to validate on; empty is the next one, an empty text none.
        group_columns: What sounds belong to: the test is told for each of them too.
        keep_together: The column (a speaker, a place) whose sounds stay in one split.
        start_column: Where a sound begins in its file, in seconds.
        end_column: Where it ends.
        val_fraction: The share kept for validation where nothing else says which sounds those are.
        test_fraction: The share kept for the test where nothing else says which sounds those are.
        split_seed: Decides which sounds go where.
        **files: What every dataset of sound files takes: ``sample_rate``, ``seconds``, ``batch_size`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("audio-classification", "audio-tagging", "audio-regression")
    repair = "Repair them, or correct the table; another folder that its paths are in: dataset.audio_root=FOLDER"

    def __init__(
        self,
        path: str,
        val_path: str | None = None,
        test_path: str | None = None,
        audio_root: str | None = None,
        path_column: str | None = None,
        task: str = "audio-classification",
        target_columns: str | Sequence[str] | None = None,
        separator: str | None = None,
        delimiter: str | None = None,
        split_column: str | None = None,
        fold_column: str | None = None,
        fold: str | None = None,
        val_fold: str | None = None,
        group_columns: Sequence[str] = (),
        keep_together: str | None = None,
        start_column: str | None = None,
        end_column: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        **files: Any,
    ) -> None:
        super().__init__(**files)
        self.paths = {"train": path, "val": val_path, "test": test_path}
        self.root = Path(path).parent if audio_root is None else Path(audio_root)
        self.path_column = path_column
        self.task = task
        self.target_columns = (target_columns,) if isinstance(target_columns, str) else target_columns
        self.separator = separator
        self.delimiter = delimiter
        self.split_column = split_column
        self.fold_column = fold_column
        self.fold = fold
        self.val_fold = val_fold
        self.group_columns = tuple(group_columns)
        self.keep_together = keep_together
        self.start_column = start_column
        self.end_column = end_column
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed
        self._named: dict[str, str] = {}

    def setup(self, stage: str | None = None) -> None:
        """Read the tables, check the sounds and split them.

        Raises:
            DataError: A table, a column or a sound is missing, or a target is not what the task takes.
        """
        if self.train_dataset is not None:
            return
        read = {split: read_table(Path(path), delimiter=self.delimiter) for split, path in self.paths.items() if path}
        train = read["train"]
        columns = self.target_columns or (train.one_of(tables.TARGETS, "target_columns", "targets"),)
        rows = self._rows(read, columns)
        known = self.trained.class_names if self.trained is not None else ()
        found = targets_of(read, columns, self.task, self.separator, train=rows["train"], known=known)
        self.class_names, self.target_names = found.class_names, found.target_names
        self.listed = f"named in {', '.join(str(table.path) for table in read.values())}"
        names = {key: self._names(table) for key, table in read.items()}
        self.use(self.source(), {split: self._recordings(read, names, each, found) for split, each in rows.items()})

    def where(self, name: str) -> str:
        """A sound, and the line of the table that names it."""
        return self._named.get(name, name)

    def source(self) -> str:
        """The table."""
        return str(Path(str(self.paths["train"])).resolve())

    def _rows(self, read: Mapping[str, Table], columns: Sequence[str]) -> Rows:
        train = read["train"]
        others: Rows = {
            name: [(name, index) for index in range(len(read[name]))] for name in ("val", "test") if name in read
        }
        named = self.split_column or (None if others or self.fold else train.usual(tables.SPLITS))
        if named:
            return self._said(train.column(named, "split_column"), train, named)
        split = self._folds(train) if self.fold is not None else self._drawn(train, columns, others)
        return {name: [("train", index) for index in indices] for name, indices in split.items()} | others

    def _folds(self, train: Table) -> dict[str, list[int]]:
        column = self.fold_column or train.one_of(tables.FOLDS, "fold_column", "folds")
        folds = [str(value) for value in train.column(column, "fold_column")]
        fold = str(self.fold)
        refuse_unknown_fold(folds, fold, "fold", train.path)
        val = following(folds, fold) if self.val_fold is None else self.val_fold or fold
        refuse_unknown_fold(folds, val, "val_fold", train.path)
        return by_folds(folds, test=fold, val=val)

    def _drawn(self, train: Table, columns: Sequence[str], others: Rows) -> dict[str, list[int]]:
        shares = {
            "val_fraction": 0.0 if "val" in others else self.val_fraction,
            "test_fraction": 0.0 if "test" in others else self.test_fraction,
        }
        if self.keep_together is not None:
            groups = [str(value) for value in train.column(self.keep_together, "keep_together")]
            return whole_groups(groups, **shares, seed=self.split_seed)
        labels = [0] * len(train)
        if self.task == "audio-classification":
            values = [str(value) for value in train.column(columns[0], "target_columns")]
            numbers = {value: number for number, value in enumerate(sorted(set(values)))}
            labels = [numbers[value] for value in values]
        return stratified_split(labels, **shares, seed=self.split_seed)

    def _said(self, words: Sequence[Any], table: Table, column: str) -> Rows:
        rows: Rows = {"train": [], "val": [], "test": []}
        for index, word in enumerate(words):
            split = SPLITS.get(str(word).lower())
            if split is None:
                raise DataError(
                    f"{table.at(index)}: {column} is {word!r}.",
                    paths=[table.path],
                    possible=f"A split is one of {', '.join(SPLITS)}.",
                    next_step="Correct it, or name another column: dataset.split_column=COLUMN",
                )
            rows[split].append(("train", index))
        if not rows["train"]:
            raise DataError(
                f"No row of {table.path} is for training: none says train in {column}.",
                paths=[table.path],
                next_step="Name another column: dataset.split_column=COLUMN",
            )
        return rows

    def _names(self, table: Table) -> list[str]:
        column = self.path_column or table.one_of(tables.PATHS, "path_column", "paths of the sounds")
        found = []
        for index, value in enumerate(table.column(column, "path_column")):
            if not isinstance(value, str) or not value:
                what = "empty" if value in (None, "") else f"{type(value).__name__}, not a path"
                raise DataError(
                    f"{table.at(index)}: {column} is {what}.",
                    paths=[table.path],
                    next_step="Correct it, or name another column: dataset.path_column=COLUMN",
                )
            name = str(self.root / value)
            self._named.setdefault(name, f"{table.at(index)}: {name}")
            found.append(name)
        return found

    def _recordings(
        self, read: Mapping[str, Table], names: Mapping[str, list[str]], rows: list[tuple[str, int]], found: Targets
    ) -> Recordings:
        targets = [found.of[key][index] for key, index in rows]
        groups = {
            column: [str(read[key].column(column, "group_columns")[index]) for key, index in rows]
            for column in self._groups(read["train"])
        }
        spans = {key: self._spans(table) for key, table in read.items()}
        return Recordings(
            [names[key][index] for key, index in rows],
            torch.stack(targets) if targets else torch.empty(0),
            groups,
            [spans[key][index] for key, index in rows] if any(spans.values()) else [],
            [f"{read[key].at(index)}: {names[key][index]}" for key, index in rows],
        )

    def _groups(self, train: Table) -> list[str]:
        """The columns of groups: those named, and where none is, those called as such columns usually are."""
        if self.group_columns:
            return list(self.group_columns)
        usual = (*tables.GROUPS, *tables.FOLDS)
        found = [column for column in train.columns if column.lower() in usual]
        more = [column for column in (self.keep_together, self.fold_column) if column and column not in found]
        return found + more

    def _spans(self, table: Table) -> list[tuple[float, float | None]]:
        """From when to when each sound is taken of its file; nothing where the table does not say it."""
        start = self.start_column or table.usual(tables.STARTS)
        end = self.end_column or table.usual(tables.ENDS)
        if start is None and end is None:
            return []
        begins = table.column(start, "start_column") if start else [0.0] * len(table)
        ends = table.column(end, "end_column") if end else [None] * len(table)
        found = []
        for index, (first, last) in enumerate(zip(begins, ends, strict=True)):
            begin = _seconds(table, index, start or "", first) or 0.0
            stop = _seconds(table, index, end or "", last)
            if stop is not None and stop <= begin:
                raise DataError(
                    f"{table.at(index)}: it ends at {stop:g} s, and begins at {begin:g} s.", paths=[table.path]
                )
            found.append((begin, stop))
        return found


def _seconds(table: Table, index: int, column: str, value: Any) -> float | None:
    if value in (None, ""):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise DataError(
            f"{table.at(index)}: {column} is {value!r}.",
            paths=[table.path],
            possible="Where a sound begins and ends in its file is said in seconds: 0.5",
        )
    return number
