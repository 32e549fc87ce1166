"""Scales of series, fitted on training steps alone, and kept with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework_core.errors import DataError
from framework_plugins_timeseries.same_length import by_length
from framework_plugins_timeseries.series import Array

KINDS = ("standard", "minmax", "robust", "none")


@dataclass(frozen=True)
class Scaler:
    """What each column of each series is shifted and divided by.

    Args:
        kind: How it was fitted.
        shift: ``(series, columns)``.
        scale: ``(series, columns)``, never zero.
    """

    kind: str
    shift: Array
    scale: Array

    @classmethod
    def fit(cls, kind: str, training: Sequence[Array]) -> Scaler:
        """Fit one scale for each column of each series.

        Args:
            kind: One of ``KINDS``.
            training: The training steps of each series, ``(steps, columns)``.
        """
        size = (len(training), training[0].shape[1])
        shift, scale = np.empty(size), np.empty(size)
        for places, steps in by_length(training):
            shift[places], scale[places] = _fitted(kind, steps)
        return cls(kind, shift, scale)

    def apply(self, values: Array, series: int) -> Array:
        """Values of a series to the scale that models see."""
        scaled: Array = (values - self.shift[series]) / self.scale[series]
        return scaled

    def undo(self, values: Array, series: int, columns: int) -> Array:
        """Values of the first ``columns`` columns back to the scale of the data; the columns are the last axis."""
        restored: Array = values * self.scale[series, :columns] + self.shift[series, :columns]
        return restored

    def facts(self) -> dict[str, Any]:
        """As it stands in a ``DataSpec``."""
        return {"kind": self.kind, "shift": self.shift.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Scaler:
        """From a ``DataSpec``."""
        return cls(facts["kind"], np.array(facts["shift"], dtype=float), np.array(facts["scale"], dtype=float))


def as_float32(values: Array, path: Path) -> npt.NDArray[np.float32]:
    """Scaled values as a network takes them.

    Args:
        values: The values.
        path: The file that they are of, for people.

    Raises:
        DataError: They are so large by the scale that was learned that 32 bits do not hold them.
    """
    with np.errstate(over="ignore"):
        found = values.astype(np.float32)
    if not np.isfinite(found).all():
        raise DataError(
            f"{path} has values that are too large by the scale that the model was trained with.",
            paths=[path],
            possible="What is predicted from is of the size of what was learned.",
        )
    return found


def scale_for(scaler: Scaler, number: int | None, several: bool, values: Array, columns: int) -> tuple[Scaler, int]:
    """The scale of a series in training, and its place; for a series that was not there, one of its own values.

    Args:
        scaler: The scales of training.
        number: The number that the series had in training, if it was there.
        several: Whether there was more than one series; a single one lends its scale to any other.
        values: What is known of the series, ``(steps, columns and more)``.
        columns: How many columns are scaled by series.
    """
    if number is not None or not several:
        return scaler, number or 0
    own = Scaler.fit(scaler.kind, [values[:, :columns]])
    shift, scale = scaler.shift[:1].copy(), scaler.scale[:1].copy()
    shift[:, :columns], scale[:, :columns] = own.shift, own.scale
    return Scaler(scaler.kind, shift, scale), 0


def _fitted(kind: str, steps: Array) -> tuple[Array, Array]:
    """Shift and scale of each column, from ``(series, steps, columns)``."""
    if kind == "standard":
        shift, scale = steps.mean(axis=1), steps.std(axis=1)
    elif kind == "minmax":
        shift = steps.min(axis=1)
        scale = steps.max(axis=1) - shift
    elif kind == "robust":
        shift = np.median(steps, axis=1)
        scale = np.subtract(*np.percentile(steps, (75, 25), axis=1))
    else:
        shift, scale = np.zeros_like(steps[:, 0]), np.ones_like(steps[:, 0])
    # A column that never changed in training has no scale of its own.
    return shift, np.where(scale > 1e-12, scale, 1.0)
