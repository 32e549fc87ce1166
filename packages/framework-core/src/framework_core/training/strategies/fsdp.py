"""FSDP in its first form, ``FullyShardedDataParallel``; on processors too, which Lightning refuses."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import FSDPStrategy
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import lambda_auto_wrap_policy
from torch.optim import Optimizer

from framework_core.training.layers import remember_shapes, shape_of
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

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The state, numbered as an optimizer of one device numbers it; only the first process has it.

        Each process has a piece of each parameter, one after another. Torch's own way to put them together mixes up
        those of parameters that are sharded as one, on processors at least.
        """
        if isinstance(optimizer, LightningOptimizer):
            optimizer = optimizer._optimizer
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        everyone: list[Any] = [None] * self.world_size if self.is_global_zero else []
        own = [_on_cpu(optimizer.state.get(each, {})) for each in parameters]
        torch.distributed.gather_object(own, everyone or None, dst=0)
        if not self.is_global_zero:
            return {}
        pieces = {number: [each[number] for each in everyone if each[number]] for number in range(len(parameters))}
        state = {
            number: {key: _joined([each[key] for each in found], shape_of(parameters[number])) for key in found[0]}
            for number, found in pieces.items()
            if found
        }
        numbers = iter(range(len(parameters)))
        groups = [{**group, "params": [next(numbers) for _ in group["params"]]} for group in optimizer.param_groups]
        return {"state": state, "param_groups": groups}

    def _setup_model(self, model: nn.Module) -> nn.Module:
        remember_shapes(model)
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


def _on_cpu(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value.detach().cpu() if isinstance(value, torch.Tensor) else value for key, value in state.items()}


def _joined(pieces: list[Any], shape: torch.Size) -> Any:
    first = pieces[0]
    if not isinstance(first, torch.Tensor) or not first.ndim:
        return first  # a count
    return torch.cat([each.flatten() for each in pieces]).view(shape)
