"""Unusual steps where a model answers: from the content of a table to windows, and to a score of each step. No torch.

Axes: B windows, H steps of a window that are scored, C targets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from framework_core.serving.features import statistics
from framework_core.serving.processing import Array, Postprocessing, Preprocessing, Row, Sample
from framework_plugins_timeseries.forecast_numbers import ForecastNumbers
from framework_plugins_timeseries.known_series import Known, Policies
from framework_plugins_timeseries.scored_series import ScoredSteps, scored_series, squared_errors
from framework_plugins_timeseries.series import Series
from framework_plugins_timeseries.table_reader import TableReader
from framework_plugins_timeseries.window_rows import windows_at


@dataclass(frozen=True, kw_only=True)
class ScoredSample(Sample):
    """A window of a series.

    Attributes:
        target: The steps that are scored, ``(steps, targets)``.
        series: The series.
        begin: The first of its steps that is scored.
    """

    target: Array
    series: Series
    begin: int


class ScoredInputs(Preprocessing):
    """Every window of each series of a table; a row for each step that is scored.

    Args:
        reading: What ``TableReader`` takes.
        facts: What is known of the data that was learned: ``layout``, ``scaler``, ``step``, ``series``.
        policies: What ``Policies`` takes.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv",)

    def __init__(self, reading: Mapping[str, Any], facts: Mapping[str, Any], policies: Mapping[str, Any]) -> None:
        self.reader = TableReader.of_settings(reading)
        self.known = Known.of_facts(facts, Policies(**policies))

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The windows of every series, ``(rows, columns)`` each.

        Raises:
            DataError: It cannot be read, or a series is shorter than a window.
        """
        path, layout = Path(f"input{suffix}"), self.known.layout
        found: list[Sample] = []
        for each in scored_series(self.reader.series(content, path), self.known, path):
            starts = each.starts(layout)
            inputs, targets = windows_at(each.values, starts, layout)
            found += [
                ScoredSample(values, target=target, series=each.series, begin=start + layout.lead)
                for values, target, start in zip(inputs, targets, starts.tolist(), strict=True)
            ]
        return found

    def size_of(self, content: bytes, suffix: str) -> int:
        """The values of all windows: each line begins one."""
        layout = self.known.layout
        return content.count(b"\n") * layout.rows * len(layout.columns)

    def features(self, sample: Sample) -> dict[str, float]:
        """The statistics of a window, whose steps are its rows."""
        return statistics(sample.input.T)

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """One row for each step: its score, the threshold, and whether it is above."""
        windows = cast("Sequence[ScoredSample]", samples)
        series = {id(each.series): each.series for each in windows}
        offsets = dict(zip(series, np.cumsum([0, *map(len, series.values())]).tolist(), strict=False))
        first = said[0]
        scores = squared_errors(
            np.stack([each.target for each in windows]),
            np.array([each["said"] for each in said], dtype=np.float32),
            np.array(first["middle"]),
            np.array(first["spread"]),
        )
        steps = ScoredSteps(list(series.values()), self.known.layout.targets)
        steps.add(np.array([offsets[id(each.series)] + each.begin for each in windows]), scores)
        return [row for _, row in steps.rows(first["threshold"])]


class ScoreAnswers(Postprocessing):
    """What a model makes of steps, and what its errors are compared with.

    Args:
        middle: The mean of errors of each target.
        spread: Their deviation.
        threshold: The score above which a step is flagged; ``None`` flags none.
        **numbers: What ``ForecastNumbers`` takes.
    """

    def __init__(
        self, middle: Sequence[float], spread: Sequence[float], threshold: float | None = None, **numbers: Any
    ) -> None:
        self.of_errors = {
            "middle": middle,
            "spread": spread,
            "threshold": math.inf if threshold is None else threshold,
        }
        self.numbers = ForecastNumbers(**numbers)

    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """``said``, ``(steps, targets)`` as lists; ``middle``, ``spread`` and ``threshold``."""
        return [{"said": each, **self.of_errors} for each in self.numbers.point(outputs["output"]).tolist()]
