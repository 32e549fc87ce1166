"""The slices of a test in words, and as one page that needs nothing beside itself."""

from __future__ import annotations

import math
from html import escape

from framework_core.reports.document import document, section, table
from framework_core.reports.ranges import ranges
from framework_core.reports.slices import FEWEST, Slice, Slices

MOST_DRAWN = 12
"""Slices of a column that are drawn."""

MOST_COLUMNS = 24
"""Columns that are drawn."""

HOW = (
    "A slice is the part of the test with one value of a column, or a quarter of its values. apart: its 95 % interval "
    f"does not hold what all others come to; of many slices some are by chance. small: fewer than {FEWEST} samples."
)
CLUSTERS = (
    "Samples of this test depend on each other, as windows that overlap do: intervals are told from their clusters."
)


def slices_page(found: Slices) -> str:
    """The page.

    Args:
        found: What was found.
    """
    title = f"Slices of {' and '.join(found.runs)}"
    quiet = "".join(
        f'<p class="quiet">{escape(each)}</p>' for each in (HOW, CLUSTERS if found.clustered else "") if each
    )
    parts = [
        f"<h1>{escape(title)}</h1><p><strong>{escape(verdict(found))}</strong></p>",
        section("The worst first", _rows(found) + quiet if found.slices else "<p>Nothing cuts this test.</p>"),
        section("By column", _charts(found)),
        section("Not cut by", f"<p>{escape(', '.join(found.left_out))}</p>" if found.left_out else ""),
    ]
    return document(title, "".join(parts))


def verdict(found: Slices) -> str:
    """What the whole comes to, in a line."""
    sign = _sign(found)
    what = f"{found.metric} of {found.runs[-1]}" + (f", less that of {found.runs[0]}" if sign else "")
    whole = found.whole
    if math.isnan(whole.mean):
        return f"{what}: none of {found.samples:,} samples has a value that is a number"
    return (
        f"{what}: {whole.mean:{sign}.4f} ({whole.low:{sign}.4f} to {whole.high:{sign}.4f}), {found.samples:,} samples"
    )


def head_of(found: Slices) -> tuple[str, ...]:
    """The head of a table of slices."""
    return ("column", "slice", "samples", found.metric, "95 % interval", "all others", "")


def row_of(each: Slice, found: Slices) -> list[str]:
    """A slice as cells of a table."""
    sign = _sign(found)
    marks = [word for word, holds in (("apart", each.apart), ("small", each.small)) if holds]
    mean = each.mean
    rest = f"{each.rest:{sign}.4f}" if math.isfinite(each.rest) else "-"
    interval = f"{mean.low:{sign}.4f} to {mean.high:{sign}.4f}"
    return [each.column, each.value, f"{each.samples:,}", f"{mean.mean:{sign}.4f}", interval, rest, ", ".join(marks)]


def _sign(found: Slices) -> str:
    return "+" if len(found.runs) == 2 else ""


def _rows(found: Slices) -> str:
    *names, _ = head_of(found)
    return table((*names, "marks"), [row_of(each, found) for each in found.slices])


def _charts(found: Slices) -> str:
    drawn = []
    for column in list(dict.fromkeys(each.column for each in found.slices))[:MOST_COLUMNS]:
        worst = [each for each in found.slices if each.column == column][:MOST_DRAWN]
        rows = [(each.value, each.mean, each.apart) for each in sorted(worst, key=lambda each: each.place)]
        drawn.append(ranges(f"{column}: {found.metric}", rows, line=found.whole.mean))
    return f'<div class="figures">{"".join(drawn)}</div>' if drawn else ""
