"""DeepSpeed's ZeRO, by Lightning's strategy; on processors too, which Lightning refuses.

Rajbhandari et al., ZeRO: Memory Optimizations Toward Training Trillion Parameter Models,
https://arxiv.org/abs/1910.02054. Stage 1 shards optimizer states, stage 2 gradients too, stage 3 parameters too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from typing import Any, cast

import torch
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from framework_core.training.strategies.owned import load_besides, names_of, owned_weights, owners
from framework_core.training.strategies.whole_state import WholeState, refuse_others, set_groups


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
        if isinstance(self.config, dict):
            # The optimizer is the run's own, offloaded or not.
            self.config.setdefault("zero_force_ds_cpu_optimizer", False)

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

    def whole_weights(self) -> dict[str, Any]:
        """The weights, on the first process; the others have part in it and get nothing."""
        module: Any = self.lightning_module
        with self._gathered(*module.parameters()):
            state = module.state_dict()
            return {name: _copied(value) for name, value in state.items()} if self.is_global_zero else {}

    def part_of_weights(self) -> dict[str, Any]:
        """Whole tensors, each in the process that writes it."""
        module: Any = self.lightning_module
        writers = owners([_shape(each).numel() for each in module.parameters()], self.world_size)

        def whole(number: int, parameter: nn.Parameter) -> Tensor | None:
            with self._gathered(parameter):
                return _copied(parameter) if writers[number] == self.global_rank else None

        return owned_weights(module, whole)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Each process takes its part; of parts it reads one tensor at a time."""
        module, saved = cast("nn.Module", self.lightning_module), checkpoint["state_dict"]
        if self.in_parts is None:
            with self._gathered(*module.parameters(), changed=True):
                module.load_state_dict(saved, strict=strict)
        elif strict:
            refuse_others(saved, names_of(module))
        for name, parameter in module.named_parameters():
            if name not in saved:
                continue
            value = saved[name]
            if self.in_parts is not None:
                with torch.no_grad(), self._gathered(parameter, changed=True):
                    parameter.copy_(value)
            if parameter.requires_grad:
                self._set(parameter, value.float())
        if self.in_parts is not None:
            load_besides(module, saved)

    def whole_optimizer(self, optimizer: Optimizer) -> dict[str, Any]:
        """The state, on the first process; the others have part in it and get nothing."""
        count = len([each for parameters in self._groups for each in parameters])
        found = self._state([0] * count)
        return found if self.is_global_zero else {}

    def part_of_optimizer(self, optimizer: Optimizer) -> dict[str, Any]:
        """Whole tensors, each in the process that writes it."""
        every = [each for parameters in self._groups for each in parameters]
        return self._state(owners([_shape(each).numel() for each in every], self.world_size))

    def _state(self, writers: Sequence[int]) -> dict[str, Any]:
        """The state of each parameter that this process writes."""
        from deepspeed.utils import safe_get_full_optimizer_state

        inner = self._inner()
        example: dict[str, Any] = next((inner.state[each] for each in self._parts() if inner.state.get(each)), {})
        sharded = [key for key, value in example.items() if isinstance(value, Tensor) and value.ndim]
        counted = {key: _copied(value) for key, value in example.items() if key not in sharded}
        if example:
            self._link()
        groups: list[dict[str, Any]] = []
        state: dict[int, dict[str, Any]] = {}
        first = 0
        for parameters, group in zip(self._groups, inner.param_groups, strict=True):
            numbers = range(first, first + len(parameters))
            first += len(parameters)
            for number, parameter in zip(numbers, parameters, strict=True):
                for key in sharded:
                    value = safe_get_full_optimizer_state(parameter, key)
                    if writers[number] == self.global_rank:
                        own = state.setdefault(number, dict(counted))
                        own[key] = _copied(value).view(_shape(parameter))
            groups.append({**group, "params": list(numbers)})
        return {"state": state, "param_groups": groups}

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Each process takes its part; of parts it reads one tensor at a time."""
        saved = checkpoint["optimizer_states"][0]
        inner = self._inner()
        set_groups(inner, saved["param_groups"])
        if not saved["state"]:
            return
        example = dict(next(iter(saved["state"].values())))
        sharded = [key for key, value in example.items() if isinstance(value, Tensor) and value.ndim]
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

    def _set(self, parameter: Any, value: Tensor, key: str | None = None) -> None:
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

    def _parts(self) -> list[Tensor]:
        """What this process optimizes: flat parts of many parameters."""
        outer: Any = self.optimizers[0]
        kept = "fp32_partitioned_groups_flat" if self.zero_stage_3 else "single_partition_of_fp32_groups"
        return list(getattr(outer, kept))

    @contextmanager
    def _gathered(self, *parameters: nn.Parameter, changed: bool = False) -> Iterator[None]:
        """Parameters whole on every process, where ZeRO keeps parts of them."""
        if not self.zero_stage_3:
            yield
            return
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(parameters), modifier_rank=0 if changed else None):
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
    return value.detach().cpu().clone() if isinstance(value, Tensor) else value
