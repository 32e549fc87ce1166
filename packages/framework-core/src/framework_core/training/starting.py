"""The other processes of this machine: they begin to import while the first one opens the tracking store."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from framework_core.contracts.config import RunConfig
from framework_core.process import FIRST
from framework_core.training.processes import observe
from framework_core.training.trainer import build_trainer

PLACES = ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "OMP_NUM_THREADS", "WORLD_SIZE")
"""Environment variables by which Lightning tells processes of each other."""

LOOK_SECONDS = 0.5
"""How often a process looks whether the one that has started it is still there."""


class Others:
    """Processes that were started to train with this one, and that wait for it; none, where there is no launcher.

    Args:
        launcher: What has started them.
        before: What the environment said of processes before.
    """

    def __init__(self, launcher: _SubprocessScriptLauncher | None = None, before: dict[str, str] | None = None) -> None:
        self._launcher = launcher
        self._before = before or {}

    def belong_to(self, trainer: Trainer) -> None:
        """Let a Trainer pass signals on to them, and know when one dies."""
        if self._launcher is not None:
            trainer.strategy._launcher = self._launcher

    def end_unmet(self) -> None:
        """End those that never met this process, as it failed before."""
        if self._launcher is None or torch.distributed.is_initialized():
            return
        observe(lambda: True)
        for each in self._launcher.procs:
            each.kill()
            each.wait()
        for name in PLACES:
            os.environ.pop(name, None)
        os.environ |= self._before
        self._launcher = None


def start_others(config: RunConfig) -> Others:
    """Start them, where Lightning would do it when training begins: what they import takes as long as a store does.

    Args:
        config: The settings, and nothing that they ask for is known to be impossible.
    """
    trainer = build_trainer(config, directory=Path.cwd(), logger=False, callbacks=(), enable_checkpointing=False)
    launcher = trainer.strategy.launcher
    if not isinstance(launcher, _SubprocessScriptLauncher) or launcher.cluster_environment.creates_processes_externally:
        return Others()
    before = {name: os.environ[name] for name in PLACES if name in os.environ}
    os.environ[FIRST] = str(os.getpid())
    try:
        # From here on Lightning's Trainers find that the processes of this machine are there.
        launcher.launch(lambda: None)
    finally:
        del os.environ[FIRST]
    # Lightning would kill this process where one of them dies; the run tells it when it trains.
    observe(lambda: False)
    return Others(launcher, before)


def end_with_first() -> None:
    """In a process that another one has started: end when that one does, as long as they have not met.

    From then on each hears of the other's end by what connects them.
    """
    if first := os.environ.pop(FIRST, ""):
        threading.Thread(target=_end_with, args=(int(first),), name="first-process", daemon=True).start()


def _end_with(first: int) -> None:
    while not torch.distributed.is_initialized():
        if os.getppid() != first:
            os._exit(1)
        time.sleep(LOOK_SECONDS)
