"""What the numbers of a forecast mean: a point, and the two ends of its interval. Torch is not needed for it.

Axes: B windows, H horizon, C targets, P numbers for each value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]

FEWEST_DEGREES = 2.0
"""The degrees of freedom that Student's t has at least."""

SMALLEST = 1e-4
"""What a deviation is at least."""


@dataclass(frozen=True)
class ForecastNumbers:
    """How the numbers that a network gives for each value are read; ``heads`` learns them.

    Attributes:
        head: ``point``, ``quantile``, ``normal`` or ``student_t``.
        tails: The levels of both ends of the interval.
        errors: Of a point, how far off both ends are, ``(2, H, C)``.
        levels: Of quantiles, the levels that were learned, rising, 0.5 among them.
    """

    head: str
    tails: Sequence[float] = (0.05, 0.95)
    errors: Numbers | None = None
    levels: Sequence[float] = ()

    def point(self, outputs: Numbers) -> Numbers:
        """The forecast, ``(B, H, C)``.

        Args:
            outputs: ``(B, H, C, P)``.
        """
        found: Numbers = outputs[..., list(self.levels).index(0.5) if self.head == "quantile" else 0]
        return found

    def interval(self, outputs: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """The forecast, and the low and the high end of its interval, ``(B, H, C)`` each.

        Args:
            outputs: ``(B, H, C, P)``.
        """
        point = self.point(outputs)
        if self.head == "quantile":
            known = np.sort(outputs, axis=-1)
            low, high = (self._between(known, tail) for tail in self.tails)
            return point, low, high
        low, high = (self._off(outputs, index) for index in (0, 1))
        return point, point + low, point + high

    def _between(self, known: Numbers, tail: float) -> Numbers:
        """A level on the line between its neighbours."""
        upper = int(np.clip(np.searchsorted(self.levels, tail), 1, len(self.levels) - 1))
        below, above = self.levels[upper - 1], self.levels[upper]
        share = np.float32(min(max((tail - below) / (above - below), 0.0), 1.0))
        found: Numbers = known[..., upper - 1] * (1 - share) + known[..., upper] * share
        return found

    def _off(self, outputs: Numbers, index: int) -> Numbers:
        """How far an end of the interval is from the forecast."""
        tail = self.tails[index]
        if self.head == "normal":
            off: Numbers = _positive(outputs[..., 1]) * np.float32(NormalDist().inv_cdf(tail))
            return off
        if self.head == "student_t":
            from scipy.special import stdtrit

            degrees = FEWEST_DEGREES + _positive(outputs[..., 2].astype(np.float64))
            standard: Numbers = stdtrit(degrees, tail)
            return _positive(outputs[..., 1]) * standard.astype(np.float32)
        assert self.errors is not None  # noqa: S101  # a point comes with them
        errors: Numbers = self.errors[index]
        return errors


def _positive(values: Numbers) -> Numbers:
    found: Numbers = np.logaddexp(0, values) + np.asarray(SMALLEST, dtype=values.dtype)
    return found
