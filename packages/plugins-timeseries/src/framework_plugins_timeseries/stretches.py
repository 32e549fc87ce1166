"""Stretches of neighbouring samples, which depend on each other."""

from __future__ import annotations

from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.int64]]


def stretches(series: Numbers, length: int) -> list[int]:
    """The number of the stretch that each sample is in.

    Args:
        series: The number of the series of each sample; those of a series stand together.
        length: The samples of a stretch.
    """
    begins = np.flatnonzero(np.diff(series, prepend=-1))
    places = np.arange(len(series)) - np.repeat(begins, np.diff(np.append(begins, len(series))))
    found: list[int] = (np.cumsum(places % length == 0) - 1).tolist()
    return found
