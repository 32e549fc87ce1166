"""Processes that another program started, as torchrun does: they find each other before the run has a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.distributed import _get_default_process_group_backend_for_device
from lightning.pytorch import LightningModule, Trainer
from torch.distributed.constants import default_pg_timeout

from framework_core.contracts.config import RunConfig
from framework_core.errors import ConfigError, ConfigProblem, RunInterrupted
from framework_core.process import is_main_process, is_started_again
from framework_core.training.agent_store import BEGUN, agent_store, of_this_attempt
from framework_core.training.folders import CHILDREN_USE
from framework_core.training.trainer import build_trainer


def check_started(trainer: Trainer) -> None:
    """See that torchrun did not start more processes than train together.

    Raises:
        ConfigError: It did: each would train the whole, and know nothing of the others.
    """
    started = int(os.environ.get("WORLD_SIZE") or 1) if "TORCHELASTIC_RUN_ID" in os.environ else 1
    if started == 1 or trainer.world_size == started:
        return
    here = int(os.environ.get("LOCAL_WORLD_SIZE") or started)
    nodes = "" if here == started else f" distributed.num_nodes={started // here}"
    raise ConfigError(
        [ConfigProblem("distributed", f"torchrun has started {started} processes, and these settings train in 1")],
        next_step=f"Let them train together: distributed.enabled=true distributed.devices={here}{nodes}",
    )


@contextmanager
def one_folder(config: RunConfig, model: LightningModule) -> Iterator[bool]:
    """Let the first process choose or make the run's folder inside this, and the others then take the same one.

    Processes that Lightning starts itself begin when the folder is there.

    Args:
        config: The settings.
        model: The model, which some strategies want to know when processes meet.

    Yields:
        Whether torchrun has started these processes before.

    Raises:
        RunInterrupted: The first process could not choose one; it says why.
    """
    met, again = _meet(config, model)
    if not met:
        yield False
        return
    if is_main_process():
        try:
            yield again
        except BaseException:
            _told("")
            raise
        _told(str(Path(os.environ[CHILDREN_USE]).resolve()))
    else:
        folder = _told("")
        if not folder:
            raise RunInterrupted("the first process")
        os.environ[CHILDREN_USE] = folder
        yield again
    # The first process tidies the folder up when it goes on; until here the others read what is in it.
    torch.distributed.barrier()


def _meet(config: RunConfig, model: LightningModule) -> tuple[bool, bool]:
    """Whether there are other processes, which are connected then; and whether they were started before."""
    trainer = build_trainer(config, directory=Path.cwd(), logger=False, callbacks=(), enable_checkpointing=False)
    strategy: Any = trainer.strategy
    environment = getattr(strategy, "cluster_environment", None)
    if trainer.world_size == 1 or environment is None or isinstance(environment, LightningEnvironment):
        return False, False
    limit = getattr(strategy, "_timeout", None) or default_pg_timeout
    rank, processes = environment.global_rank(), environment.world_size()
    store, begun = agent_store(limit), is_started_again()
    if store is not None:
        begun = begun or (rank == 0 and store.check([BEGUN]))
        own = of_this_attempt(store, rank=rank, processes=processes, limit=limit)
        backend = _get_default_process_group_backend_for_device(strategy.root_device)
        torch.distributed.init_process_group(backend, store=own, rank=rank, world_size=processes, timeout=limit)
        store.set(BEGUN, "1")
    strategy.connect(model)
    strategy.setup_environment()
    said: list[Any] = [None] * processes
    torch.distributed.all_gather_object(said, begun)
    return True, any(said)


def _told(mine: str) -> str:
    """What the first process says."""
    word = [mine]
    torch.distributed.broadcast_object_list(word)
    return word[0]
