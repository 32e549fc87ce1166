"""Shares of two sides as pairs of bars in SVG, in the colours that the page gives."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 400, 150
TOP, BOTTOM, GAP = 8, 20, 4


def pairs_of_bars(
    title: str, names: Sequence[str], before: Sequence[float], now: Sequence[float], sides: tuple[str, str]
) -> str:
    """A pair of bars for each bin.

    Args:
        title: What is drawn.
        names: The bins.
        before: The share of each on the first side.
        now: The same on the second.
        sides: What the sides are called.
    """
    most = max(*before, *now) or 1.0
    width = WIDTH / len(names)
    drawn = []
    for number, (name, *shares) in enumerate(zip(names, before, now, strict=True)):
        for side, share in enumerate(shares):
            height = share / most * (HEIGHT - TOP - BOTTOM)
            x = number * width + GAP / 2 + side * (width - GAP) / 2
            drawn.append(
                f'<rect class="run{side} dot" x="{x:.1f}" y="{HEIGHT - BOTTOM - height:.1f}" '
                f'width="{(width - GAP) / 2:.1f}" height="{height:.1f}">'
                f"<title>{escape(name)}, {escape(sides[side])}: {share:.1%}</title></rect>"
            )
    ends = [(2, "start", names[0]), (WIDTH - 2, "end", names[-1])][: len(names)]
    marks = "".join(
        f'<text x="{x}" y="{HEIGHT - 5}"{" class=end" if place == "end" else ""}>{escape(_short(name))}</text>'
        for x, place, name in ends
    )
    label = f"{title}: shares of {len(names)} bins, {sides[0]} and {sides[1]}"
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(drawn)}{marks}</svg></figure>'
    )


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
