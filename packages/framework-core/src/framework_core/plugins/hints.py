"""What helps with a name that nothing installed offers. Light: it is read before anything else is imported."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from framework_core.errors import UnknownNameError

LISTINGS = {
    "model": "fw list models",
    "dataset": "fw list datasets",
    "optimizer": "fw list optimizers",
    "scheduler": "fw list schedulers",
    "callback": "fw list callbacks",
    "strategy": "fw list strategies",
}
"""The command that lists each kind of component."""


def unknown_name(kind: str, name: str, names: Iterable[str]) -> UnknownNameError:
    """The error about a component that nobody offers.

    Args:
        kind: What it should have been.
        name: As it was typed.
        names: What is offered.
    """
    return UnknownNameError(kind, name, names, listing=LISTINGS.get(kind, ""), hint=install_hint(kind, name))


def install_hints() -> dict[str, dict[str, list[str]]]:
    """What published packages offer: patterns of names, by kind and distribution."""
    table: dict[str, dict[str, list[str]]] = json.loads(
        Path(__file__).with_name("install_hints.json").read_text("utf-8")
    )
    return table


def install_hint(kind: str, name: str) -> str:
    """Which package would offer the name: one that is not installed, or one that is left out."""
    for distribution, patterns in install_hints().get(kind, {}).items():
        if any(fnmatch(name.lower(), pattern) for pattern in patterns):
            why = _why_not_there(distribution)
            if why:
                return f"It may come with {distribution}{why}"
    return ""


def _why_not_there(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import distribution as installed

    from framework_core.plugins.switches import why_left_out

    try:
        found = installed(distribution)
    except PackageNotFoundError:
        return f": pip install {distribution}"
    plugins = [entry.name for entry in found.entry_points if entry.group == "framework.plugins"]
    why = next(filter(None, (why_left_out(name, distribution, found.version) for name in plugins)), "")
    return f", which is left out: {why}" if why else ""
