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
    """Which package would offer the name."""
    for distribution, patterns in install_hints().get(kind, {}).items():
        if any(fnmatch(name.lower(), pattern) for pattern in patterns) and not _is_installed(distribution):
            return f"It may come with {distribution}: pip install {distribution}"
    return ""


def _is_installed(distribution: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
