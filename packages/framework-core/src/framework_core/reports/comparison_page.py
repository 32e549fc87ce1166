"""A comparison as one page that needs nothing beside itself: on a screen in light and dark, on a phone, on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from framework_core.durations import clock
from framework_core.reports.charts import MOST_POINTS, interval_chart, line_chart
from framework_core.reports.comparing import Comparison
from framework_core.reports.document import document, section, table
from framework_core.reports.verdicts import Verdict
from framework_core.reports.wording import in_words, value_text

MOST_CURVES = 12
MOST_CLASSES = 40


def page(found: Comparison) -> str:
    """The page.

    Args:
        found: What was found.
    """
    names = [run.name for run in found.runs]
    title = f"{', '.join(names[:-1])} and {names[-1]}"
    parts = [
        f"<h1>{escape(title)}, compared</h1>",
        _legend(found),
        section("Means over seeds", _trials(found)),
        section("Which is better", _verdicts(found)),
        section("Metrics", _metrics(found)),
        section("Curves", _curves(found)),
        section("Classes", _classes(found)),
        section("Settings that differ", _differences("setting", found.settings, names)),
        section("Data", _differences("data", found.data, names)),
        section("Code", _code(found)),
        section("Packages and machine", _differences("package", found.environment, names)),
    ]
    return document(title, "".join(parts))


def _legend(found: Comparison) -> str:
    rows = [
        ["status", *(run.status for run in found.runs)],
        ["took", *("" if run.seconds is None else clock(run.seconds) for run in found.runs)],
        ["model", *(run.settings.get("model.name", "") for run in found.runs)],
        ["dataset", *(run.settings.get("dataset.name", "") for run in found.runs)],
        ["id", *(run.run_id for run in found.runs)],
    ]
    return table(["run", *(run.name for run in found.runs)], rows, marked=True)


def _verdicts(found: Comparison) -> str:
    parts = []
    pairs: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in found.verdicts:
        pairs.setdefault((verdict.second, verdict.first, verdict.by), []).append(verdict)
    for (second, first, by), verdicts in pairs.items():
        how = "the same test drawn again" if by == "samples" else "the means over seeds"
        chart = interval_chart([(each.metric, each.difference, each.low, each.high) for each in verdicts])
        parts.append(f'<h3>{escape(second)} minus {escape(first)}, by {how}</h3><div class="bars">{chart}</div>')
        parts.append(f"<ul>{''.join(f'<li>{escape(in_words(each))}</li>' for each in verdicts)}</ul>")
    for name, why in found.undecided.items():
        parts.append(f'<p class="quiet">{escape(name)}: {escape(why)}.</p>')
    return "".join(parts)


def _trials(found: Comparison) -> str:
    parts = []
    for trial in found.trials:
        means = ((name, each) for name, each in trial.means.items() if name.startswith("test/"))
        rows = [
            [name, value_text(each.mean), f"{value_text(each.low)} to {value_text(each.high)}"] for name, each in means
        ]
        parts.append(f"<h3>{escape(', '.join(trial.runs))}</h3>{table(('metric', 'mean', '95 % interval'), rows)}")
    return "".join(parts)


def _metrics(found: Comparison) -> str:
    rows = []
    for name, values in found.metrics.items():
        cells = []
        for run, value in zip(found.runs, values, strict=True):
            low, high = run.intervals.get(name, (None, None))
            more = f" ({value_text(low)} to {value_text(high)})" if low is not None and high is not None else ""
            cells.append(f"{value_text(value)}{more}")
        rows.append([name, *cells])
    return table(["metric", *(run.name for run in found.runs)], rows, marked=True) if rows else ""


def _curves(found: Comparison) -> str:
    drawn: list[str] = []
    points = 0
    for name in found.metrics:
        lines = {
            run.name: (number % 6, run.curves[name]) for number, run in enumerate(found.runs) if name in run.curves
        }
        if len(drawn) < MOST_CURVES and max((len(curve) for _, curve in lines.values()), default=0) > 1:
            drawn.append(line_chart(name, lines))
            points = max(points, *(len(curve) for _, curve in lines.values()))
    if not drawn:
        return ""
    thin = f'<p class="quiet">The longest has {points:,} points; the extremes of each stretch are drawn.</p>'
    return f'<div class="figures">{"".join(drawn)}</div>{thin if points > MOST_POINTS else ""}'


def _classes(found: Comparison) -> str:
    if not found.classes:
        return ""
    rows = [
        [row.name, *(f"{score:.4f}" for score in row.f1), f"{row.apart:.4f}"] for row in found.classes[:MOST_CLASSES]
    ]
    left = len(found.classes) - len(rows)
    more = f'<p class="quiet">{left} more lie closer together.</p>' if left > 0 else ""
    return table(["F1 score", *(run.name for run in found.runs), "apart"], rows) + more


def _differences(what: str, rows: Mapping[str, Sequence[str]], names: Sequence[str]) -> str:
    return table([what, *names], [[key, *row] for key, row in rows.items()], marked=True) if rows else ""


def _code(found: Comparison) -> str:
    names = [run.name for run in found.runs]
    diff = found.code_diff
    more = f"<details open><summary>What was not committed</summary><pre>{escape(diff)}</pre></details>" if diff else ""
    return _differences("code", found.code, names) + more
