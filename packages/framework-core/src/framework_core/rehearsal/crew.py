"""Starts a process for each rank, with libraries that are imported once: ``python -m framework_core.rehearsal.crew``.

A rank is a process of its own, so that nothing that one leaves behind, in a module of the user's or in torch, is there
for the next.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import sysconfig
import time
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from framework_core.rehearsal.asked import Asked
from framework_core.rehearsal.rank import rehearse_rank
from framework_core.rehearsal.told import Told, Trouble

LIBRARIES = "libraries.txt"
"""The file in which the first rank leaves what it imported."""

_LAST_WORDS = 300


class Crew:
    """The processes of all ranks, some of them at a time.

    Args:
        asked: The training.
        folder: Where each rank leaves what it tells.
        at_once: How many go on at the same time.
        seconds: How long one may take.
    """

    def __init__(self, asked: Asked, folder: Path, *, at_once: int, seconds: float) -> None:
        self._asked = asked
        self._folder = folder
        self._at_once = at_once
        self._seconds = seconds
        self._busy: dict[int, tuple[int, float]] = {}

    def go(self) -> None:
        """The first rank alone, as it may fetch data that the others then find; then all others."""
        signal.signal(signal.SIGTERM, self._stop)
        self._start(0)
        self._wait_for_room(0)
        if self._was_refused():
            return
        self._import_libraries()
        for rank in range(1, self._asked.ranks):
            self._wait_for_room(self._at_once - 1)
            self._start(rank)
        self._wait_for_room(0)

    def _was_refused(self) -> bool:
        trouble: dict[str, Any] | None = json.loads((self._folder / "0.json").read_text("utf-8"))["trouble"]
        return bool(trouble and trouble["request"])

    def _import_libraries(self) -> None:
        """What the first rank imported of installed packages is there for the others: it may take longer than they."""
        file = self._folder / LIBRARIES
        for name in file.read_text("utf-8").splitlines() if file.exists() else ():
            with suppress(Exception), redirect_stdout(sys.stderr):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()

    def _start(self, rank: int) -> None:
        pid = os.fork()
        if pid:
            self._busy[pid] = (rank, time.monotonic())
            return
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._be(rank)
            code = 0
        finally:
            os._exit(code)

    def _be(self, rank: int) -> None:
        """Be a rank, and say nothing but what is asked."""
        said = os.open(self._folder / f"{rank}.said", os.O_WRONLY | os.O_CREAT)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, file in ((0, nothing), (1, said), (2, said)):
            os.dup2(file, number)
        told = rehearse_rank(self._asked, rank)
        if rank == 0:
            (self._folder / LIBRARIES).write_text("\n".join(_libraries()), encoding="utf-8")
        self._write(told)

    def _write(self, told: Told) -> None:
        partial = self._folder / f"{told.rank}.partial"
        partial.write_text(told.text(), encoding="utf-8")
        partial.replace(self._folder / f"{told.rank}.json")

    def _wait_for_room(self, most: int) -> None:
        while len(self._busy) > most:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in self._busy:
                rank, _ = self._busy.pop(pid)
                self._note_end(rank, os.waitstatus_to_exitcode(status))
                continue
            for late, (rank, began) in self._busy.items():
                if time.monotonic() - began > self._seconds:
                    self._write(Told(rank, trouble=Trouble(f"it did not come to an end in {self._seconds:g} s")))
                    os.kill(late, signal.SIGKILL)
            time.sleep(0.02)

    def _note_end(self, rank: int, code: int) -> None:
        """A rank that ended without a word is told of by whoever started it."""
        if (self._folder / f"{rank}.json").exists():
            return
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        last = (self._folder / f"{rank}.said").read_text("utf-8", "replace").strip().splitlines()[-1:]
        words = f": {last[0][:_LAST_WORDS]}" if last else ""
        self._write(Told(rank, trouble=Trouble(f"its process was {how}{words}" if code < 0 else f"its process {how}")))

    def _stop(self, number: int, frame: FrameType | None) -> None:
        for pid in self._busy:
            os.kill(pid, signal.SIGKILL)
        os._exit(1)


def _libraries() -> list[str]:
    """Modules of installed packages, in the order in which they were imported."""
    site = sysconfig.get_path("purelib")
    modules = list(sys.modules.items())
    return [name for name, module in modules if (getattr(module, "__file__", None) or "").startswith(site)]


def main(request: str) -> None:
    """Rehearse as asked.

    Args:
        request: JSON: the words and numbers of ``Asked``, the folder, how many at once, how long.
    """
    given = json.loads(request)
    torch.set_num_threads(1)
    asked = Asked(given["words"], given["nodes"], given["devices"])
    Crew(asked, Path(given["folder"]), at_once=given["at_once"], seconds=given["seconds"]).go()


if __name__ == "__main__":
    main(sys.argv[1])
