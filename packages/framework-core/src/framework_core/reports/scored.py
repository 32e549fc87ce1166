"""The metric of any part of a test, from the scores of its samples, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from framework_core.reports.student import LEVEL, Mean, reach_of

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.int64]]
NOTHING = Mean(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Scored:
    """A score of the samples of a test.

    Attributes:
        values: One of each sample; NaN where there is none.
        weights: How much each counts.
        clusters: The number of the cluster of each; empty where each is its own.
        share: Whether they are 0 or 1 and count alike, and their mean is a share.
    """

    values: Numbers
    weights: Numbers
    clusters: Numbers
    share: bool

    @classmethod
    def of(cls, kept: Mapping[str, Any], clusters: Sequence[int]) -> Scored:
        """A score as a run has kept it.

        Args:
            kept: ``values``, and ``weights`` where samples do not count alike.
            clusters: The cluster of each sample; empty where each is its own.
        """
        values = np.array(kept["values"], dtype=np.float64)
        weights = np.array(kept.get("weights", np.ones_like(values)), dtype=np.float64)
        # What weighs nothing says nothing, and is no sample without a value either.
        values = np.where(weights == 0, 0.0, values)
        known = values[np.isfinite(values)]
        share = "weights" not in kept and not len(clusters) and bool(np.isin(known, (0.0, 1.0)).all())
        return cls(values, weights, np.array(clusters, dtype=np.float64), share)

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.values)

    @staticmethod
    def difference(scored: Sequence[Scored], places: Sequence[int]) -> tuple[Mean, int]:
        """The metric of some samples, or by how much the second score of them lies above the first.

        The metric is a ratio of two sums, and the variance is that of its linear part (Cochran, Sampling Techniques,
        1977, section 6.4), of clusters where there are such (the same, section 9A.3). A share of samples that
        count alike has Wilson's interval (Probable Inference, JASA 1927).

        Args:
            scored: One or two.
            places: Which samples.

        Returns:
            It, and of how many samples with a value it is; with no interval where that is one sample or cluster.
        """
        chosen = np.asarray(places, dtype=np.int64)
        known = chosen[np.all([np.isfinite(each.values[chosen]) for each in scored], axis=0)]
        sizes = [float(each.weights[known].sum()) for each in scored]
        if not len(known) or min(sizes) <= 0:
            return NOTHING, 0
        count = int(np.any([each.weights[known] > 0 for each in scored], axis=0).sum())
        means = [each.mean(known) for each in scored]
        middle = means[-1] - (means[0] if len(scored) == 2 else 0.0)
        if len(scored) == 1 and scored[0].share:
            return _share(middle, count), count
        signs = (-1.0, 1.0) if len(scored) == 2 else (1.0,)
        off = np.sum(
            [
                sign * each.weights[known] * (each.values[known] - mean) / size
                for sign, each, mean, size in zip(signs, scored, means, sizes, strict=True)
            ],
            axis=0,
        )
        if len(scored[0].clusters):
            _, numbers = np.unique(scored[0].clusters[known], return_inverse=True)
            off = np.bincount(numbers, weights=off)
        reach = reach_of(off)
        most = 1.0 if all(each.share for each in scored) else math.inf
        return Mean(middle, max(middle - reach, -most), min(middle + reach, most)), count

    def mean(self, places: Places) -> float:
        """The weighted mean of some samples, all of which have a value."""
        return float(np.average(self.values[places], weights=self.weights[places]))


def rest_of(parts: Sequence[Sequence[Scored]]) -> float:
    """The metric, or the difference, of several parts together; NaN where there is none.

    Args:
        parts: One score of each part, or two.
    """
    if not parts:
        return math.nan
    together = [
        Scored(
            np.concatenate([part[run].values for part in parts]),
            np.concatenate([part[run].weights for part in parts]),
            np.empty(0),
            share=False,
        )
        for run in range(len(parts[0]))
    ]
    return Scored.difference(together, range(together[0].count))[0].mean


def _share(share: float, count: int) -> Mean:
    found = binomtest(round(share * count), count).proportion_ci(LEVEL, method="wilson")
    return Mean(share, float(found.low), float(found.high))
