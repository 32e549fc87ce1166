"""The published sets for long forecasts: one CSV layout, fixed splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from framework_core import DataError, data_cache
from framework_plugins_timeseries.datamodule import BaseTimeSeriesDataModule
from framework_plugins_timeseries.published import FILES
from framework_plugins_timeseries.series import Series, SeriesSet
from framework_plugins_timeseries.splits import Borders
from framework_plugins_timeseries.table_reader import TableReader
from framework_plugins_timeseries.tables import Columns

MONTH = 30 * 24
HOURS = {"etth1": 1, "etth2": 1, "ettm1": 4, "ettm2": 4}
"""Steps an hour, of the sets that are split by months: 12 for training, 4 for validation, 4 for the test."""

FILE_NAMES = {
    "etth1": "ETTh1.csv",
    "etth2": "ETTh2.csv",
    "ettm1": "ETTm1.csv",
    "ettm2": "ETTm2.csv",
    "weather": "weather.csv",
    "exchange": "exchange_rate.csv",
    "electricity": "electricity.csv",
    "traffic": "traffic.csv",
}


class Ltsf(BaseTimeSeriesDataModule):
    """A set of the tables of Zeng et al., https://arxiv.org/abs/2205.13504, section 5.1, with their splits.

    A column ``date`` and one for each target. ETT: 12, 4 and 4 months of 30 days for training, validation and test, and
    the rest unused; the others: 70, 10 and 20 percent. Every window of the test is scored; the published tables leave
    out the last batch of 32 where it is not full (``drop_last``).

    Args:
        edition: Which set.
        path: The file, or the folder that it is in; ``None`` fetches it.
        **windows: What every dataset of windows takes: ``look_back``, ``horizon``, ``batch_size`` ...
    """

    def __init__(self, edition: str, path: str | None = None, **windows: Any) -> None:
        super().__init__(**windows)
        self.edition = edition
        self.path = path

    def prepare_data(self) -> None:
        """Fetch the file, unless a path was given.

        Raises:
            DataError: It cannot be fetched.
        """
        if self.path is None:
            data_cache.fetch(self.edition, FILES[self.edition])

    @property
    def file(self) -> Path:
        """The CSV file."""
        if self.path is None:
            return data_cache.data_folder() / self.edition / FILE_NAMES[self.edition]
        given = Path(self.path)
        return given / FILE_NAMES[self.edition] if given.is_dir() else given

    def read_series(self) -> SeriesSet:
        """The file."""
        return self.read_file(self.file)

    def series_reader(self) -> TableReader:
        """A file of the same layout."""
        return TableReader(Columns(time="date"))

    def source(self) -> str:
        """Where it came from."""
        return FILES[self.edition][0].url if self.path is None else str(self.file.resolve())

    def borders(self, series: Series) -> Borders:
        """As published.

        Raises:
            DataError: The file is shorter than its splits.
        """
        if self.edition not in HOURS:
            train, test = int(0.7 * len(series)), int(0.2 * len(series))
            return Borders(train, len(series) - test, len(series))
        month = MONTH * HOURS[self.edition]
        borders = Borders(12 * month, 16 * month, 20 * month)
        if len(series) < borders.test:
            raise DataError(
                f"{self.file} has {len(series):,} rows; the splits of {self.edition} need {borders.test:,}.",
                paths=[self.file],
                possible="They are 12, 4 and 4 months of 30 days.",
                next_step="Take a part of it as a table of your own: dataset=series_table dataset.path=FILE",
            )
        return borders
