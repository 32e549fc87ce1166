"""Processes that train together and lose each other, in words: torch tells it in the terms of what it talks over."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Trainer

from framework_core.contracts.config import RunConfig
from framework_core.errors import FrameworkError, ProcessesError

JOINED = re.compile(r"[Tt]imed out after \d+ seconds waiting for clients\. (\d+)/(\d+) clients joined")
WAITED = re.compile(
    r"[Tt]imed out waiting (\d+)ms|Watchdog caught collective operation timeout|DistStoreError.*[Tt]imed out"
)
LOST = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "remote process exited",
    "Socket closed",
)
TAKEN = ("EADDRINUSE", "ddress already in use")
UNUSED = ("Expected to have finished reduction", "parameters that were not used in producing the loss")
MIXED = "got mixed torch.Tensor and DTensor"

PATIENCE = 2.0
"""Seconds in which a process that is dying has died."""


def told(trainer: Trainer, config: RunConfig, error: BaseException, *, resume: str = "") -> FrameworkError | None:
    """What happened, where an error is about the processes that train together; ``None`` where it is not.

    Args:
        trainer: Lightning's Trainer.
        config: The settings.
        error: What was raised.
        resume: The run, where there is a checkpoint to go on from.
    """
    text, settings = f"{type(error).__name__}: {error}", config.distributed
    if missing := JOINED.search(text):
        came, wanted = int(missing[1]), int(missing[2])
        return ProcessesError(
            f"{came} of {wanted} processes came within {settings.timeout_seconds:g} s",
            likely=_why_missing(config, wanted - came),
            remedy=f"Wait longer: distributed.timeout_seconds={settings.timeout_seconds * 10:g}",
        )
    if any(word in text for word in TAKEN):
        port = os.environ.get("MASTER_PORT", "?")
        return ProcessesError(
            f"Port {port}, over which processes find each other, is taken",
            likely="another training or program uses it",
            remedy="Choose another: MASTER_PORT=NUMBER, or leave MASTER_PORT out on one machine",
        )
    if any(words in text for words in UNUSED):
        return ProcessesError(
            "A step left parameters of the model unused, and DDP waits for their gradients",
            likely="a branch that was not taken, or a layer that the loss does not depend on",
            remedy="Let DDP look: strategy=ddp_find_unused_parameters_true",
        )
    if MIXED in text:
        return ProcessesError(
            f"strategy={config.strategy_name} cannot train this model",
            likely="the model takes parameters of its parts without calling the parts",
            remedy="Shard it as a whole: strategy=fsdp, or not at all: strategy=ddp",
        )
    going_on = f"Continue the run: fw train --resume {resume}" if resume else "Start it again."
    if any(word in text for word in LOST):
        return ProcessesError(_who_died(trainer), likely=_likely(trainer), remedy=going_on)
    if WAITED.search(text):
        return ProcessesError(
            f"Process {trainer.global_rank} waited {settings.timeout_seconds:g} s for the others",
            likely="they are somewhere else: a branch that only some take, or data that ends earlier for some",
            remedy="See where each is: set faults.hang_seconds to less than distributed.timeout_seconds",
        )
    return None


def watch(trainer: Trainer, lost: Callable[[FrameworkError], None]) -> None:
    """Hear of processes that Lightning started and that have ended; without this it kills this one, and says nothing.

    Args:
        trainer: Lightning's Trainer, when processes are there.
        lost: Called on another thread with what happened.
    """

    def look() -> bool:
        codes = [process.poll() for process in _children(trainer)]
        if any(codes):
            lost(ProcessesError(_who_died(trainer), likely=_likely(trainer), remedy="Start it again."))
        return any(codes) or all(code == 0 for code in codes)

    observe(look)


def observe(look: Callable[[], bool]) -> None:
    """What is done every few seconds to see whether processes that Lightning started have ended.

    Args:
        look: Looks, and says whether that was the last time.
    """
    for thread in threading.enumerate():
        if thread.name == "child-process-observer":
            vars(thread)["_run"] = look


def _children(trainer: Trainer) -> list[Any]:
    return list(getattr(trainer.strategy.launcher, "procs", []) or [])


def _ended(trainer: Trainer) -> list[tuple[int, int]]:
    """Rank and exit code of those that have died; one that is dying is given a moment."""
    children, until = _children(trainer), time.monotonic() + PATIENCE
    while True:
        found = [(rank, child.poll()) for rank, child in enumerate(children, 1)]
        died = [(rank, code) for rank, code in found if code]
        if died or not children or time.monotonic() > until:
            return died
        time.sleep(0.05)


def _who_died(trainer: Trainer) -> str:
    step = f" after step {trainer.global_step}" if trainer.global_step else ""
    if died := _ended(trainer):
        return ", ".join(f"Process {rank} {_how(code)}" for rank, code in died) + f"{step}, and others wait for it"
    return f"Process {trainer.global_rank} lost another one{step}"


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {signal.Signals(-code).name}"


def _likely(trainer: Trainer) -> str:
    died = _ended(trainer)
    if died and died[0][1] == -9:
        return "memory ran out and the kernel ended it, or somebody did"
    return "what it said is above" if died else "it died; what it said is where it ran"


def _why_missing(config: RunConfig, missing: int) -> str:
    if config.num_nodes > 1:
        return (
            f"the same command was not started on each of the {config.num_nodes} nodes, or they do not reach "
            f"{os.environ.get('MASTER_ADDR', 'the first one')}:{os.environ.get('MASTER_PORT', '?')}"
        )
    return f"{missing} died when they started, or are slow to start"
