"""Quarters of the time that samples span."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from framework_core.contracts.scores import moment

PARTS = 4
SHORT = timedelta(days=PARTS)
"""A span of dates below which their time of day is named too."""

ZERO = datetime(1970, 1, 1)


def quarters(times: Sequence[str | float | None]) -> list[str | None]:
    """The quarter of the span in which each time lies, named by its ends.

    Args:
        times: Dates in ISO's form, or numbers of steps.
    """
    dates = any(isinstance(each, str) and each for each in times)
    numbers = [_seconds(each) for each in times] if dates else [_finite(each) for each in times]
    known = [each for each in numbers if each is not None]
    if not known:
        return [None] * len(numbers)
    first, last = min(known), max(known)
    ends = [first + (last - first) * part / PARTS for part in range(PARTS + 1)]
    written = [_date(each, last - first) if dates else f"{each:,.6g}" for each in ends]
    names = [f"{written[part]} to {written[part + 1]}" for part in range(PARTS)]
    width = (last - first) / PARTS or 1.0
    return [None if each is None else names[min(int((each - first) / width), PARTS - 1)] for each in numbers]


def _seconds(time: str | float | None) -> float | None:
    found = moment(time) if isinstance(time, str) else None
    return None if found is None else (found - ZERO).total_seconds()


def _finite(time: str | float | None) -> float | None:
    return time if isinstance(time, int | float) and math.isfinite(time) else None


def _date(seconds: float, span: float) -> str:
    found = ZERO + timedelta(seconds=seconds)
    return f"{found:%Y-%m-%d %H:%M}" if span < SHORT.total_seconds() else f"{found:%Y-%m-%d}"
