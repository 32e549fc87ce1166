"""Means over seeds with their intervals, by Student's t (Student, The Probable Error of a Mean, 1908)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t

Numbers = np.ndarray[Any, np.dtype[np.float64]]
LEVEL = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean of several runs, or a difference of two.

    Attributes:
        mean: The mean.
        low: The lower end of its 95 % interval.
        high: The upper end.
    """

    mean: float
    low: float
    high: float


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of at least two values."""
    middle = statistics.fmean(values)
    reach = _quantile(len(values) - 1) * math.sqrt(_squared_error(values))
    return Mean(middle, middle - reach, middle + reach)


def reach_of(parts: Numbers) -> float:
    """How far a mean may be off, from what each of its independent parts adds to its error.

    Args:
        parts: By how much each moves the mean; their sum is zero. Of one part nothing can be said.
    """
    count = len(parts)
    if count < 2:
        return math.inf
    return _quantile(count - 1) * math.sqrt(count / (count - 1) * float(np.square(parts).sum()))


def difference_of(first: Sequence[float], second: Sequence[float]) -> Mean:
    """By how much the mean of the second lies above that of the first.

    Neither variance is taken to be that of the other (Welch, The Generalization of Student's Problem, Biometrika 1947).

    Args:
        first: At least two values.
        second: At least two values.
    """
    one, other = _squared_error(first), _squared_error(second)
    middle = statistics.fmean(second) - statistics.fmean(first)
    if one + other == 0:
        return Mean(middle, middle, middle)
    freedom = (one + other) ** 2 / (one**2 / (len(first) - 1) + other**2 / (len(second) - 1))
    reach = _quantile(freedom) * math.sqrt(one + other)
    return Mean(middle, middle - reach, middle + reach)


def _squared_error(values: Sequence[float]) -> float:
    return statistics.variance(values) / len(values)


def _quantile(freedom: float) -> float:
    return float(t.ppf((1 + LEVEL) / 2, freedom))
