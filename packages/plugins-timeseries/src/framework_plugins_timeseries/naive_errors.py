"""How far a naive forecast is off within the data before the test: the yardstick of MASE and RMSSE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework_plugins_timeseries.same_length import by_length
from framework_plugins_timeseries.series import Array


def naive_errors(before_test: Sequence[Array], season: int) -> dict[str, Any]:
    """What errors are divided by, for each target of each series.

    MASE: mean absolute difference to the value a season before (Hyndman and Koehler,
    https://doi.org/10.1016/j.ijforecast.2006.03.001, section 3). RMSSE: mean squared difference to the value before
    (Makridakis et al., https://doi.org/10.1016/j.ijforecast.2021.11.013, equation 1).

    Args:
        before_test: The steps of each series that come before its test, ``(steps, targets)``, unscaled.
        season: How many steps a season has.
    """
    size = (len(before_test), before_test[0].shape[1])
    absolute, squared = np.zeros(size), np.zeros(size)
    for places, steps in by_length(before_test):
        # Zero where a series is shorter than its season, and never divided by.
        if steps.shape[1] > season:
            absolute[places] = np.abs(steps[:, season:] - steps[:, :-season]).mean(axis=1)
        if steps.shape[1] > 1:
            squared[places] = (np.diff(steps, axis=1) ** 2).mean(axis=1)
    return {"mase_scale": absolute.tolist(), "rmsse_scale": squared.tolist()}
