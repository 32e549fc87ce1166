"""Files of the Monash forecasting archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from framework_core.errors import ConfigError, ConfigProblem
from framework_plugins_timeseries.datamodule import BaseTimeSeriesDataModule
from framework_plugins_timeseries.series import Series, SeriesSet
from framework_plugins_timeseries.series_files import content_of
from framework_plugins_timeseries.splits import Borders
from framework_plugins_timeseries.tsf_files import TsfReader, parts_of


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

    suffixes: ClassVar[tuple[str, ...]] = (".tsf",)
    forecast_inputs: ClassVar[str] = "TsfInputs"

    def __init__(self, path: str, look_back: int | None = None, horizon: int | None = None, **windows: Any) -> None:
        super().__init__(**windows)
        self.path = Path(path)
        self._asked = (look_back, horizon)
        self._frequency = ""

    def read_series(self) -> SeriesSet:
        """The file; it may say the horizon.

        Raises:
            DataError: It is no such file.
            ConfigError: Nobody says the horizon.
        """
        header, _ = parts_of(content_of(self.path), self.path)
        self._frequency = header.get("frequency", "")
        look_back, horizon = self._asked
        horizon = horizon or int(header.get("horizon", "0"))
        if not horizon:
            message = f"has to be set: {self.path} does not say @horizon"
            raise ConfigError([ConfigProblem("dataset.horizon", message)])
        self.horizon, self.look_back = horizon, look_back or 2 * horizon
        return self.read_file(self.path)

    def series_reader(self) -> TsfReader:
        """Other files are of the same form."""
        return TsfReader(self._frequency)

    def borders(self, series: Series) -> Borders:
        """The last horizon is the test, the one before it validation."""
        return Borders(len(series) - 2 * self.horizon, len(series) - self.horizon, len(series))

    def source(self) -> str:
        """The file."""
        return str(self.path.resolve())
