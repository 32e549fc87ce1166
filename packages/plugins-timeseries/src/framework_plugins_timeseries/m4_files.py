"""Files of the M4 competition: a line for each series, its id and its values. Imports no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from framework_core.errors import DataError
from framework_plugins_timeseries.sample_tables import Stretch
from framework_plugins_timeseries.series import Array, Series, SeriesSet

SHAPE = "A line is the id of a series and its values; cells behind the last are empty."


@dataclass(frozen=True)
class M4Reader:
    """How series stand in a wide file of the competition; its first line is a head, stamps are numbers of steps."""

    suffix: ClassVar[str] = ".csv"

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> M4Reader:
        """From what ``settings`` gave."""
        return cls(**settings)

    def settings(self) -> dict[str, Any]:
        """As JSON has it: there is nothing to be said."""
        return {}

    def series(self, content: bytes, path: Path) -> SeriesSet:
        """The series of a file.

        Args:
            content: What stands in the file.
            path: The file, for people.

        Raises:
            DataError: It cannot be read.
        """
        lines = lines_of(content, path)
        if not lines:
            raise DataError(f"{path} has no series.", paths=[path], possible=SHAPE)
        return SeriesSet([Series(n, np.arange(1, len(v) + 1), v[:, None]) for n, v in lines.items()], ("y",), path=path)

    def write(self, path: Path, stretch: Stretch, found: SeriesSet, columns: Sequence[str]) -> Path:
        """Write a stretch as a file of one line.

        Args:
            path: The file.
            stretch: The stretch.
            found: The series that it is of.
            columns: The columns that are written.
        """
        values = stretch.series.values[stretch.begin : stretch.end, 0].tolist()
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([f"V{number}" for number in range(1, len(values) + 2)])
            writer.writerow([stretch.series.name, *map(repr, values)])
        return path


def lines_of(content: bytes, path: Path) -> dict[str, Array]:
    """The values of each series by its id.

    Raises:
        DataError: A line cannot be read.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: byte {error.start:,}.", paths=[path], possible=SHAPE) from error
    rows = csv.reader(io.StringIO(text, newline=""))
    found: dict[str, Array] = {}
    try:
        next(rows, None)
        for row in rows:
            if row:
                last = max((index for index, cell in enumerate(row) if cell.strip()), default=0)
                if not last:
                    raise ValueError(f"the series {row[0]!r} has no values")
                found[row[0]] = np.array(row[1 : last + 1], dtype=float)
    except (ValueError, csv.Error) as error:
        raise DataError(
            f"{path}, line {rows.line_num:,}: {str(error).rstrip('.')}.", paths=[path], possible=SHAPE
        ) from error
    return found
