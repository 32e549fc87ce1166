"""FSDP in its first form, ``FullyShardedDataParallel``; on processors too, which Lightning refuses."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import lambda_auto_wrap_policy
from torch.optim import Optimizer

from framework_core.training.layers import plain_name, remember_shapes, shape_of
from framework_core.training.strategies.blocks import blocks_of, checkpoint_activations
from framework_core.training.strategies.owned import load_besides, names_of, owned_weights, owners
from framework_core.training.strategies.whole_state import (
    WholeState,
    groups_of,
    parameters_of,
    refuse_others,
    set_groups,
)


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

    def setup(self, trainer: Any) -> None:
        """Let gradients be clipped by their norm, which only the outermost module knows of all pieces."""
        super().setup(trainer)
        vars(self.precision_plugin)["clip_grad_by_norm"] = self._clip_by_norm

    def _clip_by_norm(self, optimizer: Optimizer, clip_val: float) -> None:
        cast("FullyShardedDataParallel", self.model).clip_grad_norm_(clip_val)

    def whole_optimizer(self, optimizer: Optimizer) -> dict[str, Any]:
        """The state, on the first process; the others have part in it and get nothing."""
        state = self._state(optimizer, [0] * len(parameters_of(optimizer)))
        return {"state": state, "param_groups": groups_of(optimizer)} if self.is_global_zero else {}

    def part_of_weights(self) -> dict[str, Any]:
        """Whole tensors, each in the process that writes it."""
        writers = owners([shape_of(each).numel() for each in self._sharded().parameters()], self.world_size)

        def whole(number: int, parameter: nn.Parameter) -> Tensor | None:
            pieces = self._pieces(parameter.detach().cpu(), writers[number])
            return _joined(pieces, shape_of(parameter)) if pieces else None

        return owned_weights(self._sharded(), whole)

    def part_of_optimizer(self, optimizer: Optimizer) -> dict[str, Any]:
        """Whole tensors, each in the process that writes it."""
        writers = owners([shape_of(each).numel() for each in parameters_of(optimizer)], self.world_size)
        return {"state": self._state(optimizer, writers), "param_groups": groups_of(optimizer)}

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Each process takes its part; of parts it reads one tensor at a time."""
        if self.in_parts is None:
            super().load_model_state_dict(checkpoint, strict)
            return
        saved, model = checkpoint["state_dict"], self._sharded()
        if strict:
            refuse_others(saved, names_of(model))
        starts = self._starts(list(model.parameters()))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if plain_name(name) in saved and parameter.numel():
                    parameter.copy_(_piece(saved[plain_name(name)], parameter, starts[parameter]))
            load_besides(model, saved)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Each process takes its part; of parts it reads one tensor at a time."""
        if self.in_parts is None:
            super().load_optimizer_state_dict(checkpoint)
            return
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=False):
            parameters = parameters_of(optimizer)
            starts = self._starts(parameters)
            for number, values in saved["state"].items():
                parameter = parameters[number]
                if parameter.numel():
                    own = {key: _piece(values[key], parameter, starts[parameter]) for key in values}
                    optimizer.state[parameter] = own
            set_groups(optimizer, saved["param_groups"])

    def _state(self, optimizer: Optimizer, writers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The state of each parameter that this process writes.

        Each process has a piece of each parameter, one after another. Torch's own way to put them together mixes up
        those of parameters that are sharded as one, on processors at least.
        """
        found: dict[int, dict[str, Any]] = {}
        for number, parameter in enumerate(parameters_of(optimizer)):
            pieces = [
                each for each in self._pieces(_on_cpu(optimizer.state.get(parameter, {})), writers[number]) if each
            ]
            if pieces:
                shape = shape_of(parameter)
                found[number] = {key: _joined([each[key] for each in pieces], shape) for key in pieces[0]}
        return found

    def _pieces(self, own: Any, writer: int) -> list[Any]:
        """What every process has of a thing, in the process that writes it; nothing in the others."""
        everyone: list[Any] = [None] * self.world_size if self.global_rank == writer else []
        torch.distributed.gather_object(own, everyone or None, dst=writer)
        return everyone

    def _starts(self, parameters: Sequence[nn.Parameter]) -> dict[nn.Parameter, int]:
        """Where in each parameter the piece of this process begins."""
        everyone: list[Any] = [None] * self.world_size
        torch.distributed.all_gather_object(everyone, [each.numel() for each in parameters])
        before = everyone[: self.global_rank]
        return {each: sum(sizes[number] for sizes in before) for number, each in enumerate(parameters)}

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
    return {key: value.detach().cpu() if isinstance(value, Tensor) else value for key, value in state.items()}


def _piece(value: Any, parameter: nn.Parameter, start: int) -> Any:
    """What a process keeps of a tensor; a count is everywhere."""
    if not isinstance(value, Tensor) or not value.ndim:
        return value
    return value.flatten()[start : start + parameter.numel()].to(parameter.device, copy=True)


def _joined(pieces: list[Any], shape: torch.Size) -> Any:
    first = pieces[0]
    if not isinstance(first, Tensor) or not first.ndim:
        return first  # a count
    return torch.cat([each.flatten() for each in pieces]).view(shape)
