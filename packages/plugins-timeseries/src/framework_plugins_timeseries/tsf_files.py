"""Files of the Monash forecasting archive: a head, and a line for each series. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from framework_core.errors import DataError
from framework_plugins_timeseries.sample_tables import Stretch
from framework_plugins_timeseries.series import Series, SeriesSet, Stamps

FREQUENCIES = {
    "4_seconds": "4s",
    "minutely": "min",
    "10_minutes": "10min",
    "15_minutes": "15min",
    "half_hourly": "30min",
    "hourly": "h",
    "daily": "D",
    "weekly": "7D",
    "monthly": "MS",
    "quarterly": "QS",
    "yearly": "YS",
}
"""Of pandas, by their names in the archive."""

SHAPE = "A line of @data has the attributes of a series and its values, : between: T1:2020-01-01 00-00-00:3,4,?"
START = "%Y-%m-%d %H-%M-%S"
"""How the archive writes a time."""


@dataclass(frozen=True)
class TsfReader:
    """How series stand in a ``.tsf`` file (Godahewa et al., https://arxiv.org/abs/2105.06643, section 3).

    Attributes:
        frequency: What files that are written say of theirs, by its name in the archive.
    """

    suffix: ClassVar[str] = ".tsf"

    frequency: str = ""

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> TsfReader:
        """From what ``settings`` gave."""
        return cls(**settings)

    def settings(self) -> dict[str, Any]:
        """As JSON has it: a file says itself how it is to be read."""
        return {}

    def series(self, content: bytes, path: Path) -> SeriesSet:
        """The series of a file.

        Args:
            content: What stands in the file.
            path: The file, for people.

        Raises:
            DataError: It cannot be read.
        """
        head, lines = parts_of(content, path)
        names = [each.split()[0] for each in head["attribute"].split("\n") if each.strip()]
        frequency = FREQUENCIES.get(head.get("frequency", ""))
        found = [_series(line, number, names, frequency, path) for number, line in lines]
        if not found:
            raise DataError(f"{path} has no series.", paths=[path], possible=SHAPE)
        return SeriesSet(found, ("y",), path=path)

    def write(self, path: Path, stretch: Stretch, found: SeriesSet, columns: Sequence[str]) -> Path:
        """Write a stretch as a file of one series, whose one column is its values.

        Args:
            path: The file.
            stretch: The stretch.
            found: The series that it is of.
            columns: The columns that are written.
        """
        series, first = stretch.series, stretch.series.stamps[stretch.begin]
        dated = isinstance(first, np.datetime64)
        values = series.values[stretch.begin : stretch.end, 0].tolist()
        head = ["@attribute series_name string", *(["@attribute start_timestamp date"] if dated else [])]
        start = [pd.Timestamp(first).strftime(START)] if dated else []
        line = ":".join([series.name, *start, ",".join("?" if np.isnan(each) else repr(each) for each in values)])
        frequency = [f"@frequency {self.frequency}"] if self.frequency else []
        path.write_text("\n".join([*head, *frequency, "@data", line]) + "\n", encoding="cp1252")
        return path


def parts_of(content: bytes, path: Path) -> tuple[dict[str, str], Iterator[tuple[int, str]]]:
    """What the head of a file says by name, and the lines of data with their numbers.

    Raises:
        DataError: It has no data.
    """
    lines = content.decode("cp1252", "replace").splitlines()
    head: dict[str, str] = {"attribute": ""}
    for number, line in enumerate(lines, 1):
        name, _, value = line.strip().removeprefix("@").partition(" ")
        if line.lower().startswith("@data"):
            return head, ((at, each) for at, each in enumerate(lines[number:], number + 1) if each.strip())
        if line.startswith("@"):
            head[name.lower()] = f"{head['attribute']}{value}\n" if name.lower() == "attribute" else value.strip()
    raise DataError(
        f"{path} has no line @data.", paths=[path], possible="A .tsf file has a head, @data, and its series."
    )


def _series(line: str, number: int, names: list[str], frequency: str | None, path: Path) -> Series:
    *attributes, text = line.strip().split(":")
    if len(attributes) != len(names):
        raise DataError(
            f"{path}, line {number:,} has {len(attributes)} attributes, and the head names {len(names)}.",
            paths=[path],
            possible=SHAPE,
        )
    given = dict(zip(names, attributes, strict=True))
    try:
        values = np.array([np.nan if value.strip() == "?" else float(value) for value in text.split(",")])
        stamps = _stamps(given.get("start_timestamp"), len(values), frequency)
    except ValueError as error:
        raise DataError(f"{path}, line {number:,}: {error}.", paths=[path], possible=SHAPE) from error
    return Series(given.get("series_name", f"line {number}"), stamps, values[:, None])


def _stamps(start: str | None, count: int, frequency: str | None) -> Stamps:
    if start is None or frequency is None:
        return np.arange(1, count + 1)
    first = pd.to_datetime(start, format=START)
    if frequency in ("MS", "QS", "YS"):
        # A month begins where it does, whatever day the file names.
        first = first.normalize().replace(day=1)
    return np.asarray(pd.date_range(first, periods=count, freq=frequency).values, dtype="datetime64[ns]")
