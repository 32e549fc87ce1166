"""Tables of texts on the disk, CSV, TSV, JSON lines or Parquet, refused with the line where something is wrong."""

from __future__ import annotations

import csv
import io
import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from framework_core.errors import DataError, near_names, quoted
from framework_plugins_nlp.encodings import content_of, decoded, lines_of

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".pq")
"""Endings of files that are tables."""

LARGEST_FIELD = 2**31 - 1
"""Characters of a field; Python's own limit is a fraction of a long text."""

_LIMIT = threading.Lock()
_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Table:
    """Columns of values, and where each row stands.

    Attributes:
        path: The file.
        columns: The values of each column, by its name.
        lines: The line of each row in the file; of a Parquet file its row.
        encoding: How its text was written, and how that is known; empty where it has none.
    """

    path: Path
    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]
    encoding: str = ""

    def __len__(self) -> int:
        return len(self.lines)

    def place(self, row: int) -> str:
        """Where a row stands, for people."""
        return f"{self.path}, {'row' if self.path.suffix in ('.parquet', '.pq') else 'line'} {self.lines[row]:,}"

    def column(self, name: str, setting: str) -> Sequence[Any]:
        """The values of a column.

        Raises:
            DataError: There is no such column.
        """
        if name in self.columns:
            return self.columns[name]
        near = near_names(name, self.columns)
        raise DataError(
            f"{self.path} has no column {name!r}.",
            paths=[self.path],
            possible=(f"Near it: {', '.join(near)}. " if near else "") + f"Its columns are {', '.join(self.columns)}.",
            next_step=f"Name one: dataset.{setting}={quoted(near[0] if near else 'NAME')}",
        )


def read_table(
    path: Path, *, delimiter: str | None = None, encoding: str | None = None, bad_bytes: str = "refuse"
) -> Table:
    """Read a table; its ending says which kind it is.

    Args:
        path: The file.
        delimiter: What stands between the columns of a CSV file; ``None`` takes a comma, and a tab for ``.tsv``.
        encoding: How text was written; ``None`` takes the file's mark, and UTF-8 where there is none.
        bad_bytes: What is done with bytes that the encoding does not have.

    Raises:
        DataError: It is not there, is no table, or has no rows.
    """
    table = table_of(content_of(path), path, delimiter=delimiter, encoding=encoding, bad_bytes=bad_bytes)
    if table.encoding:
        _log.info("text      %s is %s", path.name, table.encoding)
    return table


def table_of(
    content: bytes, path: Path, *, delimiter: str | None = None, encoding: str | None = None, bad_bytes: str = "refuse"
) -> Table:
    """The table that the content of a file is; its ending says which kind.

    Args:
        content: What stands in the file.
        path: The file, for people; it is not read.
        delimiter: What stands between the columns of a CSV file; ``None`` takes a comma, and a tab for ``.tsv``.
        encoding: How text was written; ``None`` takes the file's mark, and UTF-8 where there is none.
        bad_bytes: What is done with bytes that the encoding does not have.

    Raises:
        DataError: It is no table, or has no rows.
    """
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        table = _parquet(content, path)
    else:
        text, how = decoded(content, path, encoding=encoding, bad_bytes=bad_bytes)
        if suffix in (".jsonl", ".ndjson"):
            table = _json_lines(path, text)
        else:
            tabs = suffix in (".tsv", ".tab")
            # A table with tabs has no quotes around values by its registration (text/tab-separated-values).
            table = _csv(path, text, delimiter or ("\t" if tabs else ","), quoting=csv.QUOTE_NONE if tabs else 0)
        table = replace(table, encoding=how)
    if not len(table):
        raise DataError(f"{path} has no rows.", paths=[path], possible="A row is a text.")
    return table


def _csv(path: Path, text: str, delimiter: str, *, quoting: int) -> Table:
    if not text.strip():
        raise _empty(path)
    rows: list[list[str]] = []
    lines: list[int] = []
    with _long_fields():
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
        try:
            head = [name.strip() for name in next(reader, [])]
            _check_head(path, head, delimiter)
            before = reader.line_num
            for row in reader:
                if row:
                    _check_width(path, before + 1, row, head)
                    rows.append(row)
                    lines.append(before + 1)
                before = reader.line_num
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num:,}: {error}.", paths=[path]) from error
    columns = {name: [row[index] for row in rows] for index, name in enumerate(head) if name}
    return Table(path, columns, lines)


def _json_lines(path: Path, text: str) -> Table:
    rows: list[dict[str, Any]] = []
    lines = []
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number:,} is no JSON: {error}.", paths=[path]) from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number:,} is no JSON object: {line[:40]!r}.", paths=[path])
        rows.append(row)
        lines.append(number)
    if not rows:
        raise _empty(path)
    names = dict.fromkeys(name for row in rows for name in row)
    return Table(path, {name: [row.get(name) for row in rows] for name in names}, lines)


def _parquet(content: bytes, path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        found = pyarrow.parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is no Parquet file: {str(error).partition(chr(10))[0]}", paths=[path]) from error
    return Table(path, found.to_pydict(), range(1, found.num_rows + 1))


def _empty(path: Path) -> DataError:
    return DataError(
        f"{path} is empty.", paths=[path], possible="The first line names the columns, each other is a text."
    )


def _check_head(path: Path, head: Sequence[str], delimiter: str) -> None:
    named = [name for name in head if name]
    if twice := next((name for name in named if named.count(name) > 1), None):
        raise DataError(f"{path} has two columns {twice!r}.", paths=[path])
    if len(head) == 1:
        other = next((sign for sign in (";", "\t", ",", "|") if sign != delimiter and sign in head[0]), None)
        if other is not None:
            raise DataError(
                f"The first line of {path} is one column: {head[0]!r}.",
                paths=[path],
                possible=f"Another sign than {delimiter!r} stands between the columns.",
                next_step=f"Name it: dataset.delimiter={quoted(other)}",
            )


def _check_width(path: Path, line: int, row: Sequence[str], head: Sequence[str]) -> None:
    if len(row) == len(head):
        return
    raise DataError(
        f"{path}, line {line:,} has {len(row)} columns, and the first line {len(head)}.",
        paths=[path],
        possible="A text with a delimiter or a line break in it stands in quotes.",
        next_step=f"See it: sed -n {line}p {quoted(str(path))}",
    )


@contextmanager
def _long_fields() -> Iterator[None]:
    # The limit is that of the whole process, and a server reads tables in several threads.
    with _LIMIT:
        before = csv.field_size_limit(LARGEST_FIELD)
        try:
            yield
        finally:
            csv.field_size_limit(before)
