"""What a calendar says of stamps, as covariates that are known ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from framework_core.errors import ConfigError, ConfigProblem
from framework_plugins_timeseries.series import Array, Stamps

FEATURES: dict[str, Callable[[pd.DatetimeIndex], object]] = {
    "minute": lambda index: index.minute / 59 - 0.5,
    "hour": lambda index: index.hour / 23 - 0.5,
    "weekday": lambda index: index.day_of_week / 6 - 0.5,
    "day": lambda index: (index.day - 1) / 30 - 0.5,
    "yearday": lambda index: (index.day_of_year - 1) / 365 - 0.5,
    "week": lambda index: (index.isocalendar().week.to_numpy(dtype=float) - 1) / 52 - 0.5,
    "month": lambda index: (index.month - 1) / 11 - 0.5,
    "quarter": lambda index: (index.quarter - 1) / 3 - 0.5,
}
"""Each runs from -0.5 to 0.5 over its cycle."""


def calendar(stamps: Stamps, features: Sequence[str]) -> Array:
    """The features of each stamp, ``(steps, features)``.

    Raises:
        ConfigError: Stamps are numbers, of which a calendar says nothing.
    """
    if not features:
        return np.empty((len(stamps), 0))
    if not np.issubdtype(stamps.dtype, np.datetime64):
        message = "needs stamps that are dates; those of this data are numbers"
        raise ConfigError([ConfigProblem("dataset.calendar", message, value=list(features))])
    index = pd.DatetimeIndex(stamps)
    return np.stack([np.asarray(FEATURES[name](index), dtype=float) for name in features], axis=1)
