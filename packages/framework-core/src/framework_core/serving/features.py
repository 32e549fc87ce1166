"""What can be said of an input in a few numbers, and of an answer in a few words: neither gives the input away."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from framework_core.serving.processing import Array

Values = dict[str, float | str]

MOST_VALUES = 64
"""Numbers of an input that are each a feature; of a larger one there are statistics."""

SHARES = "shares"
"""The column of an answer that says how much of the input each class has."""

MOST_SHARES = 30
"""Classes whose shares are told one by one."""


def statistics(values: Array) -> dict[str, float]:
    """The features of an input where its kind has none of its own.

    Args:
        values: One input of a network, without the batch axis. Whole numbers are tokens; a short row of numbers is the
            row of a table, and each of them a feature; of anything else there are the mean, the standard deviation,
            the ends, and the mean step between neighbours of the last axis.

    Returns:
        Numbers by name; NaN where there is none.
    """
    if values.dtype.kind in "iu":
        count = int(values.shape[-1]) if values.ndim else 1
        distinct = len(np.unique(values)) / values.size if values.size else math.nan
        return {"length": float(count), "distinct": distinct}
    numbers = values.astype(np.float64)
    if values.ndim == 1 and len(values) <= MOST_VALUES:
        return {f"value {number}": float(each) for number, each in enumerate(numbers, 1)}
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return dict.fromkeys(("mean", "spread", "least", "most", "step"), math.nan)
    steps = np.abs(np.diff(numbers, axis=-1)) if numbers.ndim else np.zeros(0)
    steps = steps[np.isfinite(steps)]
    return {
        "mean": float(known.mean()),
        "spread": float(known.std()),
        "least": float(known.min()),
        "most": float(known.max()),
        "step": float(steps.mean()) if steps.size else 0.0,
    }


def predicted(row: Mapping[str, Any], class_names: Collection[str]) -> Values:
    """What an answer says, without texts: names of classes, numbers, the mean of several, how many labels.

    Of several classes, those of words as those of a picture, it is the share of each that is told too, where there are
    few classes.

    Args:
        row: A row of an answer.
        class_names: The classes of the model. Any other text may be a person's words: its length stands for it.
    """
    found: Values = {}
    for name, value in row.items():
        if isinstance(value, str):
            found |= {name: value} if value in class_names else {f"{name} length": float(len(value))}
        elif isinstance(value, bool | int | float):
            found[name] = float(value)
        elif isinstance(value, list | tuple):
            found[name] = _of_several(value)
            found |= _shares(name, value, class_names)
        elif name == SHARES and isinstance(value, Mapping) and len(class_names) <= MOST_SHARES:
            found |= {f"{name} {each}": float(share) for each, share in value.items() if each in class_names}
    return found


def _shares(name: str, said: Sequence[Any], class_names: Collection[str]) -> Values:
    """The share of each class among several; nothing where they are none, or there are many classes."""
    if not said or len(class_names) > MOST_SHARES or not all(isinstance(each, str) for each in said):
        return {}
    counts = Counter(said)
    if not counts.keys() <= set(class_names):
        return {}
    return {f"{name} {each}": counts[each] / len(said) for each in class_names}


def _of_several(values: Any) -> float:
    """The mean of numbers, nested or not; how many there are of anything else, and of nothing."""
    if not len(values):
        return 0.0
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return float(len(values))
    known = numbers[np.isfinite(numbers)]
    return float(known.mean()) if known.size else math.nan
