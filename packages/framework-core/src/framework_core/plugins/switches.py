"""Which plugins are switched off, and whether a broken one is an error: said before any plugin is looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable

WITHOUT = "FRAMEWORK_WITHOUT_PLUGINS"
"""Environment variable: names of plugins, or of their distributions, that are left out, separated by commas."""

_without: set[str] = set()
_strict = False


def configure(*, without: Iterable[str] = (), strict: bool = False) -> None:
    """Leave plugins out, and make a broken one an error."""
    global _strict
    _without.clear()
    _without.update(without)
    _strict = strict


def switched_off() -> set[str]:
    """The names that are left out, by ``configure`` or by the environment."""
    named = os.environ.get(WITHOUT, "").split(",")
    return _without | {name.strip() for name in named if name.strip()}


def strict() -> bool:
    """Whether a broken plugin is an error."""
    return _strict
