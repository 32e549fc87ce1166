"""What was found, in words."""

from __future__ import annotations

from framework_core.reports.verdicts import Verdict


def in_words(verdict: Verdict) -> str:
    """A verdict as a sentence."""
    numbers = f"{verdict.difference:+.4g} (95 % interval {verdict.low:+.4g} to {verdict.high:+.4g})"
    if not verdict.told_apart:
        return f"{verdict.metric}: {verdict.first} and {verdict.second} are not told apart, {numbers}"
    if not verdict.better:
        where = "above" if verdict.low > 0 else "below"
        return f"{verdict.metric}: {verdict.second} lies {where} {verdict.first}, {numbers}"
    other = verdict.first if verdict.better == verdict.second else verdict.second
    return f"{verdict.metric}: {verdict.better} is better than {other}, {numbers}"


def value_text(value: float | None) -> str:
    """A number as it is shown; a hyphen where there is none."""
    if value is None:
        return "-"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.4g}"
