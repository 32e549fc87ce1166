"""FSDP2: parameters, gradients and optimizer states sharded by ``torch.distributed.fsdp.fully_shard``.

Zhao et al., PyTorch FSDP, https://arxiv.org/abs/2304.11277. It runs on processors as on GPUs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
)
from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard
from torch.optim import Optimizer
from torchmetrics import Metric, MetricCollection

from framework_core.training.checkpoint_io import OPTIMIZER
from framework_core.training.checkpoint_parts import read_into
from framework_core.training.strategies.blocks import blocks_of, checkpoint_activations
from framework_core.training.strategies.whole_state import (
    WholeState,
    groups_of,
    parameters_of,
    refuse_others,
    set_groups,
)


class FSDP2(WholeState, ModelParallelStrategy):
    """Shards the blocks that a model repeats, one by one, and then what is left.

    Args:
        blocks: Classes of modules to shard one by one; empty takes those that the model repeats.
        activation_checkpointing: Whether activations of blocks are computed again and not kept.
        cpu_offload: Whether shards are kept in main memory while they are not needed.
        timeout_seconds: How long a process waits for the others.
    """

    strategy_name = "fsdp2"

    def __init__(
        self,
        *,
        blocks: Sequence[str] = (),
        activation_checkpointing: bool = False,
        cpu_offload: bool = False,
        timeout_seconds: float = 1800.0,
    ) -> None:
        super().__init__(tensor_parallel_size=1, timeout=timedelta(seconds=timeout_seconds))
        self._blocks = tuple(blocks)
        self._activation_checkpointing = activation_checkpointing
        self._cpu_offload = cpu_offload

    def setup_environment(self) -> None:
        """All processes share the data."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def setup(self, trainer: Any) -> None:
        """Shard the model, and let Lightning do the rest."""
        module = cast("nn.Module", self.lightning_module)
        vars(module)["configure_model"] = lambda: None  # Lightning asks for one; the model need not know of this
        self._shard(module)
        try:
            super().setup(trainer)
        finally:
            vars(module).pop("configure_model", None)

    def part_of_weights(self) -> dict[str, Any]:
        """This process's part of each."""
        return get_model_state_dict(self._sharded())

    def part_of_optimizer(self, optimizer: Optimizer) -> dict[str, Any]:
        """This process's part of each value."""
        every = enumerate(parameters_of(optimizer))
        state = {number: dict(optimizer.state[each]) for number, each in every if optimizer.state.get(each)}
        return {"state": state, "param_groups": groups_of(optimizer)}

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Each process takes its part, and reads no other where there are parts."""
        saved = checkpoint["state_dict"]
        if self.in_parts is None:
            super().load_model_state_dict(checkpoint, strict)
            return
        own = get_model_state_dict(self._sharded())
        if strict:
            refuse_others(saved, own)
        tensors = {name: value for name, value in own.items() if name in saved and isinstance(value, Tensor)}
        others = {name: saved[name] for name in own if name in saved and name not in tensors}
        read_into({"state_dict": tensors}, self.in_parts)
        set_model_state_dict(self._sharded(), own | others, options=StateDictOptions(strict=strict))

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Each process takes its part, and reads no other where there are parts."""
        if self.in_parts is None:
            super().load_optimizer_state_dict(checkpoint)
            return
        for number, (optimizer, saved) in enumerate(zip(self.optimizers, checkpoint["optimizer_states"], strict=False)):
            # Torch makes room for a state when it is asked for one that is not there yet.
            get_optimizer_state_dict(self._sharded(), optimizer)
            room = _room(optimizer, saved["state"])
            if room:
                read_into({OPTIMIZER.format(number=number): {"state": room}}, self.in_parts)
            set_groups(optimizer, saved["param_groups"])

    def _shard(self, module: nn.Module) -> None:
        blocks = blocks_of(module, self._blocks)
        if self._activation_checkpointing:
            checkpoint_activations(blocks, module)
        module.to(self.root_device)
        offload = CPUOffloadPolicy(pin_memory=self.root_device.type != "cpu") if self._cpu_offload else OffloadPolicy()
        mesh = self.device_mesh["data_parallel"]
        for part in [*blocks, *_outermost(module)]:
            fully_shard(part, mesh=mesh, offload_policy=offload)


def _room(optimizer: Optimizer, saved: Mapping[int, Mapping[str, Any]]) -> dict[str, dict[str, Tensor]]:
    """The tensors of an optimizer's state that are to be read; what is no tensor is taken at once."""
    room: dict[str, dict[str, Tensor]] = {}
    for number, parameter in enumerate(parameters_of(optimizer)):
        values = saved.get(number, {})
        own = optimizer.state[parameter]
        for key in values:
            if not isinstance(own.get(key), Tensor):
                own[key] = values[key]
            else:
                room.setdefault(str(number), {})[key] = own[key]
        if not values:
            del optimizer.state[parameter]
    return room


def _outermost(module: nn.Module) -> list[nn.Module]:
    """What a Lightning module calls: its children, and those of lists among them."""
    found: list[nn.Module] = []
    for child in module.children():
        if isinstance(child, Metric | MetricCollection) or not any(True for _ in child.parameters()):
            continue
        found += _outermost(child) if type(child) in (nn.ModuleList, nn.ModuleDict) else [child]
    return found
