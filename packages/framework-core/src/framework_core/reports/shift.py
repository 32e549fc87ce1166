"""How far values have moved from those of the reference, and whether chance alone moves them so far."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from scipy import stats

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Value = float | str | None

MOST_BINS = 10
A_BIN = 10
"""Values of the smaller side for each bin: fewer make the index a matter of chance."""

MOST_CLASSES = 30
RARE = 5
"""A class with fewer answers than this on both sides is one of the others."""

OTHERS, MISSING = "others", "missing"

CHANCE = 0.01
"""How often chance alone may be taken for a shift, in all columns together."""


@dataclass(frozen=True)
class Shift:
    """A column on both sides.

    Attributes:
        part: Whether it is of what was asked, of what was answered, or of what the model makes of it inside.
        name: The column.
        psi: The population stability index; of embeddings a distance as a share of their variance.
        by_chance: What the index comes to by chance alone, at most, but for one comparison in a hundred.
        test: The test beside it: Kolmogorov's and Smirnov's of numbers, Pearson's of classes, or a distance.
        statistic: That test's statistic.
        p_value: How often chance alone gives as much.
        bins: The name of each bin.
        before: The share of the reference in each bin.
        now: The share of what is compared with it.
        counts: How many values there are on each side.
    """

    part: Literal["features", "predictions", "embeddings"]
    name: str
    psi: float
    by_chance: float
    test: Literal["KS", "chi-square", "Fréchet"]
    statistic: float
    p_value: float
    bins: tuple[str, ...]
    before: tuple[float, ...]
    now: tuple[float, ...]
    counts: tuple[int, int]

    def exceeds(self, limit: float) -> bool:
        """Whether it has moved further than a limit, and further than by chance."""
        return self.psi > limit and self.psi > self.by_chance


def shift_of(
    part: Literal["features", "predictions"],
    name: str,
    reference: Sequence[Value],
    found: Sequence[Value],
    *,
    columns: int = 1,
) -> Shift:
    """Compare a column with its reference.

    The population stability index is the sum over bins of ``(now - before) * ln(now / before)`` (Siddiqi, Credit Risk
    Scorecards, 2006, chapter 10), with half a value added to each bin. Of two samples of one distribution it is
    distributed as ``(1/n + 1/m)`` times chi-square with a degree of freedom less than there are bins (Yurdakul,
    Statistical Properties of Population Stability Index, Western Michigan University, 2018).

    Args:
        part: What it is of.
        name: The column.
        reference: Its values then; ``None`` is a missing one.
        found: Its values now.
        columns: How many are looked at: chance has as many chances.
    """
    if any(isinstance(value, str) for value in (*reference, *found)):
        bins, before, now = _classes(reference, found)
        statistic, p_value = _pearson(before, now)
        test: Literal["KS", "chi-square"] = "chi-square"
    else:
        one, other = _finite(reference), _finite(found)
        bins, before, now = _binned(one, other, len(reference) - len(one), len(found) - len(other))
        statistic, p_value = _kolmogorov_smirnov(one, other)
        test = "KS"
    sizes = (int(before.sum()), int(now.sum()))
    by_chance = _by_chance(len(bins) - 1, columns) * (1 / sizes[0] + 1 / sizes[1])
    return Shift(
        part=part,
        name=name,
        psi=_index(before, now),
        by_chance=by_chance,
        test=test,
        statistic=statistic,
        p_value=p_value,
        bins=bins,
        before=tuple((before / before.sum()).tolist()),
        now=tuple((now / now.sum()).tolist()),
        counts=sizes,
    )


def _by_chance(freedom: int, columns: int) -> float:
    return float(stats.chi2.ppf(1 - CHANCE / columns, freedom)) if freedom else 0.0


def _kolmogorov_smirnov(one: Numbers, other: Numbers) -> tuple[float, float]:
    """The largest distance of two distribution functions, and how often chance alone gives as much."""
    if not len(one) or not len(other):
        return math.nan, math.nan
    found = stats.ks_2samp(one, other, method="asymp")
    return float(found.statistic), float(found.pvalue)


def _index(before: Numbers, now: Numbers) -> float:
    shares = [(side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (before, now)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _binned(one: Numbers, other: Numbers, lost: int, lost_now: int) -> tuple[tuple[str, ...], Numbers, Numbers]:
    """How many values lie between quantiles of the reference; missing ones are a bin of their own."""
    most = max(2, min(MOST_BINS, min(len(one), len(other)) // A_BIN))
    edges = _edges(one, most)
    counts = [np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (one, other)]
    names = _names(edges)
    if lost or lost_now:
        names.append(MISSING)
        counts = [np.append(side, missing) for side, missing in zip(counts, (lost, lost_now), strict=True)]
    used = (counts[0] + counts[1]) > 0
    before, now = (side[used].astype(np.float64) for side in counts)
    return tuple(name for name, kept in zip(names, used, strict=True) if kept), before, now


def _edges(values: Numbers, most: int) -> Numbers:
    distinct = np.unique(values)
    if len(distinct) > most:
        return np.unique(np.quantile(values, np.linspace(0, 1, most + 1)[1:-1]))
    if not len(distinct):
        return distinct
    # A few values, each its own bin, and one on either side for what was never seen.
    apart = 1e-6 * max(1.0, float(np.abs(distinct).max()))
    return np.concatenate([[distinct[0] - apart], (distinct[1:] + distinct[:-1]) / 2, [distinct[-1] + apart]])


def _names(edges: Numbers) -> list[str]:
    ends = [f"{edge:.4g}" for edge in edges]
    if not ends:
        return ["all"]
    between = [f"{low} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *between, f"above {ends[-1]}"]


def _classes(reference: Sequence[Value], found: Sequence[Value]) -> tuple[tuple[str, ...], Numbers, Numbers]:
    before, now = (Counter(MISSING if value is None else str(value) for value in side) for side in (reference, found))
    both = before + now
    kept = [name for name, _ in both.most_common(MOST_CLASSES) if max(before[name], now[name]) >= RARE]
    rest = [side.total() - sum(side[name] for name in kept) for side in (before, now)]
    counts = [np.array([side[name] for name in kept], dtype=np.float64) for side in (before, now)]
    if any(rest):
        kept.append(OTHERS)
        counts = [np.append(side, left) for side, left in zip(counts, rest, strict=True)]
    return tuple(kept), counts[0], counts[1]


def _pearson(before: Numbers, now: Numbers) -> tuple[float, float]:
    """Chi-square of two rows of counts (Pearson, On the Criterion, Philosophical Magazine 1900)."""
    found = stats.chi2_contingency(np.stack([before, now]), correction=False)
    return float(found.statistic), float(found.pvalue)


def _finite(values: Sequence[Value]) -> Numbers:
    numbers = np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)
    return numbers[np.isfinite(numbers)]
