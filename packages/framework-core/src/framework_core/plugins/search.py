"""Finding components by words."""

from __future__ import annotations

from collections.abc import Sequence

from framework_core.plugins import index
from framework_core.plugins.index import Row

KINDS = ("dataset", "model")
SEARCHED = ("name", "summary", "tags", "paper", "tasks")


def find(words: Sequence[str]) -> list[Row]:
    """Components in which every word occurs, those with a word in their name first, then those that begin with it."""
    wanted = [word.lower() for text in words for word in text.split()]
    ranked = []
    for kind in KINDS:
        for row in index.rows(kind):
            values = (row.get(field, "") for field in SEARCHED)
            text = " ".join(value if isinstance(value, str) else " ".join(value) for value in values).lower()
            if all(word in text for word in wanted):
                name = row["name"].lower()
                in_name = sum(word in name for word in wanted)
                begins = name.startswith(tuple(wanted))
                ranked.append(((name not in wanted, -in_name, not begins, kind, name), row))
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]
