"""Processes that load data: why one died, and what one that hangs is doing."""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch.utils.data import DataLoader

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
KILLED = re.compile(r"DataLoader worker \(pid (\d+)\) is killed by signal: ([^.]+)\.")
EXITED = re.compile(r"DataLoader worker \(pid\(?s?\)? [\d, ]+\) exited unexpectedly(?: with exit code (\d+))?")
TIMED_OUT = re.compile(r"DataLoader timed out after ([\d.]+) seconds")
CUT_OFF = (ConnectionError, EOFError, FileNotFoundError)
"""What reading from a process that has just died may end in."""

LEAST_SHARED = 2**28
"""Bytes of shared memory under which a few batches do not fit."""


class Workers:
    """The loading processes of a run: each leaves a trace when it dies, and shows its stack when asked.

    Args:
        seconds: How long one may take for a batch; ``None`` waits for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._kills = _kernel_kills()
        self._folder: Path | None = None
        self._code = 0

    @contextmanager
    def watched(self, trainer: Trainer, datamodule: LightningDataModule) -> Iterator[None]:
        """Let every loader that the data gives meanwhile start such processes."""
        vars(trainer)["_teardown"] = functools.partial(whoever_dies, trainer._teardown)
        self._folder = Path(tempfile.mkdtemp(prefix="fw-workers-"))
        changed = [name for name in LOADERS if is_overridden(name, datamodule)]
        for name in changed:
            vars(datamodule)[name] = self._with_traces(getattr(datamodule, name))
        try:
            yield
        finally:
            vars(trainer).pop("_teardown", None)
            # Lightning leaves it undone where another error comes while it clears up after the first.
            whoever_dies(functools.partial(_end, trainer))
            for name in changed:
                vars(datamodule).pop(name, None)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _with_traces(self, give: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(give)
        def given(*arguments: Any, **options: Any) -> Any:
            loaders = give(*arguments, **options)
            for loader in loaders if isinstance(loaders, list | tuple) else [loaders]:
                if isinstance(loader, DataLoader) and loader.num_workers:
                    loader.worker_init_fn = _Traced(loader.worker_init_fn, str(self._folder))
                    loader.timeout = loader.timeout or self._seconds or 0
            return loaders

        return given

    def ask(self, trainer: Trainer) -> None:
        """Let every process that is alive write its stack down."""
        asked = False
        for process in _processes(trainer):
            if process.is_alive() and process.pid:
                os.kill(process.pid, signal.SIGUSR2)
                asked = True
        if asked:
            time.sleep(0.5)

    def note_ends(self, trainer: Trainer, error: BaseException) -> None:
        """Remember how one of them ended, before the loader is taken down."""
        processes = _processes(trainer)
        if processes and isinstance(error, CUT_OFF):
            time.sleep(0.5)  # it is about to end, and has not yet
        codes = [each.exitcode for each in processes if each.exitcode]
        self._code = codes[0] if codes else 0

    def traces(self) -> str:
        """What they have written."""
        if self._folder is None:
            return ""
        files = sorted(self._folder.iterdir())
        return "\n".join(f"{file.stem}:\n{text}" for file in files if (text := file.read_text(errors="replace")))

    def told(self, error: BaseException) -> tuple[str, str, str] | None:
        """What happened, its likely cause and what to type next; ``None`` where the error is not about a process.

        Lightning may have met another one while it cleared up after the error that matters.
        """
        found = self._told_of(error)
        before = error.__cause__ or error.__context__
        return found or (self.told(before) if before is not None else None)

    def _told_of(self, error: BaseException) -> tuple[str, str, str] | None:
        text = str(error)
        if slow := TIMED_OUT.search(text):
            seconds = float(slow[1])
            return (
                f"took more than {seconds:g} s for a batch",
                "it waits for a lock, a network or a disk; what it was doing is in workers.txt",
                f"Give it more time: faults.worker_seconds={seconds * 10:g}",
            )
        if killed := KILLED.search(text):
            return _died_of(killed[2], self._memory_ran_out())
        if (exited := EXITED.search(text)) or (self._code and isinstance(error, CUT_OFF)):
            if self._code < 0:
                return _died_of(signal.strsignal(-self._code) or "", self._memory_ran_out())
            # Torch may know the code before Python does.
            code = self._code or int((exited and exited[1]) or 0)
            return (
                f"ended by itself, with exit code {code}" if code else "ended by itself",
                "something in it called exit; what it said is above",
                "See it happen in the process that trains: dataset.num_workers=0",
            )
        return None

    def _memory_ran_out(self) -> bool:
        return _kernel_kills() > self._kills


class _Traced:
    """Starts a loading process that leaves a trace.

    Args:
        start: What the loader would have called.
        folder: Where the traces go.
    """

    def __init__(self, start: Callable[[int], None] | None, folder: str) -> None:
        self._start = start
        self._folder = folder

    def __call__(self, worker: int) -> None:
        with contextlib.suppress(OSError):
            # The file stays open as long as the process lives: it is written to when nothing else works any more.
            trace = Path(self._folder, f"worker-{worker}-{os.getpid()}.txt").open("w")  # noqa: SIM115
            # Enabled already, it would not see what torch's own handlers see first.
            faulthandler.disable()
            faulthandler.enable(trace, all_threads=True)
            if hasattr(faulthandler, "register"):
                faulthandler.register(signal.SIGUSR2, trace, all_threads=True)
        if self._start is not None:
            self._start(worker)


def whoever_dies(teardown: Callable[[], None]) -> None:
    """End something; torch does not raise meanwhile where a loading process dies that is being ended anyway."""
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        teardown()
        return
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        teardown()
    finally:
        signal.signal(signal.SIGCHLD, before)


def _iterators(trainer: Trainer) -> list[Any]:
    loops = (trainer.fit_loop, trainer.fit_loop.epoch_loop.val_loop, trainer.test_loop)
    combined: list[Any] = [getattr(loop, "_combined_loader", None) for loop in loops]
    loaders = [loader for each in combined if each is not None for loader in each.flattened]
    running = [getattr(each, "iterators", None) or [] for each in (getattr(c, "_iterator", None) for c in combined)]
    found = [getattr(loader, "_iterator", None) for loader in loaders] + [each for some in running for each in some]
    return list({id(each): each for each in found if getattr(each, "_workers", None)}.values())


def _processes(trainer: Trainer) -> list[Any]:
    return [process for each in _iterators(trainer) for process in each._workers]


def _end(trainer: Trainer) -> None:
    for each in _iterators(trainer):
        each._shutdown_workers()


def _died_of(name: str, memory: bool) -> tuple[str, str, str]:
    signals = {signal.strsignal(each): each.name for each in signal.Signals}
    called = signals.get(name, name)
    what = f"died: it was ended by {called}"
    fewer = "Take fewer processes, which hold fewer batches: dataset.num_workers=1"
    if memory:
        return what, "the kernel ended it, because memory ran out", fewer
    if called == "SIGBUS" or (called == "SIGKILL" and _shared_memory() < LEAST_SHARED):
        size = f"{_shared_memory() / 2**20:,.0f} MB"
        return what, f"shared memory is too small: /dev/shm has {size} left", f"{fewer}, or enlarge /dev/shm"
    if called in ("SIGSEGV", "SIGABRT", "SIGILL", "SIGFPE"):
        return (
            what,
            "a library that reads the data crashed; where is in workers.txt",
            "See it happen in the process that trains: dataset.num_workers=0",
        )
    return what, "somebody or a job manager ended it; memory did not run out", fewer


def _kernel_kills() -> int:
    """How many processes the kernel has ended for want of memory since the machine started."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _shared_memory() -> int:
    with contextlib.suppress(OSError, AttributeError):
        room = os.statvfs("/dev/shm")  # noqa: S108
        return room.f_bavail * room.f_frsize
    return 2**62
