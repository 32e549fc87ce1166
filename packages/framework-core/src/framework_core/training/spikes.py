"""What a loss spike is: a loss far above the last ones, by their median and the median distance from it.

Median and distance hold where mean and standard deviation are drawn along by the outlier itself (Leys et al., Detecting
outliers, Journal of Experimental Social Psychology 49, 2013). Going back and leaving the batches out is what PaLM did
(Chowdhery et al., https://arxiv.org/abs/2204.02311, section 5.1).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

OF_A_NORMAL = 1.4826
"""The standard deviation of a normal distribution, in median distances."""

FEWEST = 8
"""Losses from which a median says something."""


def spike_limit(losses: Sequence[float], threshold: float) -> float:
    """Above which loss the next one is a spike; infinite where there are too few to say.

    Args:
        losses: The last losses.
        threshold: How many robust standard deviations above the median.
    """
    known = [loss for loss in losses if math.isfinite(loss)]
    if len(known) < FEWEST:
        return math.inf
    middle = statistics.median(known)
    distance = statistics.median(abs(loss - middle) for loss in known)
    # Losses that are all the same would make any other a spike.
    return middle + threshold * max(OF_A_NORMAL * distance, 0.01 * abs(middle))
