"""Tables of sounds, CSV, TSV, JSON lines or Parquet, and which of their columns is what."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.errors import DataError, near_names, quoted

PATHS = (
    *("path", "file", "filename", "file_name", "audio", "audio_path", "audio_filepath"),
    *("wav", "sound", "clip", "recording", "fname", "slice_file_name"),
)
TARGETS = ("label", "labels", "class", "category", "target", "tags", "keyword", "command", "word", "scene", "genre")
SPLITS = ("split", "set", "subset", "partition")
FOLDS = ("fold",)
GROUPS = ("speaker", "speaker_id", "client_id", "session", "device", "microphone", "location", "site")
STARTS = ("start", "begin", "onset", "start_seconds")
ENDS = ("end", "stop", "offset", "end_seconds")
"""What columns are usually called."""


@dataclass(frozen=True)
class Table:
    """Columns of values, and where each row stands.

    Args:
        path: The file.
        columns: The values of each column, by its name.
        lines: The line of each row in the file; of a Parquet file its row.
    """

    path: Path
    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.lines)

    def at(self, row: int) -> str:
        """Where a row stands, for people."""
        return f"{self.path}, {'row' if self.path.suffix.lower() in _PARQUET else 'line'} {self.lines[row]:,}"

    def column(self, name: str, setting: str) -> Sequence[Any]:
        """The values of a column.

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
            possible=(f"Near it: {', '.join(near)}. " if near else "") + f"Its columns are {', '.join(self.columns)}.",
            next_step=f"Name one: dataset.{setting}={quoted(near[0] if near else 'COLUMN')}",
        )

    def usual(self, names: Sequence[str]) -> str | None:
        """The first of its columns that has one of some names, in their order; capitals do not count."""
        there = {column.lower(): column for column in reversed(list(self.columns))}
        return next((there[name] for name in names if name in there), None)

    def one_of(self, names: Sequence[str], setting: str, what: str) -> str:
        """The column that has one of some names.

        Raises:
            DataError: None has.
        """
        if (found := self.usual(names)) is not None:
            return found
        raise DataError(
            f"Which column of {self.path} has the {what}? None is called {', '.join(names[:-1])} or {names[-1]}.",
            paths=[self.path],
            possible=f"Its columns are {', '.join(self.columns)}.",
            next_step=f"Name it: dataset.{setting}=COLUMN",
        )


def read_table(path: Path, *, delimiter: str | None = None) -> Table:
    """Read a table; its ending says which kind it is.

    Args:
        path: The file.
        delimiter: What stands between the columns of a CSV file; ``None`` takes a comma, and a tab for ``.tsv``.

    Raises:
        DataError: It is not there, is no table, or has no rows.
    """
    if not path.is_file():
        raise _no_file(path)
    suffix = path.suffix.lower()
    if suffix in _PARQUET:
        table = _parquet(path)
    elif suffix in (".jsonl", ".ndjson", ".json"):
        table = _json_lines(path)
    else:
        tabs = suffix in (".tsv", ".tab")
        table = csv_table(path, path.read_bytes(), delimiter=delimiter or ("\t" if tabs else ","))
    if not len(table):
        raise DataError(f"{path} has no rows.", paths=[path], possible="A row is a sound.")
    return table


_PARQUET = (".parquet", ".pq")


def _no_file(path: Path) -> DataError:
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = near_names(path.name, beside)
    return DataError(
        f"{path} is a folder, not a table." if path.is_dir() else f"There is no file {path}.",
        paths=[path],
        possible=f"Near it: {', '.join(str(path.parent / name) for name in near)}." if near else "",
        next_step=f"See what is here: ls {quoted(str(path.parent))}",
    )


def csv_table(path: Path, content: bytes, *, delimiter: str = ",") -> Table:
    """The table in the content of a CSV file.

    Args:
        path: Where it comes from.
        content: Its bytes.
        delimiter: What stands between columns.

    Raises:
        DataError: It is no table in UTF-8.
    """
    reader = csv.reader(io.StringIO(_text(path, content), newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        head = [name.strip() for name in next(reader, [])]
        before = reader.line_num
        for row in reader:
            if row:
                if len(row) != len(head):
                    raise DataError(
                        f"{path}, line {before + 1:,} has {len(row)} columns, and the first line {len(head)}.",
                        paths=[path],
                        possible="A value with the sign between columns in it stands in quotes.",
                        next_step="Where another sign stands between columns: dataset.delimiter=';'",
                    )
                rows.append([value.strip() for value in row])
                lines.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num:,}: {error}.", paths=[path]) from error
    return Table(path, {name: [row[index] for row in rows] for index, name in enumerate(head) if name}, lines)


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not text in UTF-8: byte {error.start:,} cannot be read.",
            paths=[path],
            next_step=f"Convert it: iconv -f latin1 -t utf-8 {quoted(str(path))} > utf8{path.suffix}",
        ) from error


def _json_lines(path: Path) -> Table:
    rows: list[dict[str, Any]] = []
    lines = []
    for number, line in enumerate(_text(path, path.read_bytes()).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number:,} is no JSON: {error}.", paths=[path]) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, line {number:,} is no JSON object: {line[:40]!r}.",
                paths=[path],
                possible='Each line is a sound: {"path": "one.wav", "label": "yes"}',
            )
        rows.append(row)
        lines.append(number)
    names = dict.fromkeys(name for row in rows for name in row)
    return Table(path, {name: [row.get(name) for row in rows] for name in names}, lines)


def _parquet(path: Path) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        found = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"{path} is no Parquet file: {first}", paths=[path]) from error
    return Table(path, found.to_pydict(), range(1, found.num_rows + 1))
