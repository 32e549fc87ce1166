"""From labels and the columns of tables to targets: a class, several tags, or numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from framework_core.errors import DataError
from framework_plugins_audio.tables import Table

YES_NO = {"1": 1.0, "0": 0.0, "true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "1.0": 1.0, "0.0": 0.0}
"""What a column of one tag may say."""

CORRECT = "Correct the table, or name another column: dataset.target_columns=COLUMN"


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
    known: Sequence[str] = (),
) -> Targets:
    """The targets in some columns.

    Args:
        tables: The tables by name.
        columns: The columns.
        task: What is to be learned.
        separator: What stands between the tags of a row, where one column names them all.
        train: The rows of training, as table and number; they say which classes there are.
        known: The classes, where a trained model says them.

    Raises:
        DataError: A column is missing, or a value is not what the task takes.
    """
    for table in tables.values():
        for name in columns:
            table.column(name, "target_columns")
    if task == "audio-regression":
        of = {key: _each(table, columns, _number) for key, table in tables.items()}
        return Targets(of, target_names=tuple(columns))
    if task == "audio-classification":
        return _single(tables, columns[0], train, known)
    if separator is None and not _lists(tables, columns):
        of = {key: _each(table, columns, _yes_or_no) for key, table in tables.items()}
        return Targets(of, class_names=tuple(columns))
    return _separated(tables, columns[0], separator, train, known)


def in_order(words: Iterable[str]) -> tuple[str, ...]:
    """Each word once: numbers by their size, and everything else by its letters."""
    found = set(words)
    whole = all(word.isdecimal() for word in found)
    return tuple(sorted(found, key=int) if whole else sorted(found))


def _lists(tables: Mapping[str, Table], columns: Sequence[str]) -> bool:
    """Whether the one column has lists of tags, as JSON and Parquet can."""
    return len(columns) == 1 and any(
        isinstance(value, list) for table in tables.values() for value in table.columns[columns[0]]
    )


def _single(
    tables: Mapping[str, Table], column: str, train: Sequence[tuple[str, int]], known: Sequence[str]
) -> Targets:
    words = {key: [_word(value) for value in table.columns[column]] for key, table in tables.items()}
    for key, each in words.items():
        for index, word in enumerate(each):
            if not word:
                raise _wrong(tables[key], index, column, word, "A class is a word or a number.")
    names = tuple(known) or in_order(words[key][index] for key, index in train)
    numbers = {name: number for number, name in enumerate(names)}
    of = {}
    for key, each in words.items():
        _refuse_unseen(tables[key], column, [[word] for word in each], names)
        of[key] = torch.tensor([numbers[word] for word in each], dtype=torch.int64)
    return Targets(of, class_names=names)


def _separated(
    tables: Mapping[str, Table],
    column: str,
    separator: str | None,
    train: Sequence[tuple[str, int]],
    known: Sequence[str],
) -> Targets:
    tags = {key: [_tags(value, separator) for value in table.columns[column]] for key, table in tables.items()}
    names = tuple(known) or in_order(word for key, index in train for word in tags[key][index])
    numbers = {name: number for number, name in enumerate(names)}
    of = {}
    for key, rows in tags.items():
        _refuse_unseen(tables[key], column, rows, names)
        target = torch.zeros(len(rows), len(names))
        for index, words in enumerate(rows):
            target[index, [numbers[word] for word in words]] = 1
        of[key] = target
    return Targets(of, class_names=names)


def _tags(value: Any, separator: str | None) -> list[str]:
    parts = value if isinstance(value, list) else _word(value).split(separator)
    return [word for part in parts if (word := _word(part))]


def _refuse_unseen(table: Table, column: str, rows: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    known = set(names)
    for index, words in enumerate(rows):
        for word in words:
            if word not in known:
                raise DataError(
                    f"{table.at(index)}: {column} is {word!r}, a class that training does not have.",
                    paths=[table.path],
                    possible=f"Classes of training: {', '.join(names)}.",
                    next_step="Give training sounds of it too, or correct the table.",
                )


def _each(table: Table, columns: Sequence[str], read: Callable[[Table, int, str, Any], float]) -> Tensor:
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
        possible = "A column of one tag says 1 or 0, for each sound that has it or not."
        several = "Where one column names several tags: dataset.separator='\";\"'"
        raise _wrong(table, index, column, value, possible, several)
    return said


def _wrong(table: Table, index: int, column: str, value: Any, possible: str, next_step: str = CORRECT) -> DataError:
    shown = "empty" if value in (None, "") else repr(value)
    return DataError(
        f"{table.at(index)}: {column} is {shown}.", paths=[table.path], possible=possible, next_step=next_step
    )


def _word(value: Any) -> str:
    """A value as text; a whole number in a column of fractions, as tables with gaps have, is one."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
