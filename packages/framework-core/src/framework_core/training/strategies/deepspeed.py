"""DeepSpeed's ZeRO, by Lightning's strategy; on processors too, which Lightning refuses.

Rajbhandari et al., ZeRO: Memory Optimizations Toward Training Trillion Parameter Models,
https://arxiv.org/abs/1910.02054. Stage 1 shards optimizer states, stage 2 gradients too, stage 3 parameters too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from typing import Any

import torch
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy
from torch import nn
from torch.optim import Optimizer

from framework_core.training.strategies.whole_state import WholeState


class DeepSpeed(WholeState, DeepSpeedStrategy):
    """Shards by DeepSpeed.

    Args:
        on_cpu: Whether it trains on processors.
        timeout_seconds: How long a process waits for the others.
        **settings: What Lightning's strategy takes: ``stage``, ``offload_optimizer``, or ``config`` for all of it.
    """

    def __init__(self, *, on_cpu: bool = False, timeout_seconds: float = 1800.0, **settings: Any) -> None:
        if on_cpu:
            # DeepSpeed looks at this when it is imported.
            os.environ.setdefault("DS_ACCELERATOR", "cpu")
        self._on_cpu = on_cpu
        self._groups: list[list[nn.Parameter]] = []
        with _stdout_is_for_results():
            super().__init__(timeout=timedelta(seconds=timeout_seconds), **settings)

    @property
    def root_device(self) -> torch.device:
        """The device of this process; DeepSpeed asks for its number."""
        return torch.device("cpu", self.local_rank) if self._on_cpu else super().root_device

    def setup_environment(self) -> None:
        """Let processes know each other."""
        with _stdout_is_for_results():
            if self._on_cpu:
                DDPStrategy.setup_environment(self)
            else:
                super().setup_environment()

    def setup(self, trainer: Any) -> None:
        """Shard the model, and let Lightning do the rest."""
        with _stdout_is_for_results():
            super().setup(trainer)

    def setup_distributed(self) -> None:
        """Let processes know each other."""
        if not self._on_cpu:
            super().setup_distributed()
            return
        reset_seed()
        self.set_world_ranks()
        self._init_deepspeed_distributed()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The weights, on the first process; the others have part in it and get nothing."""
        module: Any = self.lightning_module
        with self._gathered(module):
            state = module.state_dict()
            return {name: _copied(value) for name, value in state.items()} if self.is_global_zero else {}

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Each process takes its part."""
        module: Any = self.lightning_module
        with self._gathered(module, changed=True):
            module.load_state_dict(checkpoint["state_dict"], strict=strict)
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and name in checkpoint["state_dict"]:
                self._set(parameter, checkpoint["state_dict"][name].float())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The state, numbered as an optimizer of one device numbers it; only the first process has it."""
        from deepspeed.utils import safe_get_full_optimizer_state

        inner = self._inner()
        example: dict[str, Any] = next((inner.state[each] for each in self._parts() if inner.state.get(each)), {})
        sharded = [key for key, value in example.items() if isinstance(value, torch.Tensor) and value.ndim]
        counted = {key: _copied(value) for key, value in example.items() if key not in sharded}
        if example:
            self._link()
        groups: list[dict[str, Any]] = []
        state: dict[int, dict[str, Any]] = {}
        for parameters, group in zip(self._groups, inner.param_groups, strict=True):
            numbers = range(len(state), len(state) + len(parameters))
            for number, parameter in zip(numbers, parameters, strict=True):
                found = {key: _copied(safe_get_full_optimizer_state(parameter, key)) for key in sharded}
                state[number] = {key: value.view(_shape(parameter)) for key, value in found.items()} | counted
            groups.append({**group, "params": list(numbers)})
        return {"state": state if example else {}, "param_groups": groups} if self.is_global_zero else {}

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Each process takes its part."""
        saved = checkpoint["optimizer_states"][0]
        inner = self._inner()
        for group, values in zip(inner.param_groups, saved["param_groups"], strict=True):
            group.update({key: value for key, value in values.items() if key != "params"})
        if not saved["state"]:
            return
        example = next(iter(saved["state"].values()))
        sharded = [key for key, value in example.items() if isinstance(value, torch.Tensor) and value.ndim]
        for part in self._parts():
            inner.state[part] = {
                key: torch.zeros_like(part) if key in sharded else _copied(value) for key, value in example.items()
            }
        self._link()
        ordered = [parameter for parameters in self._groups for parameter in parameters]
        for number, parameter in enumerate(ordered):
            for key in sharded:
                self._set(parameter, saved["state"][number][key], key)

    def _init_optimizers(self) -> Any:
        """The model's own optimizer, whose groups of parameters DeepSpeed replaces by parts of its own."""
        optimizer, scheduler = super()._init_optimizers()
        self._groups = [list(group["params"]) for group in optimizer.param_groups]
        return optimizer, scheduler

    def _set(self, parameter: Any, value: torch.Tensor, key: str | None = None) -> None:
        """Put the part of this process where DeepSpeed keeps it: of the state under a key, or of the weights."""
        value = value.to(self.root_device)
        if not self.zero_stage_3:
            parameter.set_full_hp_param(value, key)
            return
        # In stage 3 its own function fails where a parameter does not divide evenly.
        size = parameter.ds_tensor.numel()
        filled = nn.functional.pad(value.flatten(), (0, size * self.world_size - value.numel()))
        own = filled.narrow(0, size * self.global_rank, size)
        parameter._z3_optimizer.set_local_hp_param(own, parameter, key)

    def _link(self) -> None:
        """Let DeepSpeed find the state of each parameter: it looks once, when only the first group has any."""
        outer: Any = self.optimizers[0]
        if hasattr(outer, "_lazy_init_hp_params_optimizer_state"):
            outer._hp_optimizer_states_linked = False
            outer._lazy_init_hp_params_optimizer_state()

    def _inner(self) -> Any:
        """The optimizer that DeepSpeed drives."""
        outer: Any = self.optimizers[0]
        return outer.optimizer

    def _parts(self) -> list[torch.Tensor]:
        """What this process optimizes: flat parts of many parameters."""
        outer: Any = self.optimizers[0]
        kept = "fp32_partitioned_groups_flat" if self.zero_stage_3 else "single_partition_of_fp32_groups"
        return list(getattr(outer, kept))

    @contextmanager
    def _gathered(self, module: nn.Module, *, changed: bool = False) -> Iterator[None]:
        """Parameters whole on every process, where ZeRO keeps parts of them."""
        if not self.zero_stage_3:
            yield
            return
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(module.parameters()), modifier_rank=0 if changed else None):
            yield


@contextmanager
def _stdout_is_for_results() -> Iterator[None]:
    """DeepSpeed prints what it builds."""
    with redirect_stdout(sys.stderr):
        yield


def _shape(parameter: nn.Parameter) -> torch.Size:
    """The shape of a parameter, wherever its values are."""
    return torch.Size(getattr(parameter, "ds_shape", parameter.shape))


def _copied(value: Any) -> Any:
    return value.detach().cpu().clone() if isinstance(value, torch.Tensor) else value
