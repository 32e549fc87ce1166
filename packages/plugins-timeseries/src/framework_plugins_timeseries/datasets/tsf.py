"""Files of the Monash forecasting archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from framework_core import DataError
from framework_core.errors import ConfigError, ConfigProblem, quoted
from framework_plugins_timeseries.datamodule import BaseTimeSeriesDataModule
from framework_plugins_timeseries.series import Series, SeriesSet, Stamps
from framework_plugins_timeseries.splits import Borders

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


class Tsf(BaseTimeSeriesDataModule):
    """A ``.tsf`` file of the Monash archive (Godahewa et al., https://arxiv.org/abs/2105.06643, section 3).

    As in the archive's own experiments the last horizon of each series is its test, and here the one before it is
    validated on. ``?`` is a missing value. Stamps begin at ``start_timestamp`` where there is one, and are numbers
    otherwise.

    Args:
        path: The file.
        look_back: How many steps the model sees; empty takes two horizons.
        horizon: How many steps it predicts; empty takes the file's ``@horizon``.
        **windows: What every dataset of windows takes: ``batch_size``, ``missing`` ...
    """

    def __init__(self, path: str, look_back: int | None = None, horizon: int | None = None, **windows: Any) -> None:
        super().__init__(**windows)
        self.path = Path(path)
        self._asked = (look_back, horizon)

    def read_series(self) -> SeriesSet:
        """The file; it may say the horizon.

        Raises:
            DataError: It is no such file.
            ConfigError: Nobody says the horizon.
        """
        header, _ = _parts(self.path)
        look_back, horizon = self._asked
        horizon = horizon or int(header.get("horizon", "0"))
        if not horizon:
            message = f"has to be set: {self.path} does not say @horizon"
            raise ConfigError([ConfigProblem("dataset.horizon", message)])
        self.horizon, self.look_back = horizon, look_back or 2 * horizon
        return self.read_file(self.path)

    def read_file(self, path: Path) -> SeriesSet:
        """Another file of the same form."""
        header, lines = _parts(path)
        names = [each.split()[0] for each in header["attribute"].split("\n") if each]
        frequency = FREQUENCIES.get(header.get("frequency", ""))
        found = [_series(line, number, names, frequency, path) for number, line in lines]
        if not found:
            raise DataError(f"{path} has no series.", paths=[path], possible=SHAPE)
        return SeriesSet(found, ("y",), path=path)

    def borders(self, series: Series) -> Borders:
        """The last horizon is the test, the one before it validation."""
        return Borders(len(series) - 2 * self.horizon, len(series) - self.horizon, len(series))

    def source(self) -> str:
        """The file."""
        return str(self.path.resolve())


def _parts(path: Path) -> tuple[dict[str, str], Iterator[tuple[int, str]]]:
    """What the head says by name, and the lines of data with their numbers."""
    if not path.is_file():
        raise DataError(
            f"There is no file {path}.", paths=[path], next_step=f"See what is here: ls {quoted(str(path.parent))}"
        )
    lines = path.read_text("cp1252").splitlines()
    header: dict[str, str] = {"attribute": ""}
    for number, line in enumerate(lines, 1):
        name, _, value = line.strip().removeprefix("@").partition(" ")
        if line.lower().startswith("@data"):
            return header, ((at, each) for at, each in enumerate(lines[number:], number + 1) if each.strip())
        if line.startswith("@"):
            header[name.lower()] = f"{header['attribute']}{value}\n" if name.lower() == "attribute" else value.strip()
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
    try:
        values = np.array([np.nan if value.strip() == "?" else float(value) for value in text.split(",")])
    except ValueError as error:
        raise DataError(f"{path}, line {number:,}: {error}.", paths=[path], possible=SHAPE) from error
    given = dict(zip(names, attributes, strict=True))
    name = given.get("series_name", f"line {number}")
    return Series(name, _stamps(given.get("start_timestamp"), len(values), frequency), values[:, None])


def _stamps(start: str | None, count: int, frequency: str | None) -> Stamps:
    if start is None or frequency is None:
        return np.arange(1, count + 1)
    first = pd.to_datetime(start, format="%Y-%m-%d %H-%M-%S")
    if frequency in ("MS", "QS", "YS"):
        # A month begins where it does, whatever day the file names.
        first = first.normalize().replace(day=1)
    return np.asarray(pd.date_range(first, periods=count, freq=frequency).values, dtype="datetime64[ns]")
