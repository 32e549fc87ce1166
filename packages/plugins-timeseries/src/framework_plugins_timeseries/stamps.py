"""Stamps of series: how far apart they are, what is irregular, what comes next."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from framework_core import DataError
from framework_plugins_timeseries.series import Series, SeriesSet, Stamps, stamp_text

if TYPE_CHECKING:
    import numpy.typing as npt

SEASONS = (("min", 1440), ("s", 60), ("h", 24), ("D", 7), ("B", 5), ("W", 52), ("M", 12), ("Q", 4))
"""How many steps of a kind make the season that it usually has: minutes and hours a day, days a week."""


@dataclass(frozen=True)
class Step:
    """How far apart stamps are: a number, or a frequency of pandas.

    Args:
        length: ``1`` for whole numbers, ``"h"``, ``"W-SAT"``, ``"MS"`` for dates.
    """

    length: int | str

    def after(self, last: Any, count: int) -> Stamps:
        """The ``count`` stamps that follow ``last``."""
        if isinstance(self.length, int):
            return np.asarray(last + self.length * np.arange(1, count + 1))
        following = pd.date_range(pd.Timestamp(last), periods=count + 1, freq=self.length)
        # Where the last stamp is none of the frequency's own, the first of the range already follows it.
        return np.asarray(following[following > pd.Timestamp(last)][:count].values, dtype="datetime64[ns]")

    def between(self, first: Any, last: Any) -> Stamps:
        """Every stamp from ``first`` to ``last``."""
        if isinstance(self.length, int):
            return np.arange(first, last + 1, self.length)
        return np.asarray(pd.date_range(first, last, freq=self.length).values, dtype="datetime64[ns]")

    @property
    def season(self) -> int:
        """How many steps the usual season has: 24 for hours, 12 for months."""
        if isinstance(self.length, int):
            return 1
        offset = to_offset(self.length)
        code = str(offset.rule_code).partition("-")[0]
        usual = next((season for prefix, season in SEASONS if code.startswith(prefix)), 1)
        return max(1, usual // int(offset.n))


def step_of(found: SeriesSet) -> Step:
    """How far apart the stamps of the longest series are.

    Raises:
        DataError: No series has two steps.
    """
    longest = max(found.series, key=len)
    stamps = longest.stamps
    if len(stamps) < 2:
        raise DataError(
            f"No series has more than {len(stamps)} steps.",
            paths=[found.path] if found.path else [],
            possible="A series needs its look-back and its horizon at least.",
        )
    if not np.issubdtype(stamps.dtype, np.datetime64):
        return Step(int(_most_common(np.diff(stamps))))
    return Step(_frequency(pd.DatetimeIndex(stamps)))


def _frequency(index: pd.DatetimeIndex) -> str:
    """The frequency that most stamps keep."""
    if whole := _inferred(index):
        return whole
    # Gaps hide the frequency: it is looked for in the stretches between them.
    for start in range(0, len(index) - 10, 10):
        if part := _inferred(index[start : start + 10]):
            return part
    usual = pd.Timedelta(_most_common(np.diff(index.values)))
    return str(to_offset(usual).freqstr)


def _inferred(index: pd.DatetimeIndex) -> str | None:
    if len(index) < 3:
        return None
    with warnings.catch_warnings():
        # pandas 3.1 says that it will return an offset some day, which the next line takes too.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = pd.infer_freq(index)
    return None if found is None else str(getattr(found, "freqstr", found))


def _most_common(steps: npt.NDArray[Any]) -> Any:
    lengths, counts = np.unique(steps, return_counts=True)
    return lengths[counts.argmax()]


def checked(found: SeriesSet, *, sort: bool) -> SeriesSet:
    """Series whose stamps rise.

    Args:
        found: As it was read.
        sort: Whether stamps that do not rise are put in order.

    Raises:
        DataError: They do not rise, or one is there twice.
    """
    return SeriesSet(
        [_rising(each, found, sort) for each in found.series],
        found.targets,
        found.past,
        found.future,
        found.static,
        found.path,
    )


def _rising(series: Series, found: SeriesSet, sort: bool) -> Series:
    if sort:
        order = np.argsort(series.stamps, kind="stable")
        series = Series(series.name, series.stamps[order], series.values[order])
    steps = np.diff(series.stamps.astype("int64"))
    if (steps > 0).all():
        return series
    if (steps < 0).any():
        at = int((steps < 0).argmax())
        how = "descend" if (steps < 0).all() else "are not in order"
        raise DataError(
            f"The stamps {how}: {found.where(series, at + 1)} stands after {stamp_text(series.stamps[at])}.",
            paths=[found.path] if found.path else [],
            possible="Stamps rise from line to line.",
            next_step="Let them be put in order: dataset.sort=true",
        )
    if (steps == 0).any():
        at = int((steps == 0).argmax())
        count = int((steps == 0).sum())
        others = f", and {count - 1:,} others are" if count > 1 else ""
        raise DataError(
            f"A stamp is there twice: {found.where(series, at)}{others}.",
            paths=[found.path] if found.path else [],
            possible="A series has one line for each stamp; where there are several series, a column tells them apart.",
            next_step="Name the column that does: dataset.id_column=COLUMN, or leave one of the lines out.",
        )
    return series


def regular(found: SeriesSet, step: Step, policy: str) -> SeriesSet:
    """Series without a gap between stamps.

    Args:
        found: Series whose stamps rise.
        step: How far apart stamps are.
        policy: ``refuse`` gaps, ``fill`` them with missing values, or ``ignore`` that they are there.

    Raises:
        DataError: Stamps are missing, or lie between those that there should be.
    """
    if policy == "ignore":
        return found
    # Series that begin and end together share what is expected of them: making a range of dates takes long.
    between = lru_cache(step.between)
    series = [_without_gaps(each, found, step, policy, between) for each in found.series]
    return SeriesSet(series, found.targets, found.past, found.future, found.static, found.path)


def _without_gaps(
    series: Series, found: SeriesSet, step: Step, policy: str, between: Callable[[Any, Any], Stamps]
) -> Series:
    expected = between(series.stamps[0], series.stamps[-1])
    if len(expected) == len(series.stamps) and bool((expected == series.stamps).all()):
        return series
    irregular = ~np.isin(series.stamps, expected)
    absent = ~np.isin(expected, series.stamps)
    place = [found.path] if found.path else []
    if irregular.any():
        at = int(irregular.argmax())
        raise DataError(
            f"Stamps are irregular: most are {_apart(step)}, and {found.where(series, at)} is not "
            f"({int(irregular.sum()):,} are not).",
            paths=place,
            possible="A series has one value for each step; what is irregular has to be resampled.",
            next_step="Take the rows as they come, whatever their stamps: dataset.irregular=ignore",
        )
    if policy == "refuse":
        at = int(absent.argmax())
        count = int(absent.sum())
        many = f"{count:,} stamps are missing, the first is" if count > 1 else "A stamp is missing,"
        raise DataError(
            f"{many} {stamp_text(expected[at])} (steps are {_apart(step)}){_in(series, found)}.",
            paths=place,
            possible="fill puts the steps in with missing values, ignore takes the rows as they come.",
            next_step="Fill them: dataset.irregular=fill dataset.missing=forward",
        )
    values = np.full((len(expected), series.values.shape[1]), np.nan)
    values[~absent] = series.values
    statics = len(found.static)
    if statics:
        values[:, -statics:] = series.values[0, -statics:]
    return Series(series.name, expected, values)


def _in(series: Series, found: SeriesSet) -> str:
    several = f" in series {series.name!r}" if len(found.series) > 1 else ""
    if not found.path:
        return several
    return f"{several} of {found.path}" if several else f" in {found.path}"


def _apart(step: Step) -> str:
    return f"{step.length} apart" if isinstance(step.length, int) else f"of frequency {step.length!r}"
