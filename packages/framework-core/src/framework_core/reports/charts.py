"""Curves and intervals as SVG that stands in a page, in the colours that the page gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from framework_core.reports.recorded_run import Curve

WIDTH, HEIGHT = 400, 230
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 28
MOST_POINTS = 400
"""Points of a line at most; of more, the least and the largest of each stretch are drawn."""


@dataclass(frozen=True)
class _Scale:
    """From values to places on a line of the page."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def line_chart(title: str, lines: Mapping[str, tuple[int, Curve]], *, share: bool = False) -> str:
    """Lines over steps.

    Args:
        title: What is drawn.
        lines: By the name of a run: the number of its colour, and its points. What is no number leaves a gap.
        share: Whether the values are shares of a hundred, of which all are shown.
    """
    finite = [(step, value) for _, curve in lines.values() for step, value in curve if math.isfinite(value)]
    if not finite:
        return ""
    steps, values = [step for step, _ in finite], [value for _, value in finite]
    across = _Scale(*_ends(steps), LEFT, WIDTH - RIGHT)
    up = _Scale(*((0.0, 100.0) if share else _ends(values)), HEIGHT - BOTTOM, TOP)
    drawn = "".join(_line(name, colour, curve, across, up) for name, (colour, curve) in lines.items())
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}: {len(lines)} lines over {max(steps):,} steps">'
        f"{_axes(across, up)}{drawn}</svg></figure>"
    )


def interval_chart(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Differences with their intervals, a row each, around a line at 0.

    Args:
        rows: What, the difference, the lower and the upper end.
    """
    ends = [end for _, _, low, high in rows for end in (low, high) if math.isfinite(end)]
    if not ends:
        return ""
    reach = max(map(abs, ends)) or 1.0
    across = _Scale(-reach * 1.05, reach * 1.05, LEFT * 2, WIDTH - 3 * RIGHT)
    height = 28 * len(rows) + 24
    drawn = []
    for number, (what, middle, low, high) in enumerate(rows):
        y = 28 * number + 18
        apart = "apart" if low > 0 or high < 0 else "alike"
        drawn.append(
            f'<text x="{LEFT * 2 - 8}" y="{y + 4}" class="end">{escape(what)}</text>'
            f'<line class="{apart}" x1="{across(low):.1f}" x2="{across(high):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="{apart}" cx="{across(middle):.1f}" cy="{y}" r="4">'
            f"<title>{middle:+.4g} ({low:+.4g} to {high:+.4g})</title></circle>"
        )
    zero = f'<line class="zero" x1="{across(0):.1f}" x2="{across(0):.1f}" y1="4" y2="{height - 20}"/>'
    marks = "".join(
        f'<text x="{across(value):.1f}" y="{height - 4}" class="middle">{value:+.3g}</text>'
        for value in (-reach, 0.0, reach)
    )
    label = f"{len(rows)} differences with their 95 % intervals"
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{zero}{"".join(drawn)}{marks}</svg>'


def thinned(curve: Curve) -> list[tuple[int, float]]:
    """As many points as can be seen: the least and the largest of each stretch, so that no spike is lost."""
    points = list(curve)
    if len(points) <= MOST_POINTS:
        return points
    stretch = math.ceil(len(points) / (MOST_POINTS // 2))
    kept: list[tuple[int, float]] = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        finite = [point for point in part if math.isfinite(point[1])]
        if not finite:
            kept.append(part[0])
            continue
        ends = {min(finite, key=lambda point: point[1]), max(finite, key=lambda point: point[1])}
        kept += sorted(ends)
    return kept


def _line(name: str, colour: int, curve: Curve, across: _Scale, up: _Scale) -> str:
    parts: list[list[str]] = [[]]
    for step, value in thinned(curve):
        if math.isfinite(value):
            parts[-1].append(f"{across(step):.1f},{up(value):.1f}")
        elif parts[-1]:
            parts.append([])
    drawn = []
    for part in parts:
        if len(part) == 1:
            x, _, y = part[0].partition(",")
            drawn.append(f'<circle class="run{colour} dot" cx="{x}" cy="{y}" r="3"/>')
        elif part:
            drawn.append(f'<polyline class="run{colour}" points="{" ".join(part)}"/>')
    return f"<g><title>{escape(name)}</title>{''.join(drawn)}</g>"


def _axes(across: _Scale, up: _Scale) -> str:
    lines = []
    for value in _marks(up):
        y = up(value)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="end">{_mark(value)}</text>')
    for value in (across.low, across.high):
        lines.append(f'<text x="{across(value):.1f}" y="{HEIGHT - 8}" class="middle">{value:,.0f}</text>')
    return "".join(lines)


def _mark(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def _marks(scale: _Scale) -> list[float]:
    """Round values between the ends of a scale."""
    raw = (scale.high - scale.low) / 6
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first = math.ceil(scale.low / step)
    return [number * step for number in range(first, int(scale.high / step + 1e-9) + 1)]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest; a little apart where they are the same."""
    low, high = float(min(values)), float(max(values))
    reach = abs(low) * 0.05 or 0.5
    return (low, high) if high > low else (low - reach, high + reach)
