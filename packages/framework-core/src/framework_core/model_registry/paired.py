"""How much better one version is than another, draw by draw of the same samples.

Paired bootstrap: both models are measured on the same draws of the test, so that what makes a draw easy or hard is in
both numbers and not in their difference (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8;
Koehn, Statistical Significance Tests for Machine Translation Evaluation, EMNLP 2004).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from framework_core.tracking.lookup import RESAMPLED


@dataclass(frozen=True)
class Difference:
    """How much better one is than the other.

    Attributes:
        least: What it is better by at least, as surely as was asked for; less than 0 where it may be worse.
        mean: What it is better by on the mean of all draws.
        draws: How many draws there are.
        samples: How many samples each has.
    """

    least: float
    mean: float
    draws: int
    samples: int


def paired_difference(
    metric: str, ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None, confidence: float, *, best: str
) -> Difference | str:
    """Compare two tests that were drawn again many times.

    Args:
        metric: What is compared.
        ours: The test of the one that is to be better.
        theirs: The test of the other.
        confidence: How sure the difference has to be, between 0.5 and 1.
        best: ``min`` where less is better, else ``max``.

    Returns:
        The difference; or why there is none, in words with ``{candidate}`` and ``{holder}``.
    """
    if ours is None or theirs is None:
        who = "{candidate}" if ours is None else "{holder}"
        return f"{who} has no {RESAMPLED}, by which tests are compared: train it with mlops.report=true, on one device"
    if any(ours[key] != theirs[key] for key in ("samples", "target", "drawn")):
        return "{candidate} and {holder} were not tested on the same samples"
    if metric not in ours["metrics"] or metric not in theirs["metrics"]:
        return f"tests are not compared by {metric!r}; there are {', '.join(sorted(ours['metrics']))}"
    sign = -1.0 if best == "min" else 1.0
    pairs = zip(ours["metrics"][metric], theirs["metrics"][metric], strict=False)
    better = sorted(sign * (one - other) for one, other in pairs if not math.isnan(one - other))
    if not better:
        return f"{metric!r} is not a number in any draw"
    # The quantile whose tail is as unlikely as was asked for.
    position = math.floor((1 - confidence) * (len(better) - 1))
    return Difference(better[position], statistics.fmean(better), len(better), int(ours["samples"]))
