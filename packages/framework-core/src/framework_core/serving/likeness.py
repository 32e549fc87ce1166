"""How far two answers lie from each other."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from framework_core.serving.processing import Row


def difference(found: Sequence[Row], expected: Sequence[Row], tolerance: float) -> str:
    """What the rows of one file differ in, in a few words; empty where they say the same.

    A value that is a file of its own, as a mask is, stands beside the table of a prediction, and is not looked at.

    Args:
        found: The rows that are looked at.
        expected: What they should be.
        tolerance: How far numbers may lie from each other, as a share of the number where it is above one.
    """
    if len(found) != len(expected):
        return f"{len(found)} rows in place of {len(expected)}"
    for whole, other in zip(found, expected, strict=True):
        row = {column: value for column, value in whole.items() if column in other or not _is_file(value)}
        if set(row) != set(other):
            return f"the columns {', '.join(row)} in place of {', '.join(other)}"
        for column, value in other.items():
            if distance(row[column], value) > tolerance and not _is_tie(row, other, tolerance):
                return f"{column} {_short(row[column])} in place of {_short(value)}"
    return ""


def distance(found: Any, expected: Any) -> float:
    """How far two values of a row lie from each other; infinity where they are no numbers and differ."""
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping) or list(found) != list(expected):
            return math.inf
        return max((distance(found[key], value) for key, value in expected.items()), default=0.0)
    if isinstance(expected, list | tuple):
        if not isinstance(found, list | tuple) or len(found) != len(expected):
            return math.inf
        return max((distance(one, other) for one, other in zip(found, expected, strict=True)), default=0.0)
    if isinstance(expected, bool) or not isinstance(expected, int | float) or not isinstance(found, int | float):
        return 0.0 if found == expected else math.inf
    return abs(found - expected) / max(1.0, abs(expected))


def furthest(found: Sequence[Row], expected: Sequence[Row]) -> float:
    """The largest distance of two numbers in rows that say the same."""
    values = [
        distance(row[column], value)
        for row, other in zip(found, expected, strict=True)
        for column, value in other.items()
    ]
    return max((value for value in values if value < math.inf), default=0.0)


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("data:")


def _is_tie(found: Row, expected: Row, tolerance: float) -> bool:
    """Whether two classes are so near each other that rounding decides between them."""
    shares, one, other = expected.get("probabilities"), expected.get("label"), found.get("label")
    if not isinstance(shares, Mapping) or one == other or one not in shares or other not in shares:
        return False
    near = abs(shares[one] - shares[other]) <= tolerance
    return near and distance(found["probabilities"], shares) <= tolerance


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
