"""Quarters of the time that samples span."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from framework_core.contracts.scores import moment

PARTS = 4
SHORT = timedelta(days=PARTS)
"""A span of dates below which their time of day is named too."""

ZERO = datetime(1970, 1, 1)


def quarters(times: Sequence[str | float | None]) -> tuple[list[str | None], list[str]]:
    """The quarter of the span in which each time lies, named by its ends; the second is the first of the next.

    Args:
        times: Dates in ISO's form, or numbers of steps.

    Returns:
        The quarter of each, and the quarters as they follow each other.
    """
    dates = any(isinstance(each, str) and each for each in times)
    numbers = [_seconds(each) for each in times] if dates else [_finite(each) for each in times]
    known = [each for each in numbers if each is not None]
    if not known:
        return [None] * len(numbers), []
    first, last = min(known), max(known)
    ends = [first + (last - first) * part / PARTS for part in range(PARTS + 1)]
    if not dates and all(each == round(each) for each in known):
        ends = [float(round(each)) for each in ends]
    written = [_date(each, last - first) if dates else f"{each:.6g}" for each in ends]
    names = [f"{begin} to {end}" for begin, end in pairwise(written)]
    return [None if each is None else names[bisect_right(ends[1:-1], each)] for each in numbers], names


def _seconds(time: str | float | None) -> float | None:
    found = moment(time) if isinstance(time, str) else None
    return None if found is None else (found - ZERO).total_seconds()


def _finite(time: str | float | None) -> float | None:
    return time if isinstance(time, int | float) and math.isfinite(time) else None


def _date(seconds: float, span: float) -> str:
    found = ZERO + timedelta(seconds=seconds)
    return f"{found:%Y-%m-%d %H:%M}" if span < SHORT.total_seconds() else f"{found:%Y-%m-%d}"
