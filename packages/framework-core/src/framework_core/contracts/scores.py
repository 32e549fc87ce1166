"""What a test says of each of its samples, so that parts of it can be measured and two models compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SampleScore:
    """A metric of the test, sample by sample.

    The metric of any part of the test is the weighted mean of its samples. So a share is 1 or 0 for each sample; a mean
    over words is the mean of a sample, weighted by its words; and F1 is ``2 * right / (said + there)``, weighted by
    ``said + there``.

    Attributes:
        values: One number a sample; NaN where it has none.
        weights: How much each sample counts, 0 or more; empty lets all count alike.
        less_is_better: Whether it is a loss or an error.
        parts: The metric on parts of each sample, by what the parts are and by their names: the steps of a forecast
            under ``"horizon"``, the classes of pixels under ``"class"``.
    """

    values: Sequence[float]
    weights: Sequence[float] = ()
    less_is_better: bool = False
    parts: Mapping[str, Mapping[str, SampleScore]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ScoredSamples:
    """What is known of each sample of a test, in the order of the test; each list has a value for each sample.

    Attributes:
        truth: What was right, in any form that is written alike where it is alike. Only a digest of all of it is kept:
            two runs with the same are compared sample by sample.
        scores: The metrics, the most telling first.
        groups: What samples have in common, by name: ``{"series": [...]}``.
        features: Numbers that tell samples apart, by name; NaN where there is none.
        times: When each sample was, by name: a date in ISO's form, or the number of a step; empty where nobody knows.
        clusters: The number of the cluster of each sample, where samples are not independent: windows that overlap,
            steps that follow each other. An interval is told from clusters then.
        answers: What was said, as rows that a server answers: ``fw drift`` compares them with those of a log. There
            may be any number of rows.
    """

    truth: Sequence[Any]
    scores: Mapping[str, SampleScore]
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    features: Mapping[str, Sequence[float]] = field(default_factory=dict)
    times: Mapping[str, Sequence[str | float]] = field(default_factory=dict)
    clusters: Sequence[int] = ()
    answers: Sequence[Mapping[str, Any]] = ()


def moment(text: str) -> datetime | None:
    """When something was: a date, with a time of day or without, in ISO's form; nothing where it is no such.

    Args:
        text: ``2026-01-31``, ``2026-01-31 10:30:00``, ``2026-01-31T10:30:00Z``.

    Returns:
        The moment in UTC, without a zone; one without a zone is taken as it is.
    """
    try:
        found = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
    except ValueError:
        return None
    return found if found.tzinfo is None else found.astimezone(timezone.utc).replace(tzinfo=None)


def are_moments(values: Sequence[str]) -> bool:
    """Whether texts say when something was, all of them that are not empty."""
    known = {value for value in values if value}
    return bool(known) and all("-" in value and moment(value) is not None for value in known)
