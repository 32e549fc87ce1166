"""FSDP2: parameters, gradients and optimizer states sharded by ``torch.distributed.fsdp.fully_shard``.

Zhao et al., PyTorch FSDP, https://arxiv.org/abs/2304.11277. It runs on processors as on GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard
from torchmetrics import Metric, MetricCollection

from framework_core.training.strategies.blocks import blocks_of, checkpoint_activations
from framework_core.training.strategies.whole_state import WholeState


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

    def _shard(self, module: nn.Module) -> None:
        blocks = blocks_of(module, self._blocks)
        if self._activation_checkpointing:
            checkpoint_activations(blocks, module)
        module.to(self.root_device)
        offload = CPUOffloadPolicy(pin_memory=self.root_device.type != "cpu") if self._cpu_offload else OffloadPolicy()
        mesh = self.device_mesh["data_parallel"]
        for part in [*blocks, *_outermost(module)]:
            fully_shard(part, mesh=mesh, offload_policy=offload)


def _outermost(module: nn.Module) -> list[nn.Module]:
    """What a Lightning module calls: its children, and those of lists among them."""
    found: list[nn.Module] = []
    for child in module.children():
        if isinstance(child, Metric | MetricCollection) or not any(True for _ in child.parameters()):
            continue
        found += _outermost(child) if type(child) in (nn.ModuleList, nn.ModuleDict) else [child]
    return found
