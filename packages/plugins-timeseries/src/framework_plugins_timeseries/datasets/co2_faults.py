"""Carbon dioxide at Mauna Loa with faults of an instrument put in, which are labelled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from framework_plugins_timeseries.anomaly_data import BaseAnomalyDataModule
from framework_plugins_timeseries.datasets.statsmodels_series import Co2
from framework_plugins_timeseries.series import FILLS, Array, Series, SeriesSet
from framework_plugins_timeseries.table_reader import TableReader
from framework_plugins_timeseries.tables import Columns

FAULTS = ("spike", "dip", "shift", "stuck", "noise", "reversed")
"""What is put in: a single high value, a single low one, and for some weeks each a level that is off, a value that
stays, noise, and a season that runs backwards."""

SPREAD = 0.35
"""The usual change from week to week, in parts per million."""


class Co2Faults(BaseAnomalyDataModule):
    """The weekly series of ``co2``, public domain, as it comes with statsmodels, with six faults in its last fifth.

    The faults are made, and the same every time; all before them is as it was measured. Weeks without a value have the
    last one. A file to score has the columns of a table of series: ``ds`` and one of values.

    Args:
        **windows: What every dataset with anomalies takes: ``threshold_quantile``, ``look_back``, ``batch_size`` ...
    """

    label = "fault"

    def __init__(self, **windows: Any) -> None:
        super().__init__(**{"missing": "forward", **windows})

    def read_series(self) -> SeriesSet:
        """The series and its labels."""
        found = Co2().read_series()
        (series,) = found.series
        values = FILLS["forward"](series.values, np.isnan(series.values))
        faulty, labels = with_faults(values[:, 0])
        columns = np.column_stack([faulty, labels.astype(float)])
        return SeriesSet([Series("", series.stamps, columns)], found.targets, past=("fault",))

    def series_reader(self) -> TableReader:
        """A table with the column of values."""
        return TableReader(Columns(targets=("co2",)))

    def source(self) -> str:
        """Where it came from."""
        return "statsmodels.datasets.co2, with faults"


def with_faults(values: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """A series with each fault once in its last fifth, evenly apart, and where they are."""
    faulty = values.copy()
    labels = np.zeros(len(values), dtype=bool)
    random = np.random.default_rng(0)
    first = round(0.8 * len(values))
    apart = (len(values) - first) // (len(FAULTS) + 1)
    for number, fault in enumerate(FAULTS, start=1):
        at = first + number * apart
        where = slice(at, at + (1 if fault in ("spike", "dip") else 12))
        faulty[where] = _faulty(fault, values[where], values[at - 1], random)
        labels[where] = True
    return faulty, labels


def _faulty(fault: str, values: Array, before: float, random: np.random.Generator) -> Array:
    made = {
        "spike": values + 8 * SPREAD,
        "dip": values - 8 * SPREAD,
        "shift": values + 6 * SPREAD,
        "stuck": np.full_like(values, before),
        "noise": values + random.normal(0, 4 * SPREAD, len(values)),
        "reversed": values[::-1],
    }
    return made[fault]
