"""Weights and optimizer states in the form that one device has, whoever keeps which part of them.

So a checkpoint of a sharded training is like any other: one safetensors file of weights under the model's own names,
and a run goes on from it on any number of devices and with another strategy.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ParallelStrategy, Strategy
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

from framework_core.errors import ContractError
from framework_core.training.checkpoint_io import read_when_asked, refuse_damaged
from framework_core.training.checkpoint_parts import is_in_parts
from framework_core.training.checkpoint_together import CheckpointParts
from framework_core.training.layers import plain_name

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


class WholeState(ParallelStrategy):
    """Lets a strategy that shards write and read what one device would, as a whole or each process its part of it."""

    in_parts: Path | None = None
    """The checkpoint in parts that was read last."""

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Lightning hands over what is in the checkpoint."""
        return True

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """There are shards to load into only then."""
        return True

    @property
    def writes_parts(self) -> bool:
        """Whether each process writes its part of a checkpoint."""
        return isinstance(self.checkpoint_io, CheckpointParts)

    def _sharded(self) -> nn.Module:
        return cast("nn.Module", self.model)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The weights: this process's part of them, or all of them on the first process and nothing on the others."""
        return self.part_of_weights() if self.writes_parts else self.whole_weights()

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The state likewise, numbered as an optimizer of one device numbers it."""
        if isinstance(optimizer, LightningOptimizer):
            optimizer = optimizer._optimizer
        return self.part_of_optimizer(optimizer) if self.writes_parts else self.whole_optimizer(optimizer)

    def whole_weights(self) -> dict[str, Any]:
        """The weights, on the first process; the others have part in it and get nothing."""
        return get_model_state_dict(self._sharded(), options=WHOLE)

    def whole_optimizer(self, optimizer: Optimizer) -> dict[str, Any]:
        """The state, on the first process; the others have part in it and get nothing."""
        found = get_optimizer_state_dict(self._sharded(), optimizer, options=WHOLE)
        return numbered(found) if found else {}

    @abstractmethod
    def part_of_weights(self) -> dict[str, Any]:
        """What this process writes of the weights, by all their names; ``ELSEWHERE`` stands for what it does not."""

    @abstractmethod
    def part_of_optimizer(self, optimizer: Optimizer) -> dict[str, Any]:
        """What this process writes of the state, likewise."""

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Each process takes its part."""
        options = StateDictOptions(full_state_dict=True, strict=strict)
        set_model_state_dict(self._sharded(), dict(checkpoint["state_dict"]), options=options)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Each process takes its part."""
        model = self._sharded()
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=False):
            set_optimizer_state_dict(model, optimizer, named(state, optimizer, model), options=WHOLE)

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """The first process writes, or each its part."""
        if self.writes_parts:
            self.checkpoint_io.save_checkpoint(checkpoint, self.broadcast(str(filepath)), storage_options)
        else:
            Strategy.save_checkpoint(self, checkpoint, filepath, storage_options)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Every process reads: everything, or of parts what it asks for."""
        path = Path(checkpoint_path)
        self.in_parts = path if is_in_parts(path) else None
        if self.in_parts is None:
            return Strategy.load_checkpoint(self, checkpoint_path, weights_only)
        refuse_damaged(path)
        return read_when_asked(path)


def parameters_of(optimizer: Optimizer) -> list[nn.Parameter]:
    """The parameters of an optimizer in the order of their numbers."""
    return [each for group in optimizer.param_groups for each in group["params"]]


def groups_of(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The groups of an optimizer with numbers in place of parameters."""
    numbers = iter(range(len(parameters_of(optimizer))))
    return [{**group, "params": [next(numbers) for _ in group["params"]]} for group in optimizer.param_groups]


def set_groups(optimizer: Optimizer, groups: Sequence[Mapping[str, Any]]) -> None:
    """Give groups what was saved of them, but their parameters."""
    for group, saved in zip(optimizer.param_groups, groups, strict=True):
        group.update({key: value for key, value in saved.items() if key != "params"})


def refuse_others(found: Iterable[str], wanted: Iterable[str]) -> None:
    """See that weights have the names that the model gives them.

    Raises:
        ContractError: They have not.
    """
    has, needs = set(found), set(wanted)
    wrong = [f"it has no {name}" for name in sorted(needs - has)]
    wrong += [f"it has {name}, and the model has not" for name in sorted(has - needs)]
    if wrong:
        raise ContractError("The checkpoint does not fit the model", wrong[:3])


def numbered(state: Mapping[str, Any]) -> dict[str, Any]:
    """An optimizer's state with numbers in place of the names of parameters, in the order of its groups."""
    names = [name for group in state["param_groups"] for name in group["params"]]
    numbers = {name: number for number, name in enumerate(names)}
    groups = [{**group, "params": [numbers[name] for name in group["params"]]} for group in state["param_groups"]]
    return {"state": {numbers[name]: values for name, values in state["state"].items()}, "param_groups": groups}


def named(state: Mapping[str, Any], optimizer: Optimizer, model: nn.Module) -> dict[str, Any]:
    """The same with the names that parameters have in the model."""
    known = {id(parameter): plain_name(name) for name, parameter in model.named_parameters()}
    names = [[known[id(each)] for each in group["params"]] for group in optimizer.param_groups]
    flat = [name for group in names for name in group]
    groups = [{**group, "params": own} for group, own in zip(state["param_groups"], names, strict=True)]
    return {"state": {flat[number]: values for number, values in state["state"].items()}, "param_groups": groups}


def whole_weights(strategy: WholeState) -> dict[str, torch.Tensor]:
    """The weights of a model that was sharded, on every process.

    Args:
        strategy: What trained it.
    """
    found: list[Any] = [strategy.whole_weights()]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(found, src=0)
    weights: dict[str, torch.Tensor] = found[0]
    return weights
