"""Names in a message: those that are near, or all there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def near_or_all(near: Sequence[str], known: Sequence[str], before: str = "") -> str:
    """The likeliest names, or else all of them."""
    if near:
        return f"Near it: {', '.join(f'{before}{name}' for name in near)}."
    return f"There are {', '.join(known)}."


def shortened(names: Sequence[str], most: int = 12) -> str:
    """The first of them."""
    shown = ", ".join(names[:most])
    return f"{shown} ..." if len(names) > most else f"{shown}."
