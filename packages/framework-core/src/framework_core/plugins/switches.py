"""Which plugins are left out, and whether a broken one is an error: said before any plugin is looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable

from framework_core.plugins import disabled

WITHOUT = "FRAMEWORK_WITHOUT_PLUGINS"
"""Environment variable: names of plugins, or of their distributions, that are left out, separated by commas."""

ONLY = "FRAMEWORK_PLUGINS"
"""Environment variable: names of the only plugins, or of their distributions, that are looked at, separated by commas;
none at all where it is set to nothing."""

_before: dict[str, str | None] = {}
_strict = False


def configure(*, without: Iterable[str] = (), only: Iterable[str] | None = None, strict: bool = False) -> None:
    """Leave plugins out, and make a broken one an error, here and in every process that this one starts.

    Args:
        without: Names of plugins, or of their distributions, to leave out.
        only: Names of the only ones to look at; without it, all of them.
        strict: Whether a broken plugin is an error.
    """
    global _strict
    _strict = strict
    for variable, value in _before.items():
        _set(variable, value)
    _before.clear()
    chosen = {WITHOUT: ",".join(sorted({*_names(WITHOUT), *without})) if without else None}
    chosen[ONLY] = None if only is None else ",".join(only)
    for variable, value in chosen.items():
        if value is not None:
            _before[variable] = os.environ.get(variable)
            _set(variable, value)


def switched_off() -> set[str]:
    """The names that are left out by ``configure`` or by the environment."""
    return set(_names(WITHOUT))


def why_left_out(name: str, distribution: str, version: str) -> str:
    """Why a plugin is not looked at; empty where it is."""
    names = {name, distribution}
    if names & switched_off():
        return "switched off"
    if ONLY in os.environ and not names & set(_names(ONLY)):
        return f"not named in {ONLY}" if _names(ONLY) else "no plugins are wanted"
    return disabled.cause(name, distribution, version)


def state() -> list[str]:
    """All that decides which plugins are looked at, as JSON takes it."""
    return [os.environ.get(WITHOUT, ""), os.environ.get(ONLY, "*"), disabled.text()]


def strict() -> bool:
    """Whether a broken plugin is an error."""
    return _strict


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _set(variable: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = value
