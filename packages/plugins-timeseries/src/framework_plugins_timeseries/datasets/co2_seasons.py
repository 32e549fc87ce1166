"""Stretches of the carbon dioxide at Mauna Loa, each with the season in which it begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from framework_plugins_timeseries.classification_data import BaseSeriesClassificationDataModule
from framework_plugins_timeseries.datasets.statsmodels_series import Co2
from framework_plugins_timeseries.labelled_files import read_labelled
from framework_plugins_timeseries.labelled_series import LabelledSeries, LabelledSet
from framework_plugins_timeseries.series import FILLS, Array

SEASONS = ("winter", "spring", "summer", "autumn")
"""The classes: December to February, March to May and so on, as meteorologists count them."""

VAL_FROM, TEST_FROM = np.datetime64("1987-01-01"), np.datetime64("1992-01-01")


class Co2Seasons(BaseSeriesClassificationDataModule):
    """Stretches of the weekly carbon dioxide at Mauna Loa, public domain, as it comes with statsmodels.

    What grows in the north takes it up from May to September, so its curve tells the season. Stretches begin every
    ``stride`` weeks; those that begin from 1987 on are validated on, from 1992 on they are the test. None reaches over
    such a border. Weeks without a value have the last one. A file to predict is one of the UCR archive, without a class
    or with any of the four.

    Args:
        weeks: How many weeks a stretch has.
        stride: How many weeks lie between the begins of neighbouring ones.
        **samples: What every dataset of series with classes takes: ``scaler``, ``batch_size`` ...
    """

    reads_archive_files = True

    def __init__(self, weeks: int = 26, stride: int = 2, **samples: Any) -> None:
        super().__init__(**samples)
        self.weeks = weeks
        self.stride = stride

    def read_splits(self) -> Mapping[str, LabelledSet]:
        """All stretches, by the time in which they lie."""
        (series,) = Co2().read_series().series
        stamps = series.stamps.astype("datetime64[ns]")
        values = FILLS["forward"](series.values, np.isnan(series.values))
        borders = [stamps[0], VAL_FROM, TEST_FROM, stamps[-1] + np.timedelta64(1, "D")]
        return {
            split: LabelledSet(self._stretches(values, stamps, (stamps >= begin) & (stamps < end)), SEASONS)
            for split, begin, end in zip(("train", "val", "test"), borders, borders[1:], strict=False)
        }

    def read_file(self, path: Path) -> LabelledSet:
        """A file of the UCR archive."""
        return read_labelled(path)

    def source(self) -> str:
        """Where it came from."""
        return "statsmodels.datasets.co2"

    def _stretches(self, values: Array, stamps: Any, inside: Any) -> list[LabelledSeries]:
        rows = np.flatnonzero(inside)
        begins = range(int(rows[0]), int(rows[-1]) + 2 - self.weeks, self.stride)
        months = pd.DatetimeIndex(stamps).month
        return [
            LabelledSeries(values[begin : begin + self.weeks], SEASONS[int(months[begin]) % 12 // 3])
            for begin in begins
        ]
