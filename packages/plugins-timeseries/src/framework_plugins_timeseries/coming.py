"""What comes after the end of a file's series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from framework_core import DataError
from framework_plugins_timeseries.calendar_features import calendar
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.scaling import Scaler, scale_for
from framework_plugins_timeseries.series import Array, Series, SeriesSet, Stamps, stamp_text, without_missing
from framework_plugins_timeseries.stamps import Step


class ComingSteps(Dataset[Tensor]):
    """One window at the end of each series; its rows are the steps that follow.

    Args:
        layout: What the columns are.
        scaler: The scales that the model was trained with.
        step: How far apart stamps are.
        names: The series that the model was trained on.
    """

    def __init__(self, layout: Layout, scaler: Scaler, step: Step, names: Sequence[str]) -> None:
        self._layout = layout
        self._scaler = scaler
        self._step = step
        self._numbers = {name: number for number, name in enumerate(names)}
        self._inputs: list[Tensor] = []
        self._ahead: list[tuple[Path, str, Stamps, Scaler, int]] = []

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> Tensor:
        return self._inputs[index]

    def add(self, found: SeriesSet, path: Path, *, missing: str, calendar_names: Sequence[str]) -> None:
        """Take the series of a file.

        Raises:
            DataError: One is too short, or what is to be known ahead is not there.
        """
        given = len(found.future)
        for series in found.series:
            ahead = _steps_ahead(series, found)
            filled = without_missing(_only(series, found), missing, ahead=ahead).series[0]
            self._check(filled, found, ahead, given, path)
            end = len(filled) - ahead
            stamps = self._step.after(filled.stamps[end - 1], self._layout.horizon)
            self._take(filled, end, stamps, found, path, calendar_names)

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """One row for each step and target: the forecast and its interval, on the scale of the data."""
        found = []
        series = 0
        for batch in batches:
            level = batch.get("level")
            for index in range(len(batch["forecast"])):
                path, name, stamps, scaler, number = self._ahead[series]
                columns = {
                    key: scaler.undo(batch[key][index].double().cpu().numpy(), number, len(self._layout.targets))
                    for key in ("forecast", "low", "high")
                    if key in batch
                }
                found += _rows(path, name, stamps, self._layout.targets, columns, level)
                series += 1
        return found

    def _check(self, series: Series, found: SeriesSet, ahead: int, given: int, path: Path) -> None:
        layout = self._layout
        if len(series) - ahead < layout.look_back:
            raise DataError(
                f"{found.where(series, 0)}: {len(series) - ahead:,} steps, and the model looks back "
                f"{layout.look_back:,}.",
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

    def _take(
        self, series: Series, end: int, stamps: Stamps, found: SeriesSet, path: Path, calendar_names: Sequence[str]
    ) -> None:
        layout = self._layout
        own = len(found.columns) - len(found.static)
        begin = end - layout.look_back
        behind = series.values[begin:end]
        parts = [behind[:, :own], calendar(series.stamps[begin:end], calendar_names), behind[:, own:]]
        if layout.future:
            known = series.values[end : end + layout.horizon, :own] if found.future else np.zeros((layout.horizon, own))
            fixed = np.repeat(behind[:1, own:], layout.horizon, axis=0)
            beyond = [known, calendar(stamps, calendar_names), fixed]
            parts = [np.concatenate(pair) for pair in zip(parts, beyond, strict=True)]
        number = self._numbers.get(series.name)
        columns = len(found.targets) + len(found.past)
        scaler, place = scale_for(self._scaler, number, len(self._numbers) > 1, behind, columns)
        values = np.concatenate(parts, axis=1)
        if "series" in layout.static and "series" not in found.static:
            values = np.concatenate(
                [values, np.full((len(values), 1), -1.0 if number is None else float(number))], axis=1
            )
        scaled = scaler.apply(values, place)
        scaled[layout.look_back :, : layout.ends[1]] = 0.0
        self._inputs.append(torch.from_numpy(scaled.astype(np.float32)))
        self._ahead.append((path, series.name, stamps, scaler, place))


def _only(series: Series, found: SeriesSet) -> SeriesSet:
    return SeriesSet([series], found.targets, found.past, found.future, found.static, found.path)


def _steps_ahead(series: Series, found: SeriesSet) -> int:
    """The steps at the end that have no target yet, where covariates are known ahead."""
    if not found.future:
        return 0
    known = ~np.isnan(series.values[:, : len(found.targets)]).all(axis=1)
    return len(series) - 1 - int(np.flatnonzero(known)[-1]) if known.any() else len(series)


def _rows(
    path: Path, name: str, stamps: Stamps, targets: Sequence[str], columns: Mapping[str, Array], level: float | None
) -> list[dict[str, Any]]:
    found = []
    for step, stamp in enumerate(stamps):
        for column, target in enumerate(targets):
            row: dict[str, Any] = {"path": str(path)}
            row |= {"unique_id": name} if name else {}
            row |= {"ds": stamp_text(stamp), "target": target}
            row |= {key: float(values[step, column]) for key, values in columns.items()}
            row |= {} if level is None else {"level": level}
            found.append(row)
    return found
