"""Where processes that train together are, told through the store in which they met: who waits in vain is named.

A process that waits for others knows of them only that they do not come. Here each tells once a second where it is, and
the first one sees what cannot end well: an epoch that is over for some and not for others, and processes that all wait,
each somewhere else.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import CodeType, FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore

from framework_core.errors import FrameworkError, ProcessesError
from framework_core.training.places import place

TOGETHER = ("auto", "ddp", "fsdp", "deepspeed")
"""Strategies whose processes need each other in every step, by how their names begin; of others nothing is known."""

EVERY_SECONDS = 1.0

IN_VAIN_SECONDS = 5
"""How long all have to wait, each somewhere else; a slow network may take long, but it does so in one place for all."""

IDLE = 0.02
"""The share of a second that a thread which waits may compute."""

KEPT = 3
"""Epochs whose length is told."""

BACKWARD = "_engine_run_backward"
_WRAPPER = "wrapper"
_number = itertools.count()
_log = logging.getLogger("framework_core")


@dataclass
class Whereabout:
    """Where a process is.

    Attributes:
        epoch: The epoch, from 1.
        batches: The batches of it that were begun.
        lengths: How many batches the last epochs had, by their number.
        waits: The seconds for which it has waited for others.
        where: What it waits in.
    """

    epoch: int = 0
    batches: int = 0
    lengths: dict[str, int] = field(default_factory=dict)
    waits: int = 0
    where: str = ""

    def __str__(self) -> str:
        return f"{self.where} (epoch {self.epoch}, batch {self.batches})"


class Whereabouts(Callback):
    """Tells where this process is, and hears what the first one makes of all of them."""

    def __init__(self) -> None:
        self.verdict: ProcessesError | None = None
        """What is wrong, once it is known."""
        self._here = Whereabout()
        self._main = threading.main_thread()
        self._computed = 0.0
        self._tells_waiting = False
        self._over = threading.Event()
        # Processes train as often as each other, and what one left in the store is not of the next training.
        self._drawer = f"framework/whereabouts/{next(_number)}"

    @contextmanager
    def watched(self, lost: Callable[[FrameworkError], None], *, on_processors: bool) -> Iterator[None]:
        """Tell and listen meanwhile, on a thread of its own.

        Args:
            lost: Called on that thread with what is wrong.
            on_processors: Whether a thread that computes nothing waits; where a GPU computes, it may wait for that.
        """
        self._tells_waiting = on_processors and hasattr(time, "pthread_getcpuclockid")
        thread = threading.Thread(target=self._watch, args=(lost,), name="whereabouts", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Called with each batch."""
        self._here.epoch, self._here.batches = trainer.current_epoch + 1, batch_idx + 1
        if trainer.is_last_batch:
            lengths = {**self._here.lengths, str(self._here.epoch): self._here.batches}
            self._here.lengths = dict(list(lengths.items())[-KEPT:])

    def _watch(self, lost: Callable[[FrameworkError], None]) -> None:
        try:
            while not self._over.wait(EVERY_SECONDS):
                if distributed.is_initialized():
                    self._look(lost)
        except RuntimeError as error:  # the store ends with the first process
            _log.debug("The others are not heard of any more: %s", error)

    def _look(self, lost: Callable[[FrameworkError], None]) -> None:
        store = PrefixStore(self._drawer, distributed.distributed_c10d._get_default_store())
        rank, world = distributed.get_rank(), distributed.get_world_size()
        if self._tells_waiting:
            self._see_whether_it_waits()
        store.set(str(rank), json.dumps(asdict(self._here)))
        if rank == 0 and store.check([str(each) for each in range(world)]):
            everyone = [Whereabout(**json.loads(store.get(str(each)))) for each in range(world)]
            if found := judged(everyone):
                store.set("verdict", json.dumps(found))
        if store.check(["verdict"]):
            self.verdict = ProcessesError(**json.loads(store.get("verdict")))
            self._over.set()
            lost(self.verdict)

    def _see_whether_it_waits(self) -> None:
        thread = self._main.ident or 0
        computed = time.clock_gettime(time.pthread_getcpuclockid(thread))
        where = waits_in(sys._current_frames().get(thread))
        idle = computed - self._computed < IDLE * EVERY_SECONDS
        same = where == self._here.where
        self._here.waits = self._here.waits + 1 if where and idle and same else 0
        self._here.where, self._computed = where, computed


def judged(everyone: Sequence[Whereabout]) -> dict[str, str] | None:
    """What cannot end well, as the arguments of an error.

    Args:
        everyone: Where each process is, in order of their numbers.
    """
    return _uneven(everyone) or _apart(everyone)


def _uneven(everyone: Sequence[Whereabout]) -> dict[str, str] | None:
    for shorter, here in enumerate(everyone):
        for epoch, length in here.lengths.items():
            for longer, there in enumerate(everyone):
                begun = there.batches if there.epoch == int(epoch) else there.lengths.get(epoch, 0)
                if begun > length:
                    return {
                        "what": f"Epoch {epoch} is over for process {shorter} after {length} batches, and process "
                        f"{longer} is at its batch {begun}",
                        "likely": "the data gives some processes more than others, as a stream may that is shared out "
                        "by files",
                        "remedy": f"Stop all at the shortest: trainer.limit_train_batches={length}",
                    }
    return None


def _apart(everyone: Sequence[Whereabout]) -> dict[str, str] | None:
    if min(each.waits for each in everyone) < IN_VAIN_SECONDS or len({str(each) for each in everyone}) == 1:
        return None
    usual = str(everyone[0])
    other = next(number for number, each in enumerate(everyone) if str(each) != usual)
    return {
        "what": f"Processes wait for each other in vain: process 0 in {usual}, process {other} in {everyone[other]}",
        "likely": "a branch that only some of them take",
        "remedy": f"See all that they do not do together: fw launch --dry-run --ranks {len(everyone)} -- ...",
    }


def waits_in(frame: FrameType | None) -> str:
    """What a thread waits for others in, with the line of the user's own; empty where it does something else.

    Args:
        frame: Where the thread is.
    """
    name = ""
    while frame is not None and _exchanges(frame.f_code):
        name = "the backward pass" if frame.f_code.co_name == BACKWARD else frame.f_code.co_name
        frame = frame.f_back
        while frame is not None and frame.f_code.co_name == _WRAPPER:
            frame = frame.f_back
    own = place(frame) if name else ""
    return f"{name} at {own}" if own else name


def _exchanges(code: CodeType) -> bool:
    return "/torch/distributed/" in code.co_filename or code.co_name == BACKWARD
