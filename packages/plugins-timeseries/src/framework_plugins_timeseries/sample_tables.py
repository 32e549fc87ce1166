"""Stretches of series as tables that somebody would send."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from framework_plugins_timeseries.series import Series, SeriesSet, stamp_text

if TYPE_CHECKING:
    from framework_plugins_timeseries.table_reader import TableReader


@dataclass(frozen=True)
class Stretch:
    """A part of a series.

    Attributes:
        series: The series.
        begin: The first step.
        end: The one behind the last whose targets are known.
        ahead: How many steps follow of which only what is known ahead is there.
    """

    series: Series
    begin: int
    end: int
    ahead: int = 0

    @property
    def has_values(self) -> bool:
        """Whether each column has a value."""
        return bool(np.isfinite(self.series.values[self.begin : self.end]).any(axis=0).all())


def write_table(path: Path, stretch: Stretch, found: SeriesSet, columns: Sequence[str], reader: TableReader) -> Path:
    """Write a stretch so that a reader reads it.

    Args:
        path: The file.
        stretch: The stretch.
        found: The series that it is of.
        columns: The columns that are written.
        reader: Says what columns are called, and what stands between them.
    """
    identity = [reader.columns.series or "unique_id"] if stretch.series.name else []
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=reader.delimiter)
        writer.writerow([*identity, reader.columns.time or "ds", *columns])
        for step, cells in _cells(stretch, found, columns):
            stamp = _written(stretch.series.stamps[step])
            texts = ["" if np.isnan(cell) else repr(cell).replace(".", reader.decimal) for cell in cells]
            writer.writerow([*([stretch.series.name] if identity else []), stamp, *texts])
    return path


def _cells(stretch: Stretch, found: SeriesSet, columns: Sequence[str]) -> Iterator[tuple[int, list[float]]]:
    places = [found.columns.index(name) for name in columns]
    unknown = [place for place, name in enumerate(columns) if name in (*found.targets, *found.past)]
    for step in range(stretch.begin, stretch.end + stretch.ahead):
        values = stretch.series.values[step, places]
        if step >= stretch.end:
            values[unknown] = np.nan
        yield step, values.tolist()


def _written(stamp: np.generic) -> str:
    """A stamp, with all its digits."""
    text = stamp_text(stamp)
    return (
        text if not isinstance(stamp, np.datetime64) or np.datetime64(text.replace(" ", "T")) == stamp else str(stamp)
    )
