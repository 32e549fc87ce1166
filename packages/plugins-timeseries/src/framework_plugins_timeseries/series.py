"""Series as they were read: values by column, with a stamp for each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from framework_core import DataError
from framework_plugins_timeseries.same_length import by_length

Array = npt.NDArray[np.float64]
Stamps = npt.NDArray[np.generic]
"""``datetime64[ns]``, or whole numbers."""


@dataclass(frozen=True)
class Series:
    """One series, or several that share their stamps.

    Args:
        name: Its identity, as ``unique_id`` says it.
        stamps: When each step was, rising.
        values: ``(steps, columns)``; the columns are those of the ``SeriesSet``. NaN is a missing value.
    """

    name: str
    stamps: Stamps
    values: Array

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class SeriesSet:
    """Series with the same columns: targets first, then past, future and static covariates.

    Args:
        series: The series.
        targets: The names of what is predicted.
        past: Covariates that are known up to now.
        future: Covariates that are known ahead.
        static: What holds for a series as a whole, the same in all its steps.
        path: Where they were read.
    """

    series: Sequence[Series]
    targets: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in order."""
        return (*self.targets, *self.past, *self.future, *self.static)

    def where(self, series: Series, step: int) -> str:
        """A step of a series, for people."""
        named = f"series {series.name!r}, " if len(self.series) > 1 or not self.path else ""
        place = f"{self.path}, " if self.path else ""
        return f"{place}{named}{stamp_text(series.stamps[step])}"


LARGEST = float(np.finfo(np.float32).max)
"""What a value is at most: networks have 32 bits."""

MISSING = ("refuse", "forward", "interpolate", "zero")


def without_missing(found: SeriesSet, policy: str, *, ahead: int = 0) -> SeriesSet:
    """Every missing value filled as the policy says; infinite values and columns without a value are refused.

    Args:
        found: The series.
        policy: ``forward`` repeats the last value, ``interpolate`` draws a line to the next, ``zero`` is 0.
        ahead: The last steps, of which only what is known ahead need be there.

    Raises:
        DataError: A value is missing and the policy refuses that, or there is nothing to fill with.
    """
    if all((np.abs(steps) <= LARGEST).all() for _, steps in by_length([each.values for each in found.series])):
        return found
    return replace(found, series=[_filled(each, found, policy, ahead) for each in found.series])


def _filled(series: Series, found: SeriesSet, policy: str, ahead: int) -> Series:
    known = series.values[: len(series) - ahead] if ahead else series.values
    if (beyond := np.abs(known) > LARGEST).any():
        step, column = np.argwhere(beyond)[0]
        raise DataError(
            f"{found.where(series, step)}: {found.columns[column]} is {as_said(known[step, column])}.",
            paths=[found.path] if found.path else [],
            possible="A value is a number, or missing.",
            next_step="Leave the value out and say what stands for it: dataset.missing=forward",
        )
    absent = np.isnan(known)
    if not absent.any():
        return series
    if (empty := absent.all(axis=0)).any():
        raise DataError(
            f"The column {found.columns[int(empty.argmax())]} of {_of(series, found)} has no value at all.",
            paths=[found.path] if found.path else [],
            possible="A column may have gaps, but not be one.",
            next_step="Leave the column out, or name those to predict: dataset.targets=[COLUMN]",
        )
    if policy == "refuse":
        step, column = np.argwhere(absent)[0]
        count = int(absent.sum())
        many = f"{count:,} values are missing, the first of" if count > 1 else "A value is missing of"
        raise DataError(
            f"{many} {found.columns[column]}: {found.where(series, step)}.",
            paths=[found.path] if found.path else [],
            possible="forward repeats the last value, interpolate draws a line to the next one, zero takes 0.",
            next_step="Choose what stands for them: dataset.missing=forward",
        )
    filled = series.values.copy()
    filled[: len(known)] = FILLS[policy](known, absent)
    return replace(series, values=filled)


def as_said(value: float) -> str:
    """A value that is too large, for people."""
    return "infinite" if np.isinf(value) else f"{value:g}, and {LARGEST:.1g} is the most that a network holds"


def _of(series: Series, found: SeriesSet) -> str:
    place = str(found.path) if found.path else "the data"
    return place if len(found.series) == 1 else f"the series {series.name!r} in {place}"


def _forward(values: Array, absent: npt.NDArray[np.bool_]) -> Array:
    """The last value before a gap; in a gap at the start, the first after it."""
    rows = np.where(absent, 0, np.arange(len(values))[:, None])
    rows = np.maximum.accumulate(rows, axis=0)
    first = (~absent).argmax(axis=0)
    filled: Array = np.take_along_axis(values, np.maximum(rows, first), axis=0)
    return filled


def _interpolated(values: Array, absent: npt.NDArray[np.bool_]) -> Array:
    steps = np.arange(len(values))
    filled: Array = values.copy()
    for column in np.flatnonzero(absent.any(axis=0)):
        there = ~absent[:, column]
        filled[:, column] = np.interp(steps, steps[there], values[there, column])
    return filled


def _zero(values: Array, absent: npt.NDArray[np.bool_]) -> Array:
    return np.asarray(np.where(absent, 0.0, values))


FILLS = {"forward": _forward, "interpolate": _interpolated, "zero": _zero}
"""How gaps are filled, by the name of the policy: values and where they are absent, ``(steps, columns)``."""


def stamp_text(stamp: object) -> str:
    """A stamp as people write it."""
    text = str(stamp)
    if isinstance(stamp, np.datetime64):
        text = str(stamp.astype("datetime64[s]")).replace("T", " ").removesuffix(" 00:00:00")
    return text
