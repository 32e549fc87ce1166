"""Docstrings and tables as Markdown."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

SECTIONS = ("Args:", "Returns:", "Raises:")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would break a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def code(text: str) -> str:
    """Text as inline code; nothing for nothing."""
    return f"`{text}`" if text else ""


def prose(text: str) -> str:
    """A docstring's words: its code marks are Markdown's."""
    return text.replace("``", "`")


def first_line(thing: Any) -> str:
    """What a docstring says in its first line."""
    return prose((inspect.getdoc(thing) or "").partition("\n")[0])


def docstring(thing: Any) -> str:
    """A Google-style docstring as Markdown."""
    parts: list[str] = []
    for block in re.split(r"\n\s*\n", inspect.getdoc(thing) or ""):
        head, _, rest = block.partition("\n")
        if head in SECTIONS:
            parts.append(f"**{head[:-1]}**\n\n{_items(rest)}")
        elif block.startswith("    "):
            parts.append(f"```python\n{textwrap.dedent(block)}\n```")
        elif head.endswith("::"):
            parts.append(prose(head[:-2].strip() + ":"))
        else:
            parts.append(prose(re.sub(r"::$", ":", block)))
    return _joined(parts)


def _joined(parts: list[str]) -> str:
    """Paragraphs of one example are one block."""
    return "\n\n".join(parts).replace("\n```\n\n```python\n", "\n\n") + "\n"


def _items(text: str) -> str:
    items: list[str] = []
    for line in textwrap.dedent(text).splitlines():
        if line.startswith(" ") and items:
            items[-1] += " " + line.strip()
        else:
            items.append(line)
    return "\n".join(f"- {_named(prose(item))}" for item in items)


def _named(item: str) -> str:
    name, colon, rest = item.partition(": ")
    return f"`{name}`: {rest}" if colon and re.fullmatch(r"\**\w+", name) else item


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
