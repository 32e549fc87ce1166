"""Rows of different lengths as one array, filled up to the longest.

Axes: B rows, T numbers of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def filled_up(flat: npt.NDArray[Any], offsets: Numbers, rows: npt.NDArray[np.int64], value: int) -> Numbers:
    """Some of the rows that lie one after the other, ``(B, T)``.

    Args:
        flat: All rows, one after the other.
        offsets: Where each begins, and at the end where the last one ends.
        rows: Which are wanted, ``(B)``.
        value: What fills up.
    """
    starts = offsets[rows]
    lengths = offsets[rows + 1] - starts
    columns = np.arange(int(lengths.max()))
    places = starts[:, None] + columns
    np.minimum(places, len(flat) - 1, out=places)
    found: Numbers = flat[places].astype(np.int64, copy=False)
    found[columns >= lengths[:, None]] = value
    return found


def stacked(rows: Sequence[npt.NDArray[Any]], value: int) -> Numbers:
    """Rows that stand alone, ``(B, T)``."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return filled_up(np.concatenate(rows), offsets, np.arange(len(rows)), value)
