"""Whether a run is alive: a file that its process touches while it lasts."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from framework_core.process import job

HEARTBEAT = "heartbeat.json"
EVERY_SECONDS = 2.0
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
        job: The cluster's job that it belongs to; empty where there is none.
    """

    pid: int
    started: float
    boot: str
    host: str
    job: str = ""

    @classmethod
    def this(cls) -> Process:
        """This one."""
        import psutil

        return cls(os.getpid(), psutil.Process().create_time(), _boot(), _host(), job())

    def is_alive(self, silent: float) -> bool:
        """Whether it lasts, or may last.

        Args:
            silent: Seconds since it was last heard of.
        """
        import psutil

        if self.host != _host():
            # A job is started again when everything of it has ended, and then often elsewhere.
            return not (self.job and self.job == job()) and silent < SILENT_SECONDS
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
        directory: The run's folder.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / HEARTBEAT
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Say that this process is the run, now and from time to time."""
        self.write()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say that the run has ended."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            try:
                os.utime(self.path)
            except FileNotFoundError:
                # Another process wanted the run, and did not get it.
                self.write()
            except OSError:
                continue

    def write(self) -> None:
        """Say it once."""
        new = self.path.with_suffix(".new")
        with suppress(OSError):
            new.write_text(json.dumps(vars(Process.this())) + "\n", encoding="utf-8")
            new.replace(self.path)

    @property
    def at(self) -> float:
        """When it was last heard of, seconds since 1970."""
        return self.path.stat().st_mtime

    @property
    def process(self) -> Process | None:
        """The process that trains the run, as far as can be told; nothing where none does."""
        try:
            found = Process(**json.loads(self.path.read_text("utf-8")))
            return found if found.is_alive(time.time() - self.at) else None
        except (OSError, ValueError, TypeError):
            return None

    def is_alive(self) -> bool:
        """Whether the run lasts, or may last."""
        return self.process is not None


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
