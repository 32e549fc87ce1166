"""The table that a prediction gives: which files, and which columns."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from framework_core.errors import DataError, OutputError, quoted

Row = dict[str, Any]

TABLES = (".csv", ".parquet", ".tsv")
"""Endings of tables, which may name the files that are meant."""


class Attachment(Protocol):
    """A predicted value that is a file of its own, as a mask is: it is written beside the table."""

    suffix: str
    """The ending of the file: ``.png``."""

    def content(self, source: Path) -> bytes:
        """What stands in the file.

        Args:
            source: The file that was predicted.
        """


Writer = Callable[[Sequence[Row], Path], None]


def files_in(paths: Iterable[Path], suffixes: Sequence[str]) -> list[Path]:
    """The files named, those in the folders named, and those that a table names where the data reads no tables.

    Args:
        paths: Files, folders, tables.
        suffixes: The endings of what the data reads; folders give only such files. Empty where nobody says.

    Raises:
        DataError: A path is not there, or there is no file at all.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith("."))
            found += [each for each in inside if not suffixes or each.suffix.lower() in suffixes]
        elif path.exists():
            table = path.suffix.lower() in TABLES and suffixes and path.suffix.lower() not in suffixes
            found += _named_in(path) if table else [path]
        else:
            raise DataError(
                f"There is no file {path}.",
                paths=[path],
                possible="Files are named one by one, or by the folder that they are in.",
                next_step=f"See what is here: ls {quoted(str(path.parent))}",
            )
    if not found:
        named = ", ".join(str(path) for path in paths)
        kinds = f"Files that are read: {', '.join(suffixes)}" if suffixes else ""
        raise DataError(f"There is nothing to predict in {named}.", possible=kinds)
    return found


def _named_in(table: Path) -> list[Path]:
    """The files that a table names: the first column with files alone, from here or from where the table is."""
    for values in _columns(table):
        for folder in (Path(), table.parent):
            files = [folder / str(value) for value in values]
            if files and all(file.is_file() for file in files):
                return files
    raise DataError(
        f"No column of {table} names files that are there.",
        paths=[table],
        possible="A table has a column with the path of a file in each row, from here or from where the table is.",
    )


def _columns(table: Path) -> list[list[Any]]:
    try:
        if table.suffix.lower() == ".parquet":
            import pyarrow.parquet

            return [list(column.to_pylist()) for column in pyarrow.parquet.read_table(table).columns]
        with table.open(newline="", encoding="utf-8-sig") as file:
            _, *rows = csv.reader(file, delimiter="\t" if table.suffix.lower() == ".tsv" else ",")
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"The table {table} cannot be read: {error}.", paths=[table]) from error
    return [list(column) for column in zip(*rows, strict=False)]


def rows_of(files: Sequence[Path], batches: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The columns that the model gave for each batch, as one row for each file."""
    rows: list[Row] = []
    for batch in batches:
        columns = {name: _plain(values) for name, values in batch.items()}
        length = len(next(iter(columns.values())))
        for index in range(length):
            row = {"path": str(files[len(rows)])}
            row |= {name: values[index] for name, values in columns.items()}
            rows.append(row)
    return rows


def table_of(dataset: object, files: Sequence[Path], batches: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The table of a prediction: one row for each file, or what the dataset makes with its own ``rows``."""
    own: Callable[[Iterable[Mapping[str, Any]]], list[Row]] | None = getattr(dataset, "rows", None)
    return rows_of(files, batches) if own is None else own(batches)


def write(rows: Sequence[Row], path: Path) -> None:
    """Write rows as CSV, JSON, JSON lines or Parquet, by the ending of ``path``; whole or not at all.

    Raises:
        OutputError: The ending is none of these, or the file cannot be written.
    """
    finish([with_files(row, index, path) for index, row in enumerate(rows)], path)


def finish(rows: Iterable[Row], path: Path) -> None:
    """Write rows whose attachments are files already; whole or not at all.

    Raises:
        OutputError: The ending names no format, or the file cannot be written.
    """
    writer = check_output(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        writer(list(rows), Path(temporary))
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def is_attachment(value: object) -> bool:
    """Whether a predicted value is a file of its own."""
    return hasattr(value, "content") and hasattr(value, "suffix")


def with_files(row: Row, index: int, table: Path) -> Row:
    """A row with the paths of its attachments, which are written into a folder named as the table.

    Args:
        row: The row.
        index: Its number in the table.
        table: The table.
    """
    found = dict(row)
    for name, value in row.items():
        if is_attachment(value):
            source = Path(row["path"])
            folder = table.with_suffix("")
            folder.mkdir(exist_ok=True)
            # Files of different folders may have one name.
            place = folder / f"{index:06d}-{source.stem}{value.suffix}"
            place.write_bytes(value.content(source))
            found[name] = str(place)
    return found


def check_output(path: Path) -> Writer:
    """See that a table can be written, before the work that fills it.

    Returns:
        What writes the format that the ending names.

    Raises:
        OutputError: The ending names none, or the file cannot be written.
    """
    writers: dict[str, Writer] = {
        ".csv": _write_csv,
        ".json": _write_json,
        ".jsonl": _write_jsonl,
        ".parquet": _write_parquet,
    }
    if path.suffix.lower() not in writers:
        raise OutputError(
            path,
            "its ending names no format.",
            possible=f"Endings: {', '.join(writers)}",
            next_step=f"For example: -o {path.stem or 'predictions'}.csv",
        )
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(path, f"there is no folder {folder}.", next_step=f"Make it: mkdir -p {folder}")
    if path.is_dir():
        raise OutputError(path, "it is a folder.")
    if not os.access(folder, os.W_OK):
        raise OutputError(path, f"{folder} is read-only.", next_step="Choose another file: -o FILE")
    return writers[path.suffix.lower()]


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    cells = [_cells(row) for row in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(cells[0]))
        writer.writeheader()
        writer.writerows(cells)


def _write_json(rows: Sequence[Row], path: Path) -> None:
    path.write_text(json.dumps(list(rows), indent=2) + "\n", encoding="utf-8")


def _write_jsonl(rows: Sequence[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)


def _write_parquet(rows: Sequence[Row], path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)


def _plain(values: Any) -> list[Any]:
    return list(values.tolist() if hasattr(values, "tolist") else values)


def _cells(row: Row) -> Row:
    """One value a cell: a mapping becomes a column for each of its keys, a list becomes text."""
    cells: Row = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells |= {f"{name}.{key}": each for key, each in value.items()}
        else:
            cells[name] = json.dumps(value) if isinstance(value, list) else value
    return cells


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
