"""Tables of series on the disk, CSV or Parquet: read, and refused with the line where something is wrong."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from framework_core import DataError
from framework_core.errors import near_names, quoted
from framework_plugins_timeseries.series import Array, Series, SeriesSet, Stamps
from framework_plugins_timeseries.series_files import content_of

if TYPE_CHECKING:
    import numpy.typing as npt

TIME_COLUMNS = ("ds", "date", "datetime", "timestamp", "time")
ID_COLUMNS = ("unique_id", "series_id", "item_id")
TARGET = "y"
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
_OPENED = re.compile(r"EOF inside string starting at row (\d+)")
ABSENT = ("", "nan", "na", "n/a", "null", "none", "<na>")


@dataclass(frozen=True)
class Columns:
    """Which column of a table is what; what is empty is told from the names.

    Args:
        time: The column of stamps.
        series: The column that tells series apart.
        targets: What is predicted.
        past: Covariates known up to now.
        future: Covariates known ahead.
        static: What holds for a series as a whole.
    """

    time: str | None = None
    series: str | None = None
    targets: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


def read_series(path: Path, columns: Columns, *, delimiter: str = ",", decimal: str = ".") -> SeriesSet:
    """Read a table, wide (a column for each series) or long (``unique_id``, ``ds``, ``y``).

    Raises:
        DataError: It is not there, is no table, or says something that cannot be.
    """
    return series_of(content_of(path), path, columns, delimiter=delimiter, decimal=decimal)


def series_of(content: bytes, path: Path, columns: Columns, *, delimiter: str = ",", decimal: str = ".") -> SeriesSet:
    """The content of a table.

    Args:
        content: What stands in the file.
        path: The file, for people; its ending says whether it is Parquet or CSV.
        columns: Which column is what.
        delimiter: What stands between the columns of a CSV file.
        decimal: What stands before the digits behind the point.

    Raises:
        DataError: It is no table, or says something that cannot be.
    """
    frame = _frame(content, path, delimiter)
    time = _time_column(frame, columns, path)
    identity = columns.series or next((name for name in ID_COLUMNS if name in frame), None)
    if identity is not None:
        _column(frame, identity, "id_column", path)
    covariates = (*columns.past, *columns.future, *columns.static)
    targets = columns.targets or _targets(frame, (time, identity, *covariates), long=identity is not None)
    for setting in ("targets", "past", "future", "static"):
        for name in getattr(columns, setting):
            _column(frame, name, setting if setting == "targets" else f"{setting}_covariates", path)
    if not targets:
        raise DataError(
            f"{path} has no column to predict beside {time}.",
            paths=[path],
            possible="A wide table has a column for each series, a long one the columns unique_id, ds and y.",
        )
    names = (*targets, *covariates)
    values = np.column_stack([_numbers(frame[name], name, path, decimal) for name in names])
    stamps = _stamps(frame[time], time, path)
    series = _apart(frame[identity] if identity else None, stamps, values, path)
    return SeriesSet(series, targets, columns.past, columns.future, columns.static, path)


def _frame(content: bytes, path: Path, delimiter: str) -> pd.DataFrame:
    parquet = path.suffix.lower() in (".parquet", ".pq")
    frame = _parquet(content, path) if parquet else _csv(content, path, delimiter)
    if not len(frame):
        raise DataError(f"{path} has no rows.", paths=[path], possible="A line is a step in time.")
    return frame


def _parquet(content: bytes, path: Path) -> pd.DataFrame:
    import pyarrow

    try:
        return pd.read_parquet(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is no Parquet file: {str(error).partition(chr(10))[0]}", paths=[path]) from error


def _csv(content: bytes, path: Path, delimiter: str) -> pd.DataFrame:
    _check_shape(content, path, delimiter)
    try:
        # Numbers are made of text later, so that one which is none can be named.
        frame = pd.read_csv(
            io.BytesIO(content),
            sep=delimiter,
            encoding="utf-8-sig",
            skipinitialspace=True,
            keep_default_na=True,
            low_memory=False,
        )
    except pd.errors.ParserError as error:
        raise _not_parsed(path, error) from error
    return frame.rename(columns=lambda name: str(name).strip())


def _not_parsed(path: Path, error: pd.errors.ParserError) -> DataError:
    opened = _OPENED.search(str(error))
    if opened is None:
        return DataError(f"{path} is no CSV file: {error}", paths=[path])
    return DataError(
        f"{path}, line {int(opened[1]) + 1:,}: a quote is opened and never closed.",
        paths=[path],
        next_step=f"See it: sed -n {int(opened[1]) + 1}p {quoted(str(path))}",
    )


def _check_shape(content: bytes, path: Path, delimiter: str) -> None:
    """See that every line has as many columns as the first, which names them."""
    try:
        rows = csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=""), delimiter=delimiter)
        head = next(rows, [])
        _check_head(head, path, delimiter)
        for row in rows:
            if row and len(row) != len(head):
                _ragged(path, rows.line_num, len(row), len(head))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not text in UTF-8: byte {error.start:,} cannot be read.",
            paths=[path],
            next_step=f"Convert it: iconv -f latin1 -t utf-8 {quoted(str(path))} > utf8.csv",
        ) from error
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file: {error}.", paths=[path]) from error


def _ragged(path: Path, line: int, count: int, expected: int) -> None:
    raise DataError(
        f"{path}, line {line:,} has {count} columns, and the first line {expected}.",
        paths=[path],
        possible="Every line has a value for each column, empty where it is missing.",
        next_step="Where another sign stands between columns, or in numbers: dataset.delimiter=';' dataset.decimal=','",
    )


def _check_head(head: Sequence[str], path: Path, delimiter: str) -> None:
    if not head:
        raise DataError(f"{path} is empty.", paths=[path], possible="The first line names the columns.")
    if len(head) == 1:
        other = next((sign for sign in (";", "\t", ",", "|") if sign != delimiter and sign in head[0]), None)
        if other is not None:
            raise DataError(
                f"The first line of {path} is one column: {head[0]!r}.",
                paths=[path],
                possible=f"Another sign than {delimiter!r} stands between the columns.",
                next_step=f"Say which: dataset.delimiter={quoted(other)}",
            )
    if all(_NUMBER.fullmatch(cell.strip()) for cell in head[1:]) and len(head) > 1:
        raise DataError(
            f"{path} has no header: its first line is {delimiter.join(head[:4])!r}.",
            paths=[path],
            possible="The first line names the columns, for example ds,y or date,sales,visits.",
            next_step=f"Put one in front: sed -i '1i {delimiter.join(_names_for(len(head)))}' {quoted(str(path))}",
        )
    twice = sorted({name for name in head if list(head).count(name) > 1})
    if twice:
        raise DataError(f"{path} has two columns {twice[0]!r}.", paths=[path], possible="Each column has its own name.")


def _names_for(columns: int) -> list[str]:
    """A header for a table that has none."""
    return ["ds", "y"] if columns == 2 else ["ds", *(f"series{number}" for number in range(1, columns))]


def _column(frame: pd.DataFrame, name: str, setting: str, path: Path) -> None:
    if name not in frame:
        near = near_names(name, [str(each) for each in frame.columns])
        raise DataError(
            f"{path} has no column {name!r}.",
            paths=[path],
            possible=f"Near it: {', '.join(near)}." if near else f"It has {', '.join(map(str, frame.columns))}.",
            next_step=f"Name one with dataset.{setting}=COLUMN",
        )


def _time_column(frame: pd.DataFrame, columns: Columns, path: Path) -> str:
    if columns.time is not None:
        _column(frame, columns.time, "time_column", path)
        return columns.time
    lower = {str(name).lower(): str(name) for name in frame.columns}
    named = next((lower[name] for name in TIME_COLUMNS if name in lower), None)
    if named is None:
        raise DataError(
            f"{path} has no column of stamps: its columns are {', '.join(map(str, list(frame.columns)[:12]))}.",
            paths=[path],
            possible=f"A column named {', '.join(TIME_COLUMNS)} is taken for it.",
            next_step="Name it: dataset.time_column=COLUMN",
        )
    return named


def _targets(frame: pd.DataFrame, taken: Sequence[str | None], *, long: bool) -> tuple[str, ...]:
    if long and TARGET in frame:
        return (TARGET,)
    return tuple(str(name) for name in frame.columns if name not in taken)


def _numbers(column: pd.Series[Any], name: str, path: Path, decimal: str) -> Array:
    if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
        return np.asarray(column.to_numpy(dtype=float, na_value=np.nan))
    text = column.astype(str).str.strip()
    if decimal != ".":
        text = text.str.replace(decimal, ".", regex=False)
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=float)
    # Of text pandas 3 keeps what is missing as missing, pandas 2 makes the word nan of it.
    absent = column.isna() | text.str.lower().isin(ABSENT)
    wrong = np.isnan(numbers) & ~absent.to_numpy(dtype=bool)
    if wrong.any():
        at = int(wrong.argmax())
        value = str(column.iloc[at]).strip()
        comma = bool(re.fullmatch(r"[-+]?[\d.]*\d,\d+", value)) and decimal == "."
        raise DataError(
            f"{_line(path, at)}: {name} is {value!r}, which is no number.",
            paths=[path],
            possible="A value is a number, or empty where it is missing."
            + (" This one has a comma for its point." if comma else ""),
            next_step="Say so: dataset.decimal=','"
            if comma
            else "Name the columns to predict: dataset.targets=[COLUMN]",
        )
    return np.asarray(numbers)


def _line(path: Path, row: int) -> str:
    """Where a row is, for people."""
    parquet = path.suffix.lower() in (".parquet", ".pq")
    return f"{path}, row {row + 1:,}" if parquet else f"{path}, line {row + 2:,}"


def _stamps(column: pd.Series[Any], name: str, path: Path) -> Stamps:
    if pd.api.types.is_integer_dtype(column):
        return np.asarray(column.to_numpy(dtype="int64"))
    try:
        dates = pd.to_datetime(column, errors="coerce", format=None if _is_date(column) else "ISO8601")
    except ValueError as error:
        raise DataError(
            f"{path}: {name} has stamps with time zones and without, or of several.",
            paths=[path],
            possible="All stamps are of one time zone, or of none: 2026-11-25 14:00, or 2026-11-25 14:00+01:00.",
        ) from error
    wrong = dates.isna().to_numpy()
    if wrong.any():
        at = int(wrong.argmax())
        raise DataError(
            f"{_line(path, at)}: {name} is {column.iloc[at]!r}, which is no date.",
            paths=[path],
            possible="A stamp is a date as 2026-11-25 or 2026-11-25 14:00, or a whole number.",
            next_step="Name the column of stamps, where it is another: dataset.time_column=COLUMN",
        )
    if dates.dt.tz is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(dates.to_numpy(dtype="datetime64[ns]"))


def _is_date(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(column))


def _apart(identity: pd.Series[Any] | None, stamps: Stamps, values: Array, path: Path) -> list[Series]:
    """One series for each identity, in the order in which they come first."""
    if identity is None:
        return [Series("", stamps, values)]
    codes, names = pd.factorize(identity)
    if (codes < 0).any():
        raise DataError(f"{_line(path, int((codes < 0).argmax()))} does not say which series it is of.", paths=[path])
    order: npt.NDArray[np.int64] = np.argsort(codes, kind="stable")
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    return [
        Series(str(name), stamps[rows], values[rows]) for name, rows in zip(names, np.split(order, cuts), strict=True)
    ]
