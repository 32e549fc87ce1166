"""Windows whose steps are scored one by one: where each step is, and whether it is known to be an anomaly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.series import Series, stamp_text
from framework_plugins_timeseries.windows import Span, Windows, numbers_of_batch


class ScoredWindows(Windows):
    """Windows that know the stamp of every row, and its label where there is one.

    Args:
        table: The rows of all series, one after another.
        spans: The span of each series, in the order of the table.
        layout: What the columns are.
        series: The series, in the order of the table.
        labels: Whether each row is an anomaly; nothing where nobody says.
        stride: How many steps lie between the begins of neighbouring windows.
    """

    def __init__(
        self,
        table: Tensor,
        spans: Sequence[Span],
        layout: Layout,
        series: Sequence[Series],
        labels: npt.NDArray[np.bool_] | None = None,
        *,
        stride: int = 1,
    ) -> None:
        super().__init__(table, spans, layout, stride=stride)
        self.series = series
        self.labels = labels
        self._series_ends = np.cumsum([len(each) for each in series])

    def first_targets(self, indices: Tensor) -> Tensor:
        """The row of the first target of each window."""
        return self.rows_of(indices) + self.layout.lead

    def series_at(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number of the series that each row is of."""
        found: npt.NDArray[np.int64] = np.searchsorted(self._series_ends, rows, side="right")
        return found

    def place(self, row: int) -> tuple[str, str]:
        """The name of a row's series, and its stamp, for people."""
        number = int(np.searchsorted(self._series_ends, row, side="right"))
        series = self.series[number]
        return series.name, stamp_text(series.stamps[row - int(self._series_ends[number]) + len(series)])

    def times(self, rows: npt.NDArray[np.int64]) -> list[str | float]:
        """When each row was: a date, or the number of its step."""
        numbers = self.series_at(rows)
        begins = self._series_ends - np.array([len(each) for each in self.series])
        found: list[str | float] = []
        for row, number in zip(rows.tolist(), numbers.tolist(), strict=True):
            stamp = self.series[number].stamps[row - int(begins[number])]
            dated = isinstance(stamp, np.datetime64)
            found.append(str(stamp.astype("datetime64[s]")) if dated else float(stamp))
        return found


def all_of(series: Sequence[Series]) -> list[Span]:
    """Spans over every step."""
    ends = np.cumsum([len(each) for each in series])
    return [Span(int(end) - len(each), 0, len(each)) for end, each in zip(ends, series, strict=True)]


def rows_of_batch(windows: ScoredWindows, seen: int, count: int, *, rank: int, world: int) -> Tensor:
    """The first targets of the ``count`` windows after ``seen`` others, in this one of ``world`` processes."""
    return windows.first_targets(numbers_of_batch(seen, count, len(windows), rank=rank, world=world))
