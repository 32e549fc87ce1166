"""Windows cut from a table of rows.

Axes: B windows, H horizon, C targets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from framework_plugins_timeseries.layout import Layout

Rows = npt.NDArray[Any]


def windows_at(table: Rows, starts: npt.NDArray[np.int64], layout: Layout) -> tuple[Rows, Rows]:
    """The windows that begin at some rows, ``(B, rows, columns)`` as the layout says, and their targets ``(B, H, C)``.

    Args:
        table: The rows of all series, one after another.
        starts: The first row of each window.
        layout: What the columns are.
    """
    inputs = _stretches(table, starts, layout.rows)
    if layout.rows > layout.look_back:
        inputs[:, layout.look_back :, : layout.ends[1]] = 0
    return inputs, _stretches(table, starts + layout.lead, layout.horizon)[..., : len(layout.targets)]


def _stretches(table: Rows, starts: npt.NDArray[np.int64], count: int) -> Rows:
    """``count`` rows from each of these on, ``(B, count, columns)``.

    A window is one stretch of memory and is copied as such: of many series, gathering by row takes three times as
    long.
    """
    columns, size = table.shape[1], table.itemsize
    shape = (max(0, len(table) - count + 1), count * columns)
    stretches = np.lib.stride_tricks.as_strided(table, shape, (columns * size, size), writeable=False)
    found: Rows = stretches[starts].reshape(len(starts), count, columns)
    return found
