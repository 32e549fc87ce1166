"""Every check, each by itself: one that fails or hangs is told, and costs no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from framework_core.doctor.environment import environment
from framework_core.doctor.finding import Finding
from framework_core.doctor.libraries import libraries
from framework_core.doctor.machine import machine
from framework_core.doctor.packages import packages
from framework_core.doctor.places import places
from framework_core.doctor.plugins import plugins
from framework_core.doctor.store import tracking_store
from framework_core.errors import UnknownNameError

Check = Callable[[], Iterable[Finding]]

LIMIT_SECONDS = 300.0
"""How long everything may take. What can hang by itself has a shorter limit of its own."""

ORDER = {"problem": 0, "warning": 1, "ok": 2}


CHECKS = ("packages", "torch", "plugins", "machine", "tracking", "folders", "environment")
"""Every check by its name."""


def examine(names: Sequence[str] = (), *, uri: str = "", output_dir: Path = Path("runs")) -> list[Finding]:
    """Look at everything that makes a run fail later.

    Args:
        names: Which checks; all where none is named.
        uri: The tracking store; empty takes the one that a run would.
        output_dir: The folder in which runs make their folders.

    Returns:
        What was found, problems first, then warnings, then what is fine.

    Raises:
        UnknownNameError: There is no such check.
    """
    for name in names:
        if name not in CHECKS:
            raise UnknownNameError("check", name, CHECKS)
    checks: dict[str, Check] = {
        "packages": packages,
        "torch": libraries,
        "plugins": plugins,
        "machine": machine,
        "tracking": partial(tracking_store, uri),
        "folders": partial(places, output_dir),
        "environment": environment,
    }
    chosen = {name: checks[name] for name in CHECKS if name in names or not names}
    return sorted(_all_at_once(chosen), key=lambda finding: ORDER[finding.state])


def _all_at_once(checks: Mapping[str, Check], limit: float = LIMIT_SECONDS) -> list[Finding]:
    """Run the checks beside each other: most of them wait for a process or for the network."""
    found: dict[str, list[Finding]] = {}
    # A thread that hangs must not keep the program from ending, so no pool: it would wait for it.
    threads = {
        name: threading.Thread(target=_isolated, args=(name, check, found), daemon=True)
        for name, check in checks.items()
    }
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(limit)
    late = Finding("", "warning", f"no answer within {limit:.0f} s; it was given up")
    return [each for name in checks for each in found.get(name, [replace(late, check=name)])]


def _isolated(name: str, check: Check, found: dict[str, list[Finding]]) -> None:
    try:
        found[name] = list(check())
    except Exception as error:  # noqa: BLE001  # whatever is broken here is what this command is for
        detail = f"could not be looked at: {type(error).__name__}: {error}"
        found[name] = [Finding(name, "warning", detail)]
