"""How well a model does on parts of its test, and on which of them two models differ."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from framework_core.errors import DataError, UnknownNameError, quoted
from framework_core.reports.kept_test import KeptTest, kept_test
from framework_core.reports.scored import Scored, rest_of
from framework_core.reports.spans import quarters
from framework_core.reports.student import Mean

FEWEST = 30
"""Samples below which a slice is small: its number is a matter of chance."""

PARTS = 4
"""Slices of a column of numbers, as many samples in each."""

MOST_SLICES = 200
POSITION = "position"
"""The place of a sample in the test: in a test of series that is time."""


@dataclass(frozen=True)
class Slice:
    """A part of the test.

    Attributes:
        column: What it is cut by.
        value: Its value, or between which values it lies.
        samples: How many samples it has.
        mean: The metric with its 95 % interval; or the difference, the second less the first.
        rest: The same metric, or difference, of all others.
        place: Its place among those of its column: numbers and times rise.
    """

    column: str
    value: str
    samples: int
    mean: Mean
    rest: float
    place: int = 0

    @property
    def small(self) -> bool:
        """Whether it has too few samples to rely on."""
        return self.samples < FEWEST

    @property
    def apart(self) -> bool:
        """Whether its interval does not hold what all others come to."""
        return math.isfinite(self.rest) and not self.mean.low <= self.rest <= self.mean.high


@dataclass(frozen=True)
class Slices:
    """The slices of a test.

    Attributes:
        runs: The run; or two, whose difference is told.
        metric: What is measured: ``accuracy``, ``loss``, ``mae``.
        metrics: All that could be.
        less_is_better: Whether it is a loss or an error.
        samples: How many samples the whole has.
        whole: The metric, or the difference, of all of them.
        slices: The worst first, those that are small at the end; of two runs first where the second loses most.
        left_out: Columns with as many values as samples nearly, which cut nothing.
        clustered: Whether samples depend on each other, and intervals are told from clusters of them.
    """

    runs: tuple[str, ...]
    metric: str
    metrics: tuple[str, ...]
    less_is_better: bool
    samples: int
    whole: Mean
    slices: tuple[Slice, ...]
    left_out: tuple[str, ...]
    clustered: bool


def slices(
    runs: Sequence[str], *, by: str = "", metric: str = "", tracking_uri: str = "", output_dir: Path | None = None
) -> Slices:
    """Measure a model on the slices of its test, or the difference of two on those of their common test.

    Args:
        runs: One or two: an id, the beginning of one, a name, a folder, ``last``; or ``NAME@STAGE``, ``NAME/NUMBER``.
        by: The column to cut by; empty takes all.
        metric: ``accuracy``, ``loss`` or what else the test has of single samples; empty takes the first.
        tracking_uri: The store; empty takes the one that has each run.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        DataError: A run has kept nothing of its test, or two were not tested on the same samples.
        UnknownNameError: There is no such column or metric.
    """
    tested = [kept_test(run, tracking_uri=tracking_uri, output_dir=output_dir) for run in runs]
    if len(tested) == 2 and any(tested[0].kept[key] != tested[1].kept[key] for key in ("target", "index")):
        raise DataError(
            f"{tested[0].run} and {tested[1].run} were not tested on the same samples.",
            possible="Where two models differ is told from a test that both have had.",
            next_step=f"Measure each by itself: fw slices {quoted(tested[1].run)}",
        )
    names = _metrics(tested)
    if metric and metric not in names:
        raise UnknownNameError("metric", metric, names)
    metric = metric or names[0]
    kept = [each.kept["scores"][metric] for each in tested]
    clusters = tested[0].kept["clusters"]
    scored = [Scored.of(each, clusters) for each in kept]
    columns = _columns(tested[0].kept)
    parts = _parts(kept, clusters)
    known = list(dict.fromkeys([*parts, *columns]))
    if by and by not in known:
        raise UnknownNameError("column", by, known)
    cut = {name: cut_of(column) for name, column in columns.items() if by in ("", name) and name not in parts}
    left_out = [name for name, places in cut.items() if not _cuts_something(places, scored[0].count)]
    found = [
        _slice(name, value, scored, places, number)
        for name, values in cut.items()
        if name not in left_out
        for number, (value, places) in enumerate(values.items())
    ]
    found += [each for name, of_name in parts.items() if by in ("", name) for each in _slices_of_parts(name, of_name)]
    less = bool(kept[0].get("less_is_better"))
    ranked = sorted((each for each in found if each is not None), key=lambda each: _badness(each, less=less))
    return Slices(
        runs=tuple(each.run for each in tested),
        metric=metric,
        metrics=tuple(names),
        less_is_better=less,
        samples=scored[0].count,
        whole=Scored.difference(scored, range(scored[0].count))[0],
        slices=tuple(ranked[:MOST_SLICES]),
        left_out=tuple(left_out),
        clustered=bool(clusters),
    )


def _slice(column: str, value: str, scored: Sequence[Scored], places: Sequence[int], number: int) -> Slice | None:
    """A slice; nothing where none of its samples has a value."""
    mean, count = Scored.difference(scored, places)
    if not count:
        return None
    inside = set(places)
    others = [place for place in range(scored[0].count) if place not in inside]
    return Slice(column, value, count, mean, Scored.difference(scored, others)[0].mean, number)


def _slices_of_parts(column: str, parts: Mapping[str, Sequence[Scored]]) -> list[Slice]:
    """What a score says of parts of samples: the steps of forecasts, the classes of pixels."""
    found = []
    for number, (value, scored) in enumerate(parts.items()):
        mean, count = Scored.difference(scored, range(scored[0].count))
        others = [each for name, each in parts.items() if name != value]
        if count:
            found.append(Slice(column, value, count, mean, rest_of(others), number))
    return found


def _parts(kept: Sequence[Mapping[str, Any]], clusters: Sequence[int]) -> dict[str, dict[str, list[Scored]]]:
    """The parts that all runs have, by column and name."""
    first = kept[0].get("parts", {})
    return {
        column: {
            name: [Scored.of(each["parts"][column][name], clusters) for each in kept]
            for name in first[column]
            if all(name in each.get("parts", {}).get(column, {}) for each in kept)
        }
        for column in first
    }


def _badness(found: Slice, *, less: bool) -> tuple[bool, float]:
    return found.small, -found.mean.mean if less else found.mean.mean


def _metrics(tested: Sequence[KeptTest]) -> list[str]:
    """What all of the runs have of single samples, the most telling first."""
    found = [name for name in tested[0].kept["scores"] if all(name in each.kept["scores"] for each in tested)]
    if not found:
        raise DataError(
            f"The samples of the test of {tested[0].run!r} have no scores of their own.",
            possible="A model has those whose test_step returns outputs and target, or that has scored_samples.",
            next_step="Look at the tables of the run: fw report RUN -o report.html",
        )
    return found


def _columns(kept: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """What a test can be cut by; each column of times as a ``Times``."""
    times = {name: Times(values) for name, values in kept["times"].items()}
    return {**times, **kept["groups"], **kept["features"], POSITION: [float(each) for each in kept["index"]]}


class Times(list[Any]):
    """When each sample was."""


def cut_of(column: Sequence[Any]) -> dict[str, list[int]]:
    """The places of each value; numbers of many values in parts of one size, times in quarters of their span."""
    if isinstance(column, Times):
        return _by_value(*quarters(column))
    known = [value for value in column if value is not None]
    if any(isinstance(value, str) for value in known):
        return _by_value([None if value is None else str(value) for value in column], list(dict.fromkeys(known)))
    if len(set(known)) <= PARTS:
        names = [_text(value) for value in sorted(set(known))]
        return _by_value([None if value is None else _text(value) for value in column], names)
    ends = sorted({statistics.quantiles(known, n=PARTS, method="inclusive")[part] for part in range(PARTS - 1)})
    names = [f"up to {ends[0]:.4g}", *(f"{a:.4g} to {b:.4g}" for a, b in pairwise(ends))]
    names.append(f"above {ends[-1]:.4g}")
    return _by_value([None if value is None else names[sum(value > end for end in ends)] for value in column], names)


def _by_value(column: Sequence[str | None], names: Sequence[str]) -> dict[str, list[int]]:
    """The places of each name that is there, in the order of names."""
    found: dict[str, list[int]] = {name: [] for name in names}
    for place, value in enumerate(column):
        if value is not None:
            found[value].append(place)
    return {name: places for name, places in found.items() if places}


def _text(value: float) -> str:
    return f"{value:.4g}"


def _cuts_something(parts: Mapping[str, Sequence[int]], count: int) -> bool:
    """Whether there are several slices, and not one for nearly each sample."""
    return 1 < len(parts) <= max(PARTS, count // 2)
