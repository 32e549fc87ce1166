"""How well a model does on parts of its test, and on which of them two models differ."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from framework_core.errors import DataError, UnknownNameError
from framework_core.reports.kept_test import KeptTest, kept_test
from framework_core.reports.student import LEVEL, Mean, mean_of

FEWEST = 30
"""Samples below which a slice is small: its number is a matter of chance."""

PARTS = 4
"""Slices of a column of numbers, as many samples in each."""

MOST_SLICES = 200
POSITION = "position"
"""The place of a sample in the test: in a test of series that is time."""

SCORES = {"correct": "accuracy", "loss": "loss"}
"""What is measured, by the score of a sample."""


@dataclass(frozen=True)
class Slice:
    """A part of the test.

    Attributes:
        column: What it is cut by.
        value: Its value, or between which values it lies.
        samples: How many samples it has.
        mean: The metric with its 95 % interval; or the difference, the second less the first.
        rest: The same metric, or difference, of all other samples.
    """

    column: str
    value: str
    samples: int
    mean: Mean
    rest: float

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
        metric: What is measured: ``accuracy`` or ``loss``.
        samples: How many samples the whole has.
        whole: The metric, or the difference, of all of them.
        slices: The worst first, those that are small at the end; of two runs first where the second loses most.
        left_out: Columns with as many values as samples nearly, which cut nothing.
    """

    runs: tuple[str, ...]
    metric: str
    samples: int
    whole: Mean
    slices: tuple[Slice, ...]
    left_out: tuple[str, ...]


def slices(
    runs: Sequence[str], *, by: str = "", metric: str = "", tracking_uri: str = "", output_dir: Path | None = None
) -> Slices:
    """Measure a model on the slices of its test, or the difference of two on those of their common test.

    Args:
        runs: One or two: an id, the beginning of one, a name, a folder, ``last``; or ``NAME@STAGE``, ``NAME/NUMBER``.
        by: The column to cut by; empty takes all.
        metric: ``accuracy`` or ``loss``; empty takes the accuracy where there are classes.
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
        )
    score = _score(tested, metric)
    values = _scores(tested[0], score)
    if len(tested) == 2:
        values = [second - first for first, second in zip(values, _scores(tested[1], score), strict=True)]
    columns = _columns(tested[0].kept)
    if by and by not in columns:
        raise UnknownNameError("column", by, list(columns))
    chosen = {by: columns[by]} if by else columns
    measure = _Measure(values, share=score == "correct" and len(tested) == 1)
    cut = {name: _cut(column) for name, column in chosen.items()}
    left_out = [name for name, parts in cut.items() if not _cuts_something(parts, len(values))]
    found = [
        measure.slice(name, value, places)
        for name, parts in cut.items()
        if name not in left_out
        for value, places in parts.items()
    ]
    less = score == "loss"
    ranked = sorted((each for each in found if each is not None), key=lambda each: _badness(each, less=less))
    everything = measure.of([place for place, value in enumerate(values) if math.isfinite(value)])
    return Slices(
        runs=tuple(each.run for each in tested),
        metric=SCORES[score],
        samples=len(values),
        whole=everything,
        slices=tuple(ranked[:MOST_SLICES]),
        left_out=tuple(left_out),
    )


def _share(right: float, count: int) -> Mean:
    """A share with its 95 % interval (Wilson, Probable Inference, JASA 1927)."""
    found = binomtest(round(right), count).proportion_ci(LEVEL, method="wilson")
    return Mean(right / count, float(found.low), float(found.high))


@dataclass(frozen=True)
class _Measure:
    """Measures parts of the values of samples.

    Attributes:
        values: One of each sample; NaN where there is none.
        share: Whether they are 0 or 1, and their mean a share.
    """

    values: Sequence[float]
    share: bool

    def of(self, places: Sequence[int]) -> Mean:
        """The mean of some samples: a share with Wilson's interval, anything else with Student's."""
        chosen = [self.values[place] for place in places]
        if not chosen:
            return Mean(math.nan, math.nan, math.nan)
        if self.share:
            return _share(sum(chosen), len(chosen))
        return mean_of(chosen) if len(chosen) > 1 else Mean(chosen[0], -math.inf, math.inf)

    def slice(self, column: str, value: str, places: Sequence[int]) -> Slice | None:
        """A slice; nothing where none of its samples has a value."""
        known = [place for place in places if math.isfinite(self.values[place])]
        if not known:
            return None
        inside = set(known)
        others = [each for place, each in enumerate(self.values) if place not in inside and math.isfinite(each)]
        rest = statistics.fmean(others) if others else math.nan
        return Slice(column, value, len(known), self.of(known), rest)


def _badness(found: Slice, *, less: bool) -> tuple[bool, float]:
    return found.small, -found.mean.mean if less else found.mean.mean


def _scores(tested: KeptTest, name: str) -> list[float]:
    return [math.nan if value is None else float(value) for value in tested.kept["scores"][name]]


def _score(tested: Sequence[KeptTest], metric: str) -> str:
    known = [name for name in SCORES if all(name in each.kept["scores"] for each in tested)]
    if not known:
        raise DataError(
            f"The samples of the test of {tested[0].run!r} have no scores of their own.",
            possible="Windows of a series, words of a sentence and made texts depend on each other.",
            next_step="Look at the tables of the run: fw report RUN -o report.html",
        )
    names = {SCORES[name]: name for name in known}
    if metric and metric not in names:
        raise UnknownNameError("metric", metric, list(names))
    return names[metric] if metric else known[0]


def _columns(kept: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """What a test can be cut by."""
    return {**kept["groups"], **kept["features"], POSITION: [float(each) for each in kept["index"]]}


def _cut(column: Sequence[Any]) -> dict[str, list[int]]:
    """The places of each value; numbers of many values in parts of one size."""
    known = [value for value in column if value is not None]
    if any(isinstance(value, str) for value in known) or len(set(known)) <= PARTS:
        return _by_value([None if value is None else _text(value) for value in column])
    ends = sorted({statistics.quantiles(known, n=PARTS, method="inclusive")[part] for part in range(PARTS - 1)})
    names = [f"up to {ends[0]:.4g}", *(f"{a:.4g} to {b:.4g}" for a, b in pairwise(ends))]
    names.append(f"above {ends[-1]:.4g}")
    return _by_value([None if value is None else names[sum(value > end for end in ends)] for value in column])


def _by_value(column: Sequence[str | None]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, value in enumerate(column):
        if value is not None:
            found.setdefault(value, []).append(place)
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _cuts_something(parts: Mapping[str, Sequence[int]], count: int) -> bool:
    """Whether there are several slices, and not one for nearly each sample."""
    return 1 < len(parts) <= max(PARTS, count // 2)
