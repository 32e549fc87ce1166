"""A run as one page: its model card with its figures, curves, tables, the use of the machine, settings."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from typing import Any

from markdown_it import MarkdownIt

from framework_core.durations import clock
from framework_core.reports.charts import MOST_POINTS, line_chart
from framework_core.reports.document import document, section, table
from framework_core.reports.recorded_run import Curve, RecordedRun, RunFiles, rows_of
from framework_core.reports.wording import value_text

CARD, PLOTS, TABLES, MISTAKES = "model_card.md", "plots", "tables", "mistakes"
CURVES = "learning_curves.png"
"""A figure that the page draws itself."""

MOST_ROWS = 100
MOST_CURVES = 24
KINDS = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}


def run_page(run: RecordedRun, files: RunFiles) -> str:
    """The page.

    Args:
        run: What is known of the run.
        files: What it has left: card, figures, tables.
    """
    figures = {name: files.read(f"{PLOTS}/{name}") for name in files.names(PLOTS) if name != CURVES}
    card = files.read(CARD).decode()
    parts = [
        "" if card else f"<h1>{escape(run.name)}</h1>",
        _card(card, figures) if card else "",
        section("The run", _facts(run)),
        "" if card else section("Metrics", _metrics(run)),
        "" if card else section("Figures", "".join(map(_figure, figures, figures.values()))),
        section("Worst mistakes", "".join(_inner_page(name, files) for name in files.names(MISTAKES))),
        section("Curves", _curves(run.curves)),
        *(_csv_section(name, files) for name in files.names(TABLES)),
        section("Use of the machine", _steps(run.steps) + _usage(run.usage)),
        section("Settings", _folded(f"{len(run.settings)} settings", run.settings)),
        section("Packages", _folded(f"{len(run.packages)} packages", run.packages)),
        section("Code that was not committed", f'<pre tabindex="0">{escape(run.diff)}</pre>' if run.diff else ""),
    ]
    return document(run.name, "".join(parts))


def _card(text: str, figures: Mapping[str, bytes]) -> str:
    """The model card as HTML; what stands in it as HTML is text, and its figures stand in the page."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def image(renderer: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
        name = str(tokens[index].attrs["src"]).rpartition("/")[2]
        return _figure(name, figures[name]) if name in figures else ""

    markdown.add_render_rule("image", image)
    _, ended, body = text.partition("---\n")[2].partition("\n---\n")
    html = str(markdown.render(body if text.startswith("---\n") and ended else text))
    # The card's tables of facts have no head.
    html = html.replace("<thead>\n<tr>\n<th></th>\n<th></th>\n</tr>\n</thead>\n", "")
    html = html.replace("<pre>", '<pre tabindex="0">')
    return html.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")


def _figure(name: str, content: bytes) -> str:
    stem, _, kind = name.rpartition(".")
    source = f"data:{KINDS.get(f'.{kind}', KINDS['.png'])};base64,{base64.b64encode(content).decode()}"
    return f'<img src="{source}" alt="{escape(stem.replace("_", " "))}">'


def _inner_page(name: str, files: RunFiles) -> str:
    """A page that the model made, as sounds that can be heard, inside this one; a script in it does nothing."""
    if not name.endswith(".html"):
        return ""
    content = files.read(f"{MISTAKES}/{name}").decode("utf-8", "replace")
    title = name.removesuffix(".html").replace("_", " ")
    return f'<iframe sandbox="allow-same-origin" title="{escape(title)}" srcdoc="{escape(content)}"></iframe>'


def _facts(run: RecordedRun) -> str:
    now = datetime.now(timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M")
    going = f"still going, as of {now}" if run.status == "running" else run.status
    sizes = ", ".join(f"{size:,} {split}" for split, size in run.data.get("split_sizes", {}).items())
    rows = {
        "status": going,
        "took": "" if run.seconds is None else clock(run.seconds),
        "model": run.settings.get("model.name", ""),
        "dataset": run.settings.get("dataset.name", ""),
        "samples": sizes,
        "commit": run.commit,
        **{name: run.machine.get(name, "") for name in ("python", "processor", "cores", "gpus")},
        "id": run.run_id,
    }
    return table(("fact", "of this run"), [[name, value] for name, value in rows.items() if value])


def _metrics(run: RecordedRun) -> str:
    return table(("metric", "last value"), [[name, value_text(value)] for name, value in run.metrics.items()])


def _curves(curves: Mapping[str, Curve]) -> str:
    ranked = sorted(curves, key=lambda name: (not name.startswith("val/"), not name.startswith("train/")))
    drawn = [line_chart(name, {name: (0, curves[name])}) for name in ranked if len(curves[name]) > 1][:MOST_CURVES]
    longest = max((len(curve) for curve in curves.values()), default=0)
    thin = f'<p class="quiet">The longest has {longest:,} points; the extremes of each stretch are drawn.</p>'
    return f'<div class="figures">{"".join(drawn)}</div>{thin if longest > MOST_POINTS else ""}' if any(drawn) else ""


def _steps(steps: Mapping[str, Any]) -> str:
    """What the steps waited for, and what would help."""
    if not steps:
        return ""
    shares = ", ".join(f"{part} {share:.0%}" for part, share in steps["shares"].items())
    said = f"A step took {steps['milliseconds']:.1f} ms ({shares}): bound by {steps['bound']}. What would help: "
    return f"<p>{escape(said + steps['advice'])}.</p>"


def _usage(curves: Mapping[str, Curve]) -> str:
    drawn = []
    for name, curve in curves.items():
        title = name.replace("_", " ").replace("percentage", "%")
        if len(curve) > 1:
            drawn.append(line_chart(title, {title: (0, curve)}, share=name.endswith("percentage")))
    return f'<div class="figures">{"".join(drawn)}</div>' if drawn else ""


def _csv_section(name: str, files: RunFiles) -> str:
    rows = rows_of(files.read(f"{TABLES}/{name}")) if name.endswith(".csv") else []
    if not rows:
        return ""
    shown = table(tuple(rows[0]), [[value or "-" for value in row.values()] for row in rows[:MOST_ROWS]])
    more = f'<p class="quiet">{len(rows) - MOST_ROWS:,} more rows are in {escape(name)}.</p>'
    title = name.removesuffix(".csv").replace("_", " ")
    return section(title[:1].upper() + title[1:], shown + (more if len(rows) > MOST_ROWS else ""))


def _folded(summary: str, rows: Mapping[str, str]) -> str:
    if not rows:
        return ""
    shown = table(("name", "value"), [[name, value] for name, value in rows.items()])
    return f"<details><summary>{escape(summary)}</summary>{shown}</details>"
