"""Series of a file as a model was trained on them: their order, their stamps, their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from framework_core.errors import DataError
from framework_plugins_timeseries.calendar_features import calendar
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.scaling import Scaler
from framework_plugins_timeseries.series import Array, Series, SeriesSet
from framework_plugins_timeseries.stamps import Step, checked, regular


@dataclass(frozen=True)
class Policies:
    """What is done with series that are not as they should be, and what is known of their stamps.

    Attributes:
        sort: Whether steps that are not in order are put in order.
        irregular: What is done with missing stamps: ``refuse``, ``fill`` or ``ignore``.
        missing: What stands for a missing value: ``refuse``, ``forward``, ``interpolate`` or ``zero``.
        calendar: What of the calendar is known to the model.
    """

    sort: bool = False
    irregular: str = "refuse"
    missing: str = "refuse"
    calendar: Sequence[str] = ()


@dataclass(frozen=True)
class Known:
    """What a model knows of series.

    Attributes:
        layout: What the columns are.
        scaler: The scales of training.
        step: How far apart stamps are.
        numbers: The number of each series that it was trained on, by its name.
        policies: What is done with what is not as it should be.
    """

    layout: Layout
    scaler: Scaler
    step: Step
    numbers: Mapping[str, int]
    policies: Policies

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any], policies: Policies) -> Known:
        """From the facts of the data."""
        layout, scaler = Layout.of_facts(facts["layout"]), Scaler.of(facts["scaler"])
        numbers = {name: number for number, name in enumerate(facts["series"])}
        return cls(layout, scaler, Step(facts["step"]), numbers, policies)

    @property
    def several(self) -> bool:
        """Whether it was trained on more than one series."""
        return len(self.numbers) > 1

    def regular(self, read: SeriesSet) -> SeriesSet:
        """Series in order, without gaps between stamps, their targets as those of training.

        Raises:
            DataError: They are not so, and that is refused, or there are other columns.
        """
        found = _with_targets(read, self.layout.targets)
        return regular(checked(found, sort=self.policies.sort), self.step, self.policies.irregular)


def settings_of(facts: Mapping[str, Any], policies: Policies) -> dict[str, Any]:
    """What ``Known.of_facts`` is made from again, as JSON has it."""
    kept = {name: facts[name] for name in ("layout", "scaler", "step", "series")}
    return {"facts": kept, "policies": {**asdict(policies), "calendar": list(policies.calendar)}}


def with_added(series: Series, number: int, found: SeriesSet, features: Sequence[str], *, several: bool) -> Array:
    """The columns that were read, with those of the calendar and the number of the series in their places.

    Args:
        series: The series.
        number: Its number.
        found: Says which columns there are.
        features: What of the calendar is known to the model.
        several: Whether there is more than one series.
    """
    parts = [series.values]
    if features:
        behind = len(found.columns) - len(found.static)
        parts = [series.values[:, :behind], calendar(series.stamps, features), series.values[:, behind:]]
    if several:
        parts.append(np.full((len(series), 1), float(number)))
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def _with_targets(found: SeriesSet, wanted: tuple[str, ...]) -> SeriesSet:
    """Targets in the order of training, where they are called the same; else as many."""
    targets = found.targets
    if targets == wanted:
        return found
    if sorted(targets) == sorted(wanted):
        order = [targets.index(name) for name in wanted] + list(range(len(targets), len(found.columns)))
        series = [replace(each, values=each.values[:, order]) for each in found.series]
        return replace(found, series=series, targets=wanted)
    if len(targets) != len(wanted):
        raise _other_targets(found, wanted, found.path)
    return found


def _other_targets(found: SeriesSet, wanted: Sequence[str], path: Path | None) -> DataError:
    there, before = (f"{len(each):,} ({', '.join(each[:8])})" for each in (found.targets, tuple(wanted)))
    return DataError(
        f"{path or 'The data'} has other columns of values than the model was trained on: {there} and not {before}.",
        paths=[path] if path else [],
        possible="A file to predict from has the columns of the data that was learned.",
        next_step="Name them, where there are others beside: dataset.targets=[COLUMN]",
    )
