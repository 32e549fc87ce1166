"""Series of one length together: what is told of each of them is told of thousands at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from framework_plugins_timeseries.series import Array

Places = npt.NDArray[np.int64]

AT_ONCE = 4096
"""Series in one array at most: it is a copy of them."""


def by_length(series: Sequence[Array]) -> Iterator[tuple[Places, Array]]:
    """The places of series of one length, and all their steps, ``(series, steps, columns)``.

    Args:
        series: Each ``(steps, columns)``.
    """
    lengths = np.fromiter((len(each) for each in series), dtype=np.int64, count=len(series))
    order: Places = np.argsort(lengths, kind="stable")
    for alike in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        for begin in range(0, len(alike), AT_ONCE):
            places = alike[begin : begin + AT_ONCE]
            yield places, np.stack([series[place] for place in places])
