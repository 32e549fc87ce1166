"""Series each step of which is scored: how they are prepared, and what an answer says of their steps.

Axes: W windows, H steps of a window that are scored, C targets, R rows of all series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework_core.errors import DataError
from framework_plugins_timeseries.known_series import Known, with_added
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.scaling import as_float32, scale_for
from framework_plugins_timeseries.series import Series, SeriesSet, stamp_text, without_missing

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoredSeries:
    """A series to be scored.

    Attributes:
        series: As it was read, without gaps.
        values: What a model sees, ``(steps, columns)``.
    """

    series: Series
    values: npt.NDArray[np.float32]

    def starts(self, layout: Layout) -> npt.NDArray[np.int64]:
        """The first step of each window."""
        return np.arange(len(self.values) - layout.lead - layout.horizon + 1)


def scored_series(read: SeriesSet, known: Known, path: Path) -> list[ScoredSeries]:
    """The series of a file.

    Args:
        read: The series, as they were read.
        known: What the model knows of series.
        path: The file, for people.

    Raises:
        DataError: A series is shorter than a window, or not as it should be.
    """
    layout = known.layout
    found = without_missing(known.regular(read), known.policies.missing)
    made = []
    for series in found.series:
        _check_length(series, found, layout, path)
        number = known.numbers.get(series.name)
        values = with_added(series, number or 0, found, known.policies.calendar, several=known.several)
        columns = len(layout.targets) + len(layout.past)
        scaler, place = scale_for(known.scaler, number, known.several, values, columns)
        made.append(ScoredSeries(series, as_float32(scaler.apply(values, place), path)))
    return made


def squared_errors(
    target: npt.NDArray[np.float32], said: npt.NDArray[np.float32], middle: Scores, spread: Scores
) -> Scores:
    """The squared standardised error of each step and target, ``(W, H, C)``.

    Args:
        target: What was there.
        said: What the model made of it.
        middle: The mean of errors of each target.
        spread: Their deviation.
    """
    found: Scores = np.square(((target - said).astype(np.float64) - middle) / spread)
    return found


class ScoredSteps:
    """The scores of the steps of some series, gathered from every window that a step lies in.

    Args:
        series: The series, one after another.
        targets: What is scored.
    """

    def __init__(self, series: Sequence[Series], targets: Sequence[str]) -> None:
        self.series = series
        self.targets = targets
        self.ends = np.cumsum([len(each) for each in series])
        self.sums = np.zeros((int(self.ends[-1]), len(targets)))
        self.counts = np.zeros(len(self.sums))

    def add(self, begins: npt.NDArray[np.int64], scores: Scores) -> None:
        """Take the scores of some windows.

        Args:
            begins: The row of the first step of each that is scored, ``(W,)``.
            scores: ``(W, H, C)``.
        """
        rows = begins[:, None] + np.arange(scores.shape[1])
        np.add.at(self.sums, rows, scores)
        np.add.at(self.counts, rows, 1)

    def rows(self, threshold: float) -> list[tuple[int, dict[str, Any]]]:
        """For each step that was scored the number of its series, and its score and whether that is above."""
        scored = np.flatnonzero(self.counts)
        numbers = np.searchsorted(self.ends, scored, side="right")
        return [
            (number, self._row(number, row, threshold))
            for number, row in zip(numbers.tolist(), scored.tolist(), strict=True)
        ]

    def _row(self, number: int, row: int, threshold: float) -> dict[str, Any]:
        series, scores = self.series[number], self.sums[row] / self.counts[row]
        stamp = series.stamps[row - int(self.ends[number]) + len(series)]
        score = float(scores.mean())
        found: dict[str, Any] = {"unique_id": series.name} if series.name else {}
        found |= {"ds": stamp_text(stamp), "score": score, "threshold": threshold, "anomaly": score > threshold}
        if len(scores) > 1:
            found["target"] = self.targets[int(scores.argmax())]
        return found


def _check_length(series: Series, found: SeriesSet, layout: Layout, path: Path) -> None:
    need = layout.lead + layout.horizon
    if len(series) < need:
        raise DataError(
            f"{found.where(series, 0)}: {len(series):,} steps, and the model needs {need:,}.",
            paths=[path],
            possible="A file to score has a window of the model at least.",
        )
