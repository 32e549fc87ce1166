"""Means with their intervals in SVG, one under another, in the colours that the page gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from framework_core.reports.student import Mean

WIDTH, ROW, NAME, TOP, BOTTOM, EDGE = 400, 24, 190, 6, 24, 12
LONGEST = 25


def ranges(title: str, rows: Sequence[tuple[str, Mean, bool]], *, line: float) -> str:
    """A dot with its interval for each row, and a line for the whole.

    Args:
        title: What is drawn.
        rows: The name of each, its mean, and whether it is apart from the others.
        line: Where the line is.
    """
    finite = [end for _, mean, _ in rows for end in (mean.low, mean.mean, mean.high) if math.isfinite(end)]
    low, high = min([*finite, line]), max([*finite, line])
    room = high - low or 1.0
    height = TOP + ROW * len(rows) + BOTTOM

    def place(value: float) -> float:
        share = min(max((value - low) / room, 0.0), 1.0)
        return NAME + EDGE + share * (WIDTH - NAME - 2 * EDGE)

    foot = height - BOTTOM
    drawn = [f'<line class="zero" x1="{place(line):.1f}" x2="{place(line):.1f}" y1="{TOP}" y2="{foot}"/>']
    for number, (name, mean, apart) in enumerate(rows):
        y = TOP + ROW * (number + 0.5)
        kind = "apart" if apart else "alike"
        told = f"{name}: {mean.mean:.4g} ({mean.low:.4g} to {mean.high:.4g})"
        drawn.append(
            f'<text x="{NAME - 4}" y="{y + 4:.1f}" class="end">{escape(_short(name))}</text>'
            f'<g class="{kind}"><title>{escape(told)}</title>'
            f'<line x1="{place(mean.low):.1f}" x2="{place(mean.high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle cx="{place(mean.mean):.1f}" cy="{y}" r="4"/></g>'
        )
    for value, kind in ((low, ""), (high, ' class="end"')):
        drawn.append(f'<text x="{place(value):.1f}" y="{height - 6}"{kind}>{value:.4g}</text>')
    label = f"{title}: {len(rows)} slices with their intervals"
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(drawn)}</svg></figure>'
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
