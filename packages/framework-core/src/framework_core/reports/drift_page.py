"""Drift as one page that needs nothing beside itself."""

from __future__ import annotations

from html import escape

from framework_core.reports.bars import pairs_of_bars
from framework_core.reports.document import document, section, table
from framework_core.reports.drift import FEWEST, Drift
from framework_core.reports.shift import Shift

MOST_CHARTS = 24
SIDES = ("test", "now")
PARTS = {"features": "input", "predictions": "answer", "embeddings": "model"}

HOW = (
    "The index is the population stability index (Siddiqi 2006): 0 where the shares of all bins are the same. A column "
    "has drifted where it lies above the limit and above what chance alone gives (Yurdakul 2018). That of an embedding "
    "is the squared Fréchet distance as a share of the variance (Dowson and Landau 1982). KS is the test of "
    "Kolmogorov and Smirnov, chi-square that of Pearson; p says how often chance alone gives as much."
)


def drift_page(found: Drift) -> str:
    """The page.

    Args:
        found: What was found.
    """
    title = f"Drift of {found.run}"
    parts = [
        f"<h1>{escape(title)}</h1><p><strong>{escape(verdict(found))}</strong></p>",
        section("What was compared", _facts(found)),
        section("Columns", _columns(found)),
        section("Shares", _charts(found)),
        section("Not compared", "".join(f"<p>{escape(each)}</p>" for each in found.not_compared)),
    ]
    return document(title, "".join(parts))


def verdict(found: Drift) -> str:
    """What was found, in a sentence."""
    if found.too_few:
        return f"No verdict: nothing has {FEWEST} values on both sides."
    if not found.drifted:
        return f"No drift: none of {len(found.shifts)} columns has an index above {found.limit:g} and beyond chance."
    names = ", ".join(f"{each.name} {each.psi:.2f}" for each in found.drifted[:5])
    more = f" and {len(found.drifted) - 5} more" if len(found.drifted) > 5 else ""
    return f"Drift in {len(found.drifted)} of {len(found.shifts)} columns: {names}{more}."


def row_of(shift: Shift, limit: float) -> list[str]:
    """A column as cells of a table."""
    moved = "drift" if shift.exceeds(limit) else "by chance" if shift.psi > limit else "-"
    p_value = f"p {shift.p_value:.2g}" if shift.p_value > 1e-15 else "p below 1e-15"
    test = f"{shift.test} {shift.statistic:.3g}, {p_value}"
    return [f"{shift.name} ({PARTS[shift.part]})", moved, f"{shift.psi:.3f}", f"{shift.by_chance:.3f}", test]


HEAD = ("column", "verdict", "index", "by chance", "test")


def _facts(found: Drift) -> str:
    rows = {
        "run": found.run,
        "samples of its test": f"{found.samples[0]:,}",
        "compared with": found.place,
        "answers": f"{found.samples[1]:,}",
        "from": found.first,
        "to": found.last,
        "limit of the index": f"{found.limit:g}",
        "older answers, not looked at": f"{found.older:,}" if found.older else "",
        "lines of other runs": f"{found.left_out:,}" if found.left_out else "",
        "lines that are broken": f"{found.broken:,}" if found.broken else "",
    }
    return table(("fact", "of this comparison"), [[name, value] for name, value in rows.items() if value])


def _columns(found: Drift) -> str:
    if found.too_few:
        return ""
    return table(HEAD, [row_of(each, found.limit) for each in found.shifts]) + f'<p class="quiet">{escape(HOW)}</p>'


def _charts(found: Drift) -> str:
    drawn = [
        pairs_of_bars(f"{each.name}, index {each.psi:.2f}", each.bins, each.before, each.now, SIDES)
        for each in found.shifts[:MOST_CHARTS]
        if each.bins
    ]
    keys = "".join(
        f'<span class="key key{number}"></span>{side} &nbsp; '
        for number, side in enumerate(("left: test", "right: now"))
    )
    return f'<p>{keys}</p><div class="figures">{"".join(drawn)}</div>' if drawn else ""
