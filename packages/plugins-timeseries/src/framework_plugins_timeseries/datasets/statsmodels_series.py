"""Series that come with statsmodels: real data without a download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from framework_core import DataError
from framework_plugins_timeseries.datamodule import BaseTimeSeriesDataModule
from framework_plugins_timeseries.series import Series, SeriesSet
from framework_plugins_timeseries.table_reader import TableReader
from framework_plugins_timeseries.tables import Columns


class StatsmodelsSeries(BaseTimeSeriesDataModule):
    """One series from statsmodels. A subclass says which.

    A file to predict from has the columns of a table of series: ``ds`` and one of values, whatever its name.

    Args:
        **windows: What every dataset of windows takes: ``look_back``, ``horizon``, ``batch_size`` ...
    """

    file: str
    target: str

    def __init__(self, **windows: Any) -> None:
        super().__init__(**windows)

    def read_series(self) -> SeriesSet:
        """The series."""
        table = pd.read_csv(_folder() / self.file)
        values = table.iloc[:, 1].to_numpy(dtype=float)[:, None]
        return SeriesSet([Series("", self.stamps(table.iloc[:, 0]), values)], (self.target,))

    def stamps(self, column: pd.Series[Any]) -> Any:
        """The stamps of the first column."""
        raise NotImplementedError

    def series_reader(self) -> TableReader:
        """A table with one column of values."""
        return TableReader(Columns(), only=self.target)

    def source(self) -> str:
        """Where it came from."""
        return f"statsmodels.datasets.{self.file.partition('/')[0]}"


class Co2(StatsmodelsSeries):
    """Carbon dioxide at Mauna Loa, by week, March 1958 to December 2001, 2,284 weeks (Keeling and Whorf, CDIAC, 2004).

    Public domain, as statsmodels' ``datasets.co2`` says. 59 weeks have no value.
    """

    file = "co2/co2.csv"
    target = "co2"

    def stamps(self, column: pd.Series[Any]) -> Any:
        """Days as 19580329."""
        return pd.to_datetime(column.astype(str), format="%Y%m%d").to_numpy(dtype="datetime64[ns]")


class Sunspots(StatsmodelsSeries):
    """Sunspots by year, 1700 to 2008, 309 years (National Geophysical Data Center, as in ``datasets.sunspots``).

    Public domain, as statsmodels says. Stamps are the years.
    """

    file = "sunspots/sunspots.csv"
    target = "sunspots"

    def stamps(self, column: pd.Series[Any]) -> Any:
        """Years."""
        return np.asarray(column.to_numpy(dtype="int64"))


def _folder() -> Path:
    # Importing statsmodels would take seconds, and nothing of it is needed but a file.
    spec = find_spec("statsmodels")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("statsmodels is not installed.", next_step="Install it: pip install statsmodels")
    return Path(spec.submodule_search_locations[0]) / "datasets"
