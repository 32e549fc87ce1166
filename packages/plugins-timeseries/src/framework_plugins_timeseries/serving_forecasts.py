"""Forecasts where a model answers: from the content of a table to windows, and to the steps that come. No torch.

Axes: B windows, H horizon, C targets, P numbers for each value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from framework_core.serving.features import statistics
from framework_core.serving.processing import Array, Postprocessing, Preprocessing, Row, Sample
from framework_plugins_timeseries.coming_windows import ComingWindow, coming_windows
from framework_plugins_timeseries.forecast_numbers import ForecastNumbers
from framework_plugins_timeseries.known_series import Known, Policies
from framework_plugins_timeseries.m4_files import M4Reader
from framework_plugins_timeseries.series_reader import SeriesReader
from framework_plugins_timeseries.table_reader import TableReader
from framework_plugins_timeseries.tsf_files import TsfReader


@dataclass(frozen=True, kw_only=True)
class ComingSample(Sample):
    """The end of a series.

    Attributes:
        window: What comes after it.
    """

    window: ComingWindow


class ComingInputs(Preprocessing):
    """The end of each series of a table, whose next steps are the rows.

    Args:
        reading: What ``reader_class`` takes.
        facts: What is known of the data that was learned: ``layout``, ``scaler``, ``step``, ``series``.
        policies: What ``Policies`` takes.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    reader_class: ClassVar[Any] = TableReader
    """What reads a file."""

    def __init__(self, reading: Mapping[str, Any], facts: Mapping[str, Any], policies: Mapping[str, Any]) -> None:
        self.reader: SeriesReader = self.reader_class.of_settings(reading)
        self.known = Known.of_facts(facts, Policies(**policies))

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The window at the end of each series, ``(rows, columns)``.

        Raises:
            DataError: It cannot be read, is too short, or a covariate does not reach as far as the horizon.
        """
        path = Path(f"input{suffix}")
        windows = coming_windows(self.reader.series(content, path), self.known, path)
        return [ComingSample(each.values, window=each) for each in windows]

    def features(self, sample: Sample) -> dict[str, float]:
        """The statistics of a window, whose steps are its rows."""
        return statistics(sample.input.T)

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """A row for each step and target: the forecast and its interval, on the scale of the data."""
        of_file = cast("Sequence[ComingSample]", samples)
        return [row for sample, each in zip(of_file, said, strict=True) for row in sample.window.rows(each)]


class TsfInputs(ComingInputs):
    """The same of a ``.tsf`` file of the Monash archive."""

    suffixes: ClassVar[tuple[str, ...]] = (".tsf",)
    reader_class: ClassVar[Any] = TsfReader


class M4Inputs(ComingInputs):
    """The same of a file of the M4 competition."""

    reader_class: ClassVar[Any] = M4Reader


class ForecastAnswers(Postprocessing):
    """The forecast of each step and target and its interval, on the scale that models see.

    Args:
        level: The share of values that the interval is to hold.
        errors: What ``ForecastNumbers`` takes, as lists.
        **numbers: What else it takes.
    """

    def __init__(self, level: float, errors: Any = None, **numbers: Any) -> None:
        self.level = level
        self.numbers = ForecastNumbers(errors=None if errors is None else np.array(errors, np.float32), **numbers)

    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """``forecast``, ``low`` and ``high``, ``(steps, targets)`` each as lists, and ``level``."""
        columns = [each.tolist() for each in self.numbers.interval(outputs["output"])]
        return [
            {"forecast": forecast, "low": low, "high": high, "level": self.level}
            for forecast, low, high in zip(*columns, strict=True)
        ]
