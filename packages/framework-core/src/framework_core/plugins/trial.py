"""Whether a plugin ends a process that imports it: found out in a process of its own.

That processes ended while they imported it proves nothing: a job that is cancelled ends all of its processes at once,
and memory that runs out ends whatever takes most.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping

from framework_core.plugins.disabled import disable
from framework_core.plugins.importing import ended_while_imported, forget_ends, limit_seconds

ENDS = 2
"""How often processes may end, or hang, while they import a plugin, before it is tried whether it ends them."""

START = 30.0
"""Seconds that the process itself may take to start."""


def judged() -> Mapping[tuple[str, str], int]:
    """Disable each plugin that ended several processes while they imported it, and ends another that is tried.

    Returns:
        How often processes ended, by the plugin's name and version.
    """
    ended = ended_while_imported()
    for (name, version), times in ended.items():
        if times < ENDS:
            continue
        with contextlib.suppress(OSError):
            if _ends_the_process(name):
                why = (
                    f"disabled: {times} times a process ended, or hung, while it was imported; fw plugin enable {name}"
                )
                disable(name, version=version, why=why)
            forget_ends(name, version)
    return ended


def _ends_the_process(name: str) -> bool:
    """Import a plugin once more, elsewhere.

    Args:
        name: The plugin.

    Returns:
        Whether that process ended before it was done, or hung.
    """
    seconds = limit_seconds()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "framework_core.plugins.trial", name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds + START if seconds else None,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def _main(name: str) -> int:
    from framework_core.plugins.discovery import Plugins

    found = Plugins(lambda plugin, distribution, version: "" if plugin == name else "not looked at", judge=False).found
    return int(any(plugin.name == name and plugin.cause.startswith("ImportTimeoutError") for plugin in found))


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
