"""What is said before training of the devices that train together: which, by which strategy and why, which batch."""

from __future__ import annotations

import logging
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer

from framework_core.base.datamodule import cores
from framework_core.contracts.config import RunConfig
from framework_core.training.checkpointing import OWN_FORM
from framework_core.training.preparation import Prepared

BYTES_A_PARAMETER = 16
"""What Adam needs in 32 bits: weight, gradient and two moments of four bytes each."""

ROOM = 0.7
"""The share of a GPU's memory that these may take; the rest is for activations."""

_log = logging.getLogger("framework_core")


def with_strategy(config: RunConfig, model: LightningModule, trainer: Trainer) -> RunConfig:
    """The settings, with a strategy that shards where ``auto`` would put more on a GPU than it holds.

    Args:
        config: The settings.
        model: The model.
        trainer: A Trainer of these settings.
    """
    if config.strategy_name != "auto" or trainer.world_size == 1 or not torch.cuda.is_available():
        return config
    memory = torch.cuda.get_device_properties(0).total_memory
    parameters = sum(each.numel() for each in model.parameters())
    return config if fits(parameters, memory) else config.model_copy(update={"strategy": "fsdp2"})


def fits(parameters: int, memory: int) -> bool:
    """Whether a device of so many bytes holds a copy of everything that training keeps of a model."""
    return parameters * BYTES_A_PARAMETER <= ROOM * memory


def say(config: RunConfig, asked: RunConfig, prepared: Prepared, trainer: Trainer) -> None:
    """Say it, where several devices were asked for.

    Args:
        config: The settings.
        asked: The settings before a strategy was chosen.
        prepared: What is trained.
        trainer: A Trainer of these settings.
    """
    if not trainer.is_global_zero:
        return
    if config.checkpoint.sharded and not isinstance(trainer.strategy, OWN_FORM):
        name = "ddp" if config.strategy_name == "auto" else config.strategy_name
        who = "one device" if trainer.world_size == 1 else f"each device, by strategy {name},"
        _log.info("sharded   no checkpoint is: %s keeps everything  else: strategy=fsdp2", who)
    if not (config.distributed.enabled or trainer.world_size > 1):
        return
    world = trainer.world_size
    kind = "processor" if trainer.strategy.root_device.type == "cpu" else "GPU"
    processes = "1 process" if world == 1 else f"{world} processes"
    nodes = f" on {config.num_nodes} nodes" if config.num_nodes > 1 else ""
    _log.info("devices   %s%s, a %s each, %s", processes, nodes, kind, _strategy(config, asked, world, kind))
    if kind == "processor" and trainer.num_devices > cores():
        told = "cores     %s for %s processes of this machine, which take turns  faster: distributed.devices=%s"
        _log.info(told, cores(), trainer.num_devices, cores())
    size: Any = getattr(prepared.datamodule, "batch_size", None)
    if not isinstance(size, int):
        return
    whole = size * world if config.distributed.batch == "per_device" else size
    each, rest = divmod(whole, world)
    parts = f"{each} or {each + 1}" if rest else f"{each}"
    steps = trainer.accumulate_grad_batches
    accumulated = f", {steps} of them a step, which makes {whole * steps}" if steps > 1 else ""
    other = "global" if config.distributed.batch == "per_device" else "per_device"
    _log.info(
        "batch     %s of all devices, %s on each%s, learning rate %g  else: distributed.batch=%s",
        whole,
        parts,
        accumulated,
        config.optimizer.lr,
        other,
    )


def _strategy(config: RunConfig, asked: RunConfig, world: int, kind: str) -> str:
    name = config.strategy_name
    if asked.strategy_name == "auto":
        if world == 1:
            return "strategy single_device: auto takes it where there is one"
        if name == "fsdp2":
            return "strategy fsdp2: auto takes it as a GPU does not hold the whole model with its optimizer"
        return "strategy ddp: auto takes it where each device holds the model  else: strategy=fsdp2"
    if name == "dp":
        passes = " and on processors it divides nothing" if kind == "processor" else ""
        return f"strategy dp: one process for all{passes}  faster: strategy=ddp"
    return f"strategy {name}"
