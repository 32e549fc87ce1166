"""The command that installs something into this environment."""

from __future__ import annotations

import importlib.util
import shutil

from framework_core.errors import quoted


def pip(action: str, *requirements: str) -> str:
    """A command for pip, or for uv in an environment that has no pip.

    Args:
        action: ``"install"``, ``"install -U"``, ``"uninstall"`` ...
        *requirements: What it is about.
    """
    has_pip = importlib.util.find_spec("pip") is not None or shutil.which("uv") is None
    program = "pip" if has_pip else "uv pip"
    return " ".join([program, action, *map(quoted, requirements)])


def installed_version(distribution: str) -> str:
    """The version of a distribution; empty where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        # Metadata that was cut short has none.
        return version(distribution) or ""
    except (PackageNotFoundError, KeyError):
        return ""
