"""Series of your own, in a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from framework_plugins_timeseries.datamodule import BaseTimeSeriesDataModule
from framework_plugins_timeseries.series import SeriesSet
from framework_plugins_timeseries.table_reader import TableReader
from framework_plugins_timeseries.tables import Columns


class SeriesTable(BaseTimeSeriesDataModule):
    """A CSV or Parquet file: wide, a column for each series; or long, with ``unique_id``, ``ds`` and ``y``.

    A file to predict from has the same columns. What comes after its end is predicted; covariates that are known ahead
    stand there to the end of the horizon, beside empty targets.

    Args:
        path: The file.
        time_column: The column of stamps.
        id_column: The column that tells series apart.
        targets: The columns to predict.
        past_covariates: Columns that are known up to now.
        future_covariates: Columns that are known ahead.
        static_covariates: Columns that hold for a series as a whole.
        delimiter: What stands between the columns of a CSV file.
        decimal: What stands before the digits behind the point.
        **windows: What every dataset of windows takes: ``look_back``, ``horizon``, ``batch_size`` ...
    """

    def __init__(
        self,
        path: str,
        time_column: str | None = None,
        id_column: str | None = None,
        targets: Sequence[str] = (),
        past_covariates: Sequence[str] = (),
        future_covariates: Sequence[str] = (),
        static_covariates: Sequence[str] = (),
        delimiter: str = ",",
        decimal: str = ".",
        **windows: Any,
    ) -> None:
        super().__init__(**windows)
        self.path = Path(path)
        self.columns = Columns(
            time_column,
            id_column,
            tuple(targets),
            tuple(past_covariates),
            tuple(future_covariates),
            tuple(static_covariates),
        )
        self.delimiter = delimiter
        self.decimal = decimal

    def read_series(self) -> SeriesSet:
        """The table."""
        return self.read_file(self.path)

    def series_reader(self) -> TableReader:
        """Another table has the same columns."""
        return TableReader(self.columns, self.delimiter, self.decimal)

    def source(self) -> str:
        """The table."""
        return str(self.path.resolve())
