"""A page that needs nothing beside itself: on a screen in light and dark, on a phone, on paper."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

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
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
p:has(img) { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem;
  max-width: none; align-items: start; }
iframe { width: 100%; height: 36rem; border: 1px solid var(--line); border-radius: 4px; }
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


def document(title: str, body: str) -> str:
    """A whole page.

    Args:
        title: What it is about, as text.
        body: What it holds, as HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>{body}</main></body></html>\n"
    )


def section(title: str, content: str) -> str:
    """A part of a page with its heading; nothing where it holds nothing."""
    return f"<section><h2>{escape(title)}</h2>{content}</section>\n" if content else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, marked: bool = False) -> str:
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
