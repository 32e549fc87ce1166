"""FSDP in its first form, ``FullyShardedDataParallel``; on processors too, which Lightning refuses."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import timedelta

import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import lambda_auto_wrap_policy

from framework_core.training.layers import remember_axes
from framework_core.training.strategies.blocks import blocks_of, checkpoint_activations
from framework_core.training.strategies.whole_state import WholeState


class FSDP(WholeState, FSDPStrategy):
    """Shards the blocks that a model repeats, one by one, and then what is left.

    Args:
        blocks: Classes of modules to shard one by one; empty takes those that the model repeats.
        activation_checkpointing: Whether activations of blocks are computed again and not kept.
        cpu_offload: Whether parameters are kept in main memory while they are not needed.
        timeout_seconds: How long a process waits for the others.
    """

    def __init__(
        self,
        *,
        blocks: Sequence[str] = (),
        activation_checkpointing: bool = False,
        cpu_offload: bool = False,
        timeout_seconds: float = 1800.0,
    ) -> None:
        super().__init__(cpu_offload=cpu_offload, timeout=timedelta(seconds=timeout_seconds))
        self._blocks = tuple(blocks)
        self._checkpoints_activations = activation_checkpointing

    def _setup_model(self, model: nn.Module) -> nn.Module:
        remember_axes(model)
        chosen = blocks_of(model, self._blocks)
        if self._checkpoints_activations:
            checkpoint_activations(chosen, model)
        ids = {id(each) for each in chosen}
        self.kwargs["auto_wrap_policy"] = functools.partial(
            lambda_auto_wrap_policy, lambda_fn=lambda module: id(module) in ids
        )
        if self.root_device.type != "cpu":
            return super()._setup_model(model)
        # Torch takes a processor where it is told of one; Lightning tells of a number.
        return FullyShardedDataParallel(
            module=model,
            cpu_offload=self.cpu_offload,
            mixed_precision=self.mixed_precision_config,
            sharding_strategy=self.sharding_strategy,
            device_id=torch.device("cpu"),
            **self.kwargs,
        )


__all__ = ["FSDP"]
