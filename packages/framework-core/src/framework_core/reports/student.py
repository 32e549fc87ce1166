"""Means over seeds with their intervals, by Student's t (Student, The Probable Error of a Mean, 1908)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

QUANTILES = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""The 0.975 quantiles of Student's t with 1 to 30 degrees of freedom."""

NORMAL = 1.96


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
    reach = _quantile(int(freedom)) * math.sqrt(one + other)
    return Mean(middle, middle - reach, middle + reach)


def _squared_error(values: Sequence[float]) -> float:
    return statistics.variance(values) / len(values)


def _quantile(freedom: int) -> float:
    return QUANTILES[freedom - 1] if freedom <= len(QUANTILES) else NORMAL
