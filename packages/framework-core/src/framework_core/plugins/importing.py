"""Importing a stranger's plugin without letting it hang, print, fork or end the program for good."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from framework_core.cache import cache_folder

SECONDS = "FRAMEWORK_IMPORT_SECONDS"
"""Environment variable: seconds that a plugin may take to be imported: 20 where it is not set, no limit at 0."""


class ImportTimeoutError(TimeoutError):
    """A plugin took longer to be imported than it may."""


@contextlib.contextmanager
def guarded(name: str, version: str) -> Iterator[None]:
    """Let a plugin be imported and asked.

    What it prints goes to standard error. A process that it forks ends here.

    Args:
        name: The plugin.
        version: Its distribution's.

    Raises:
        ImportTimeoutError: It took longer than it may.
    """
    process = os.getpid()
    marker = _mark(name, version)
    try:
        with _limited(limit_seconds()), contextlib.redirect_stdout(sys.stderr):
            yield
    except ImportTimeoutError:
        raise  # the marker stays: it counts as an end
    except BaseException:
        _unmark(marker)
        raise
    else:
        _unmark(marker)
    finally:
        if os.getpid() != process:
            os._exit(0)


def limit_seconds() -> float:
    """How long a plugin may take."""
    try:
        return max(float(os.environ[SECONDS]), 0.0)
    except (KeyError, ValueError):
        return 20.0


def ended_while_imported() -> Counter[tuple[str, str]]:
    """How often processes of this machine ended, or hung, while a plugin was imported: by its name and version."""
    return Counter(found for _, found in _ends())


def forget_ends(name: str, version: str) -> None:
    """Count from nothing again: the plugin was imported."""
    for path, found in _ends():
        if found == (name, version):
            _unmark(path)


def _ends() -> list[tuple[Path, tuple[str, str]]]:
    """What is left of imports whose process is no more."""
    marked = _folder().glob(f"{socket.gethostname()}.*")
    return [(path, found) for path in marked if (found := _ended(path)) is not None]


def _folder() -> Path:
    return cache_folder() / "importing"


def _mark(name: str, version: str) -> Path | None:
    """Note what is about to be imported; None where nothing can be written."""
    path = _folder() / f"{socket.gethostname()}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([name, version]), "utf-8")
    except OSError:
        return None
    return path


def _unmark(path: Path | None) -> None:
    if path is not None:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _ended(path: Path) -> tuple[str, str] | None:
    """What was being imported by a process that is no more."""
    try:
        os.kill(int(path.name.split(".")[-2]), 0)
    except ProcessLookupError:
        with contextlib.suppress(OSError, ValueError):
            name, version = json.loads(path.read_text("utf-8"))
            return str(name), str(version)
    except (OSError, ValueError, IndexError):
        return None
    return None


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise an error in the main thread after a time; again each second, for a plugin that swallows it."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise ImportTimeoutError(f"importing it did not end within {seconds:g} seconds")

    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    begun = time.monotonic()
    handler = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - begun), 0.001), interval)
