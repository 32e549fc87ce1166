"""Tables on the disk, CSV or Parquet, as columns of text."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.errors import DataError, near_names, quoted

OTHER_SIGN = "Where another sign stands between columns: dataset.delimiter=';'"


@dataclass(frozen=True)
class Table:
    """A table that was read.

    Args:
        path: The file.
        columns: Its columns, by name.
        first: The number of its first row, for people.
        row: What a row is called in this file.
    """

    path: Path
    columns: dict[str, list[Any]]
    first: int
    row: str

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def column(self, name: str, setting: str) -> list[Any]:
        """A column.

        Args:
            name: Its name.
            setting: The setting that names it, for the message.

        Raises:
            DataError: There is none of this name.
        """
        if name in self.columns:
            return self.columns[name]
        near = near_names(name, self.columns)
        raise DataError(
            f"{self.path} has no column {name!r}.",
            paths=[self.path],
            possible=f"Near it: {', '.join(near)}." if near else f"It has {', '.join(self.columns)}.",
            next_step=f"Name one with dataset.{setting}=COLUMN",
        )

    def at(self, index: int) -> str:
        """Where a row is, for people."""
        return f"{self.path}, {self.row} {self.first + index:,}"


def read_table(path: Path, *, delimiter: str = ",") -> Table:
    """Read a table.

    Raises:
        DataError: It is not there, cannot be read, or has no rows.
    """
    if not path.is_file():
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        near = near_names(path.name, beside)
        raise DataError(
            f"There is no file {path}.",
            paths=[path],
            possible=f"Near it: {', '.join(str(path.parent / name) for name in near)}." if near else "",
            next_step=f"See what is here: ls {quoted(str(path.parent))}",
        )
    table = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path, delimiter)
    if not len(table):
        raise DataError(
            f"{path} has no rows.", paths=[path], next_step="Name another table with dataset.path=TABLE.csv"
        )
    return table


def _csv(path: Path, delimiter: str) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, delimiter=delimiter, strict=True)
            head = next(rows, [])
            columns: dict[str, list[Any]] = {name.strip(): [] for name in head}
            _fill(columns, rows, path)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not text in UTF-8: byte {error.start:,} cannot be read.",
            paths=[path],
            next_step=f"Convert it: iconv -f latin1 -t utf-8 {quoted(str(path))} > utf8.csv",
        ) from error
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}.", paths=[path], next_step=OTHER_SIGN) from error
    return Table(path, columns, first=2, row="line")


def _fill(columns: dict[str, list[Any]], rows: Iterable[list[str]], path: Path) -> None:
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(columns):
            raise DataError(
                f"{path}, line {number:,} has {len(row)} columns, and the first line {len(columns)}.",
                paths=[path],
                next_step=OTHER_SIGN,
            )
        for values, value in zip(columns.values(), row, strict=True):
            values.append(value.strip())


def _parquet(path: Path) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        first = str(error).partition("\n")[0]
        what = f"{path} is no Parquet file: {first}"
        raise DataError(what, paths=[path], next_step="Copy it anew, or give a table as .csv") from error
    return Table(path, {name: table.column(name).to_pylist() for name in table.column_names}, first=1, row="row")
