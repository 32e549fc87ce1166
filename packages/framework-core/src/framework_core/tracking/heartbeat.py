"""Whether a run is alive: a file that its process touches while it lasts."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HEARTBEAT = "heartbeat.json"
SILENT_SECONDS = 600.0
"""A run of another machine that has been silent for so long has been killed; sooner that cannot be told."""

START_TOLERANCE = 2.0
"""Seconds by which the start of one process may seem to differ when the clock is set."""


@dataclass(frozen=True)
class Process:
    """A process, so that no later one is taken for it.

    Attributes:
        pid: Its number.
        started: When it started, seconds since 1970.
        boot: The start of the machine that it belongs to.
        host: The machine, and the part of it in which the number counts.
    """

    pid: int
    started: float
    boot: str
    host: str

    @classmethod
    def this(cls) -> Process:
        """This one."""
        import psutil

        return cls(os.getpid(), psutil.Process().create_time(), _boot(), _host())

    def is_alive(self, silent: float) -> bool:
        """Whether it lasts, or may last.

        Args:
            silent: Seconds since it was last heard of.
        """
        import psutil

        if self.host != _host():
            return silent < SILENT_SECONDS
        if self.boot != _boot():
            return False
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < START_TOLERANCE
            return bool(same and found.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


class Heartbeat:
    """The file by which a run says that it lasts.

    Args:
        folder: The folder of the run's journal.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / HEARTBEAT

    def start(self) -> None:
        """Say that this process is the run."""
        self.path.write_text(json.dumps(vars(Process.this())) + "\n", encoding="utf-8")

    def beat(self) -> None:
        """Say so again."""
        with suppress(OSError):
            os.utime(self.path)

    def stop(self) -> None:
        """Say that the run has ended."""
        self.path.unlink(missing_ok=True)

    @property
    def at(self) -> float:
        """When it was last heard of, seconds since 1970."""
        return self.path.stat().st_mtime

    def is_alive(self) -> bool:
        """Whether the run lasts, or may last; a file that is gone or cannot be read says that it does not."""
        try:
            process = Process(**json.loads(self.path.read_text("utf-8")))
            return process.is_alive(time.time() - self.at)
        except FileNotFoundError:
            return False
        except (ValueError, TypeError):
            return time.time() - self.at < SILENT_SECONDS


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    import psutil

    return str(round(psutil.boot_time() / 60))


def _host() -> str:
    # In a container the numbers of processes are its own.
    with suppress(OSError):
        return f"{socket.gethostname()} {Path('/proc/self/ns/pid').readlink()}"
    return socket.gethostname()
