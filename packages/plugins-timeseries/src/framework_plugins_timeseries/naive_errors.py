"""How far a naive forecast is off within the data before the test: the yardstick of MASE and RMSSE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework_plugins_timeseries.scaling import Array


def naive_errors(before_test: Sequence[Array], season: int) -> dict[str, Any]:
    """What errors are divided by, for each target of each series.

    MASE: mean absolute difference to the value a season before (Hyndman and Koehler,
    https://doi.org/10.1016/j.ijforecast.2006.03.001, section 3). RMSSE: mean squared difference to the value before
    (Makridakis et al., https://doi.org/10.1016/j.ijforecast.2021.11.013, equation 1).

    Args:
        before_test: The steps of each series that come before its test, ``(steps, targets)``, unscaled.
        season: How many steps a season has.
    """
    absolute = [_mean(np.abs(each[season:] - each[:-season]), each) for each in before_test]
    squared = [_mean(np.diff(each, axis=0) ** 2, each) for each in before_test]
    return {"mase_scale": np.stack(absolute).tolist(), "rmsse_scale": np.stack(squared).tolist()}


def _mean(differences: Array, steps: Array) -> Array:
    """Zero where a series is shorter than its season, and never divided by."""
    return differences.mean(axis=0) if len(differences) else np.zeros(steps.shape[1])
