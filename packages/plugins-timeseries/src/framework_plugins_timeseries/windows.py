"""Windows over series: nothing is copied until a batch is taken.

Axes: B windows of a batch, L look-back, H horizon, C targets, P past, F future, S static covariates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from framework_core import BatchDataset
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.series import Stamps
from framework_plugins_timeseries.window_rows import windows_at


@dataclass(frozen=True)
class Window:
    """A batch of windows by what their columns are.

    Args:
        past: The targets up to now, ``(B, L, C)``.
        past_covariates: What is known up to now, ``(B, L, P)``.
        future_covariates: What is known ahead, over look-back and horizon, ``(B, L + H, F)``.
        static: What holds for the series, ``(B, S)``.
        series: The number that each window's series had in training, ``(B,)``; below zero for one that was not there.
    """

    past: Tensor
    past_covariates: Tensor
    future_covariates: Tensor
    static: Tensor
    series: Tensor

    @classmethod
    def of(cls, inputs: Tensor, layout: Layout) -> Window:
        """Read the columns of ``(B, rows, columns)``."""
        first, second, third, last = layout.ends
        known = inputs[:, : layout.look_back]
        fixed = inputs[:, 0, third:last]
        return cls(
            known[..., :first],
            known[..., first:second],
            inputs[..., second:third],
            fixed[:, : layout.named_static],
            fixed[:, -1] if layout.tells_series else inputs.new_zeros(inputs.shape[0]),
        )


class Span(NamedTuple):
    """The steps of one series whose values may be targets.

    Args:
        offset: The series' first row in the table.
        begin: The first step that may be a target.
        end: One behind the last.
    """

    offset: int
    begin: int
    end: int


class Windows(BatchDataset):
    """Every window whose targets lie in a span; what is before the span may be seen, and is no target.

    A window is a number: the series is found by bisection, the rows by arithmetic. A sample is a pair: ``(rows,
    columns)`` as the layout says, and the targets ``(H, C)``.

    Args:
        table: The rows of all series, one after another.
        spans: The span of each series, in the order of the table.
        layout: What the columns are.
        stride: How many steps lie between the origins of neighbouring windows.
        stamps: When each step of each series was, for what is told by origin.
    """

    def __init__(
        self,
        table: Tensor,
        spans: Sequence[Span],
        layout: Layout,
        *,
        stride: int = 1,
        stamps: Sequence[Stamps] | None = None,
    ) -> None:
        self.stamps = stamps
        self.table = table
        self.layout = layout
        self.stride = stride
        offsets, begin, end = np.array(spans, dtype=np.int64).reshape(-1, 3).T
        first = np.maximum(begin, layout.lead)
        last = end - layout.horizon
        counts = np.maximum(0, (last - first) // stride + 1)
        self.counts = torch.from_numpy(counts)
        self._ends = torch.from_numpy(np.cumsum(counts))
        # The row of a series' first window, less what its number begins with: one addition less for each batch.
        self._base = torch.from_numpy(offsets + first - layout.lead - (np.cumsum(counts) - counts) * stride)
        self._first = first

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def series_of(self, indices: Tensor) -> Tensor:
        """The number of the series that each window is of."""
        return torch.searchsorted(self._ends, indices, right=True)

    def rows_of(self, indices: Tensor) -> Tensor:
        """The first row of each window in the table."""
        return self._base[self.series_of(indices)] + indices * self.stride

    def origins(self) -> Stamps:
        """The stamp of the first target of each window; nothing where stamps are not known."""
        if self.stamps is None:
            return np.empty(0)
        counts, steps = self.counts.numpy(), self._first
        found = [
            each[first : first + count * self.stride : self.stride]
            for each, first, count in zip(self.stamps, steps.tolist(), counts.tolist(), strict=True)
        ]
        return np.concatenate(found) if found else np.empty(0)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The windows of these numbers and their targets."""
        start = self.rows_of(indices).numpy()
        inputs, targets = windows_at(self.table.numpy(), start, self.layout)
        return torch.from_numpy(inputs), torch.from_numpy(targets)


def numbers_of_batch(seen: int, count: int, windows: int, *, rank: int, world: int) -> Tensor:
    """The ``count`` windows of ``windows`` that come after ``seen`` others, in this one of ``world`` processes.

    Processes take turns, and the last ones begin anew where windows do not come out even, as torch's
    ``DistributedSampler`` has them.
    """
    return (torch.arange(seen, seen + count) * world + rank) % windows
