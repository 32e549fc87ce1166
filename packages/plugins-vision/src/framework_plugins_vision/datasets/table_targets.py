"""From the columns of tables to targets: a class, several classes, or numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from framework_core.errors import DataError
from framework_plugins_vision.datasets.tables import Table

YES_NO = {"1": 1.0, "0": 0.0, "true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "1.0": 1.0, "0.0": 0.0}
"""What a column of one class may say."""

SEPARATORS = ("|", ";", ",", " ")
"""What usually stands between classes."""

CORRECT = "Correct the table, or name another column with dataset.target_columns=COLUMN"


class Targets(NamedTuple):
    """What is to be predicted."""

    of: dict[str, Tensor]
    """The targets of each table, one for each row."""

    class_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()


def targets_of(
    tables: Mapping[str, Table],
    columns: Sequence[str],
    task: str,
    separator: str | None,
    *,
    train: Sequence[tuple[str, int]],
) -> Targets:
    """The targets in some columns.

    Args:
        tables: The tables by name.
        columns: The columns.
        task: What is to be learned.
        separator: What stands between the classes of a row, where one column names them all.
        train: The rows of training, as table and number; they say which classes there are.

    Raises:
        DataError: A column is missing, or a value is not what the task takes.
    """
    for table in tables.values():
        for name in columns:
            table.column(name, "target_columns")
    if task == "regression":
        of = {key: _numbers(table, columns, _number) for key, table in tables.items()}
        return Targets(of, target_names=tuple(columns))
    if task == "multi-label-classification" and separator is None:
        of = {key: _numbers(table, columns, _yes_or_no) for key, table in tables.items()}
        return Targets(of, class_names=tuple(columns))
    if task == "multi-label-classification":
        return _separated(tables, columns[0], str(separator), train)
    return _single(tables, columns[0], train)


def _single(tables: Mapping[str, Table], column: str, train: Sequence[tuple[str, int]]) -> Targets:
    values = {key: [_word(value) for value in table.columns[column]] for key, table in tables.items()}
    for key, words in values.items():
        for index, word in enumerate(words):
            if not word:
                raise _wrong(tables[key], index, column, word, "A class is a word or a number.")
    names = _sorted(values[key][index] for key, index in train)
    if len(names) < 2:
        raise DataError(
            f"The training rows have one class only: {names[0]}.",
            paths=[tables["train"].path],
            possible="There is nothing to tell apart; two classes or more are needed.",
            next_step="Name the column of the class with dataset.target_columns=COLUMN",
        )
    numbers = {name: number for number, name in enumerate(names)}
    of = {}
    for key, words in values.items():
        _refuse_unseen(tables[key], column, [[word] for word in words], names)
        of[key] = torch.tensor([numbers[word] for word in words], dtype=torch.int64)
    return Targets(of, class_names=names)


def _separated(tables: Mapping[str, Table], column: str, separator: str, train: Sequence[tuple[str, int]]) -> Targets:
    values = {
        key: [
            [word.strip() for word in _word(value).split(separator) if word.strip()] for value in table.columns[column]
        ]
        for key, table in tables.items()
    }
    names = _sorted(word for key, index in train for word in values[key][index])
    numbers = {name: number for number, name in enumerate(names)}
    of = {}
    for key, rows in values.items():
        _refuse_unseen(tables[key], column, rows, names)
        target = torch.zeros(len(rows), len(names))
        for index, words in enumerate(rows):
            target[index, [numbers[word] for word in words]] = 1
        of[key] = target
    return Targets(of, class_names=names)


def _refuse_unseen(table: Table, column: str, rows: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    known = set(names)
    for index, words in enumerate(rows):
        for word in words:
            if word not in known:
                raise DataError(
                    f"{table.at(index)}: {column} is {word!r}, a class that training does not have.",
                    paths=[table.path],
                    possible=f"Classes of training: {', '.join(names)}.",
                    next_step="Give training rows of it too, or correct the table.",
                )


def _numbers(table: Table, columns: Sequence[str], read: Any) -> Tensor:
    found = torch.empty(len(table), len(columns))
    for position, column in enumerate(columns):
        for index, value in enumerate(table.columns[column]):
            found[index, position] = read(table, index, column, value)
    return found


def _number(table: Table, index: int, column: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _wrong(table, index, column, value, "A target of regression is a finite number.")
    return number


def _yes_or_no(table: Table, index: int, column: str, value: Any) -> float:
    said = YES_NO.get(str(value).strip().lower())
    if said is None:
        possible = "A column of one class says 1 or 0, for each image that has it or not."
        between = next((sign for sign in SEPARATORS if sign in str(value)), SEPARATORS[0])
        several = f"Where one column names several classes: dataset.separator='\"{between}\"'"
        raise _wrong(table, index, column, value, possible, several)
    return said


def _wrong(table: Table, index: int, column: str, value: Any, possible: str, next_step: str = CORRECT) -> DataError:
    shown = "empty" if value in (None, "") else repr(value)
    what = f"{table.at(index)}: {column} is {shown}."
    return DataError(what, paths=[table.path], possible=possible, next_step=next_step)


def _word(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _sorted(words: Iterable[str]) -> tuple[str, ...]:
    """Each word once, numbers by their size."""
    found = set(words)
    whole = all(word.isdecimal() for word in found)
    return tuple(sorted(found, key=int) if whole else sorted(found))
