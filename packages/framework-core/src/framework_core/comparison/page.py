"""A comparison as one page that needs nothing beside itself: on a screen in light and dark, on a phone, on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from framework_core.comparison.charts import MOST_POINTS, interval_chart, line_chart
from framework_core.comparison.comparing import Comparison
from framework_core.comparison.verdicts import Verdict
from framework_core.comparison.wording import in_words, took, value_text

MOST_CURVES = 12
MOST_CLASSES = 40

STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --quiet: #596072; --paper: #fff; --line: #d9dde5; --wash: #f4f6f9;
  --c0: #1f6feb; --c1: #b8530a; --c2: #1a7f4b; --c3: #8b3fc4; --c4: #b42355; --c5: #0e7490; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --quiet: #a6adbd; --paper: #14171d; --line: #343a46;
  --wash: #1c2028; --c0: #6ea8ff; --c1: #f0a05a; --c2: #5fce93; --c3: #c79bf2; --c4: #f285a6; --c5: #5cc6da; } }
@media print { :root { color-scheme: light; --ink: #000; --quiet: #444; --paper: #fff; --line: #bbb; --wash: #fff; }
  details > * { display: block; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { max-width: 46rem; } .quiet { color: var(--quiet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; } thead th { white-space: nowrap; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: 50%; margin-right: .45rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; font-size: .92rem; }
.bars { max-width: 34rem; }
svg { width: 100%; height: auto; } svg text { font: 13px system-ui, sans-serif; fill: var(--quiet); }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--line); } .zero { stroke: var(--quiet); stroke-dasharray: 3 3; }
polyline { fill: none; stroke-width: 1.8; } .apart { stroke: var(--c0); fill: var(--c0); stroke-width: 2.4; }
.alike { stroke: var(--quiet); fill: var(--quiet); stroke-width: 2.4; }
pre { background: var(--wash); padding: .8rem; overflow-x: auto; font-size: .85rem; }
""" + "".join(
    f".run{number} {{ stroke: var(--c{number}); }} .run{number}.dot, .key{number} {{ fill: var(--c{number}); "
    f"background: var(--c{number}); }}\n"
    for number in range(6)
)


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
        _section("Means over seeds", _trials(found)),
        _section("Which is better", _verdicts(found)),
        _section("Metrics", _metrics(found)),
        _section("Curves", _curves(found)),
        _section("Classes", _classes(found)),
        _section("Settings that differ", _differences("setting", found.settings, names)),
        _section("Data", _differences("data", found.data, names)),
        _section("Code", _code(found)),
        _section("Packages and machine", _differences("package", found.environment, names)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>\n" if content else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, marked: bool = False) -> str:
    """A table; the cells are text. With ``marked`` the columns after the first have the colours of the runs."""
    keys = ["", *(_key(number) for number in range(len(head) - 1))] if marked else [""] * len(head)
    top = "".join(f'<th scope="col">{key}{escape(name)}</th>' for key, name in zip(keys, head, strict=True))
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return f'<div class="wide" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _key(number: int) -> str:
    return f'<span class="key key{number % 6}"></span>'


def _legend(found: Comparison) -> str:
    rows = [
        ["status", *(run.status for run in found.runs)],
        ["took", *(took(run.seconds) for run in found.runs)],
        ["model", *(run.settings.get("model.name", "") for run in found.runs)],
        ["dataset", *(run.settings.get("dataset.name", "") for run in found.runs)],
        ["id", *(run.run_id for run in found.runs)],
    ]
    return _table(["run", *(run.name for run in found.runs)], rows, marked=True)


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
        parts.append(f"<h3>{escape(', '.join(trial.runs))}</h3>{_table(('metric', 'mean', '95 % interval'), rows)}")
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
    return _table(["metric", *(run.name for run in found.runs)], rows, marked=True) if rows else ""


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
    return _table(["F1 score", *(run.name for run in found.runs), "apart"], rows) + more


def _differences(what: str, rows: Mapping[str, Sequence[str]], names: Sequence[str]) -> str:
    return _table([what, *names], [[key, *row] for key, row in rows.items()], marked=True) if rows else ""


def _code(found: Comparison) -> str:
    names = [run.name for run in found.runs]
    diff = found.code_diff
    more = f"<details open><summary>What was not committed</summary><pre>{escape(diff)}</pre></details>" if diff else ""
    return _differences("code", found.code, names) + more
