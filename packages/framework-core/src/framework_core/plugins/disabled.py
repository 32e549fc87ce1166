"""Plugins that were disabled in this environment: by ``fw plugin disable``, or since they ended the process twice.

A file for each Python environment, in the user's folder of settings; a person may edit it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import platformdirs

CONFIG = "FRAMEWORK_CONFIG"
"""Environment variable: the folder in which ``fw plugin disable`` notes what is disabled."""

BY_HAND = "disabled; fw plugin enable {name} brings it back"


def disable(name: str, *, version: str = "", why: str = BY_HAND) -> Path:
    """Leave a plugin out of every command from now on.

    Args:
        name: Its name, or that of its distribution.
        version: Only in this version; a newer one is tried again.
        why: What ``fw plugin list`` says.

    Returns:
        The file that says so.
    """
    return _write({**_noted(), name: {"version": version, "why": why.format(name=name)}})


def enable(*names: str) -> bool:
    """Take a plugin in again; whether it was disabled.

    Args:
        *names: What it may be noted under: its name, and that of its distribution.
    """
    noted = _noted()
    kept = {name: note for name, note in noted.items() if name not in names}
    if kept == noted:
        return False
    _write(kept)
    return True


def cause(name: str, distribution: str, version: str) -> str:
    """Why a plugin is disabled; empty where it is not."""
    noted = _noted()
    notes = [noted[each] for each in (name, distribution) if each in noted]
    return next((note["why"] for note in notes if note["version"] in ("", version)), "")


def text() -> str:
    """What is noted, as it stands in the file; empty where nothing is."""
    try:
        return _file().read_text("utf-8")
    except OSError:
        return ""


def _noted() -> dict[str, dict[str, str]]:
    """What is noted; a file that a person has spoilt counts as empty."""
    try:
        found = json.loads(text() or "{}")
        return {name: {"version": note["version"], "why": note["why"]} for name, note in found["plugins"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def _write(plugins: Mapping[str, Mapping[str, str]]) -> Path:
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps({"environment": sys.prefix, "plugins": plugins}, indent=2) + "\n", "utf-8")
    temporary.replace(path)
    return path


def _file() -> Path:
    chosen = os.environ.get(CONFIG)
    folder = Path(chosen) if chosen else platformdirs.user_config_path("framework")
    return folder / f"plugins-{sha256(sys.prefix.encode()).hexdigest()[:12]}.json"
