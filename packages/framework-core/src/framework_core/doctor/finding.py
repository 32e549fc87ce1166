"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """The check that looked: ``packages``, ``torch``, ``tracking`` ..."""

    state: State
    """``problem`` where runs fail, ``warning`` where they may or are slow."""

    detail: str
    """What there is, or what is wrong with it."""

    mend: str = ""
    """The command that mends it; empty where nothing is wrong."""
