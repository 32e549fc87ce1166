"""The window at the end of each series of a file, and the steps that come after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework_core.errors import DataError
from framework_plugins_timeseries.calendar_features import calendar
from framework_plugins_timeseries.known_series import Known
from framework_plugins_timeseries.layout import SERIES, Layout
from framework_plugins_timeseries.scaling import Scaler, as_float32, scale_for
from framework_plugins_timeseries.series import Series, SeriesSet, Stamps, stamp_text, without_missing

FORECAST = ("forecast", "low", "high")
"""What is said of each step and target."""


@dataclass(frozen=True)
class ComingWindow:
    """What a model is given of a series, and what its answer is about.

    Attributes:
        values: What it is given, ``(rows, columns)``, on the scale that models see.
        name: The series.
        stamps: The steps that come.
        targets: What is predicted.
        scaler: The scales.
        place: The one of this series.
    """

    values: npt.NDArray[np.float32]
    name: str
    stamps: Stamps
    targets: tuple[str, ...]
    scaler: Scaler
    place: int

    def rows(self, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A row for each step and target: the forecast and its interval, on the scale of the data.

        Args:
            said: ``forecast``, ``low`` and ``high``, ``(steps, targets)`` each, where they are there; ``level``.
        """
        columns = {
            key: self.scaler.undo(np.asarray(said[key], dtype=float), self.place, len(self.targets))
            for key in FORECAST
            if key in said
        }
        level = {} if said.get("level") is None else {"level": said["level"]}
        return [
            {
                **({"unique_id": self.name} if self.name else {}),
                "ds": stamp_text(stamp),
                "target": target,
                **{key: float(values[step, column]) for key, values in columns.items()},
                **level,
            }
            for step, stamp in enumerate(self.stamps)
            for column, target in enumerate(self.targets)
        ]


def coming_windows(read: SeriesSet, known: Known, path: Path) -> list[ComingWindow]:
    """The window at the end of each series of a file.

    Args:
        read: The series, as they were read.
        known: What the model knows of series.
        path: The file, for people.

    Raises:
        DataError: A series is too short or not as it should be, or what is to be known ahead is not there.
    """
    found = known.regular(read)
    windows = []
    for series in found.series:
        ahead = _steps_ahead(series, found)
        filled = without_missing(_only(series, found), known.policies.missing, ahead=ahead).series[0]
        _check(filled, found, ahead, known.layout, path)
        windows.append(_window(filled, len(filled) - ahead, found, known, path))
    return windows


def _check(series: Series, found: SeriesSet, ahead: int, layout: Layout, path: Path) -> None:
    given = len(found.future)
    if len(series) - ahead < layout.look_back:
        raise DataError(
            f"{found.where(series, 0)}: {len(series) - ahead:,} steps, and the model looks back {layout.look_back:,}.",
            paths=[path],
            possible="A file to predict from has the model's look-back at least.",
            next_step=f"Give it {layout.look_back:,} steps or more before what is to be predicted.",
        )
    if given and ahead < layout.horizon:
        last = stamp_text(series.stamps[-1])
        raise DataError(
            f"The covariates {', '.join(found.future)} of {path} stop at {last}: {ahead:,} steps are known ahead, "
            f"and the horizon is {layout.horizon:,}.",
            paths=[path],
            possible="Covariates that are known ahead reach to the end of the horizon; targets are empty there.",
            next_step=f"Add {layout.horizon - ahead:,} lines to {path} with stamps and these covariates.",
        )
    if given:
        first = len(found.targets) + len(found.past)
        coming = series.values[len(series) - ahead :][: layout.horizon, first : first + given]
        if not np.isfinite(coming).all():
            step, column = np.argwhere(~np.isfinite(coming))[0]
            raise DataError(
                f"{found.where(series, len(series) - ahead + int(step))}: {found.future[column]} is missing, and "
                "the model has to know it ahead.",
                paths=[path],
            )


def _window(series: Series, end: int, found: SeriesSet, known: Known, path: Path) -> ComingWindow:
    layout, features = known.layout, known.policies.calendar
    own = len(found.columns) - len(found.static)
    begin = end - layout.look_back
    stamps = known.step.after(series.stamps[end - 1], layout.horizon)
    behind = series.values[begin:end]
    parts = [behind[:, :own], calendar(series.stamps[begin:end], features), behind[:, own:]]
    if layout.future:
        ahead = series.values[end : end + layout.horizon, :own] if found.future else np.zeros((layout.horizon, own))
        fixed = np.repeat(behind[:1, own:], layout.horizon, axis=0)
        beyond = [ahead, calendar(stamps, features), fixed]
        parts = [np.concatenate(pair) for pair in zip(parts, beyond, strict=True)]
    number = known.numbers.get(series.name)
    columns = len(found.targets) + len(found.past)
    scaler, place = scale_for(known.scaler, number, known.several, behind, columns)
    values = np.concatenate(parts, axis=1)
    if SERIES in layout.static and SERIES not in found.static:
        values = np.concatenate([values, np.full((len(values), 1), -1.0 if number is None else float(number))], axis=1)
    scaled = scaler.apply(values, place)
    scaled[layout.look_back :, : layout.ends[1]] = 0.0
    return ComingWindow(as_float32(scaled, path), series.name, stamps, layout.targets, scaler, place)


def _only(series: Series, found: SeriesSet) -> SeriesSet:
    return SeriesSet([series], found.targets, found.past, found.future, found.static, found.path)


def _steps_ahead(series: Series, found: SeriesSet) -> int:
    """The steps at the end that have no target yet, where covariates are known ahead."""
    if not found.future:
        return 0
    known = ~np.isnan(series.values[:, : len(found.targets)]).all(axis=1)
    return len(series) - 1 - int(np.flatnonzero(known)[-1]) if known.any() else len(series)
