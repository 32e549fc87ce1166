"""The M4 competition: many series, each with a test of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from framework_core import DataError, data_cache
from framework_plugins_timeseries.datamodule import BaseTimeSeriesDataModule
from framework_plugins_timeseries.dataset_settings import M4_PERIODS
from framework_plugins_timeseries.m4_files import M4Reader, lines_of
from framework_plugins_timeseries.published import FILES
from framework_plugins_timeseries.series import Array, Series, SeriesSet
from framework_plugins_timeseries.splits import Borders


class M4(BaseTimeSeriesDataModule):
    """A frequency of the M4 competition (Makridakis et al., https://doi.org/10.1016/j.ijforecast.2019.04.014).

    Two wide files, ``Hourly-train.csv`` and ``Hourly-test.csv``: a line for each series, its id and its values, padded
    with empty cells. The test of each series is its test line, in one window; the horizon's steps before it are
    validated on, and the rest is trained on. Stamps are the numbers of the steps. sMAPE and MASE as in the competition.

    Args:
        edition: ``m4_hourly``, ``m4_daily``, ``m4_weekly``, ``m4_monthly``, ``m4_quarterly`` or ``m4_yearly``.
        path: The folder of the files; ``None`` fetches them.
        **windows: What every dataset of windows takes: ``look_back``, ``batch_size`` ...
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    forecast_inputs: ClassVar[str] = "M4Inputs"

    def __init__(self, edition: str, path: str | None = None, **windows: Any) -> None:
        self.period, self.steps, season = M4_PERIODS[edition]
        super().__init__(**{"look_back": 2 * self.steps, "horizon": self.steps, "season": season, **windows})
        self.edition = edition
        self.path = path

    def prepare_data(self) -> None:
        """Fetch the files, unless a path was given.

        Raises:
            DataError: They cannot be fetched.
        """
        if self.path is None:
            data_cache.fetch(self.edition, FILES[self.edition])

    @property
    def folder(self) -> Path:
        """The folder of the two files."""
        return data_cache.data_folder() / self.edition if self.path is None else Path(self.path)

    def read_series(self) -> SeriesSet:
        """Training and test lines of each series, joined."""
        train, test = (self._lines(self.folder / f"{self.period}-{part}.csv") for part in ("train", "test"))
        if missing := sorted(set(train) ^ set(test)):
            raise DataError(
                f"The series {missing[0]!r} is in one of the two files in {self.folder} only ({len(missing):,} are).",
                paths=[self.folder],
                possible="Both files have a line for each series.",
            )
        found = []
        for name, values in train.items():
            whole = np.concatenate([values, test[name]])
            found.append(Series(name, np.arange(1, len(whole) + 1), whole[:, None]))
        return SeriesSet(found, ("y",), path=self.folder)

    def series_reader(self) -> M4Reader:
        """Other files are of the same form."""
        return M4Reader()

    def borders(self, series: Series) -> Borders:
        """The competition's test, and as many steps before it for validation."""
        return Borders(len(series) - 2 * self.steps, len(series) - self.steps, len(series))

    def source(self) -> str:
        """Where it came from."""
        return FILES[self.edition][0].url if self.path is None else str(self.folder.resolve())

    def _lines(self, path: Path) -> dict[str, Array]:
        if not path.is_file():
            raise DataError(
                f"There is no file {path}.",
                paths=[path],
                possible=f"The folder holds {self.period}-train.csv and {self.period}-test.csv of the competition.",
                next_step="They are in github.com/Mcompetitions/M4-methods, Dataset/Train and Dataset/Test.",
            )
        return lines_of(path.read_bytes(), path)
