"""The memory that training takes, found without taking it: a step on tensors that have shapes and no content.

torch's MemTracker counts what a step holds: weights, gradients, optimizer states, and what is kept of the forward pass
for the backward one. It sees every tensor that is made and let go; what an operator needs inside, and what the
allocator of a GPU leaves unused between tensors, it does not see.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils._pytree import tree_leaves, tree_map_only

from framework_core.contracts.config import RunConfig
from framework_core.training.lstm_room import WithRoomOfLSTMs
from framework_core.training.optimization import Optimization

STEPS = 2
"""Optimizer states are made in the first step, and stand beside the activations from the second."""


@dataclass(frozen=True)
class Footprint:
    """The memory of a training step, in bytes.

    Attributes:
        batch_size: The batch that it is of.
        weights: Parameters and buffers.
        gradients: Those of all parameters that are trained.
        optimizer: The states of the optimizer.
        peak: The most that is held at once.
    """

    batch_size: int
    weights: int
    gradients: int
    optimizer: int
    peak: int

    @property
    def rest(self) -> int:
        """What goes with the batch: activations, the batch itself, and what is held for a moment."""
        return self.peak - self.weights - self.gradients - self.optimizer


def predicted(model: LightningModule, batch: Any, config: RunConfig, *, size: int | None = None) -> Footprint:
    """The memory that a step would take; nothing is computed.

    Args:
        model: The model, built.
        batch: A batch as the loader gives it.
        config: The settings of the run.
        size: How many samples it has instead.
    """
    mode = FakeTensorMode()
    hollow = _copy(model)
    _empty(hollow, mode)
    with mode:
        return tracked(hollow, _empty_batch(batch, size), config, inside=WithRoomOfLSTMs())  # type: ignore[no-untyped-call]  # as torch's own


def counted(model: LightningModule, batch: Any, config: RunConfig, *, size: int | None = None) -> Footprint:
    """The memory that a step takes, by taking it with a copy of the model.

    Args:
        model: The model, built; it stays as it is.
        batch: A batch as the loader gives it.
        config: The settings of the run.
        size: How many samples it has instead; they are taken over and over where there are not so many.
    """
    with torch.random.fork_rng(devices=[]):
        return tracked(_copy(model), _repeated(batch, size), config)


def tracked(
    model: LightningModule, batch: Any, config: RunConfig, *, inside: AbstractContextManager[Any] | None = None
) -> Footprint:
    """The memory that a step takes, by doing it.

    Args:
        model: The model; it is trained for a step or two.
        batch: A batch as the loader gives it.
        config: The settings of the run.
        inside: What the steps are taken in.
    """
    optimizer = _optimizer(model, config)
    tensors = [each for each in tree_leaves(batch) if isinstance(each, Tensor)]
    tracker = _Tracker()
    tracker.track_external(model, optimizer, *tensors)
    model.train()
    with tracker, inside or nullcontext():
        for _ in range(STEPS):
            with _precision(config):
                found = model.training_step(batch, 0)
                loss: Any = found["loss"] if isinstance(found, Mapping) else found
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            del found, loss
            tracker.reset_mod_stats()
    snapshot = tracker.get_tracker_snapshot("peak")
    trained = [each for each in model.parameters() if each.requires_grad]
    states = [value for each in optimizer.state.values() for value in each.values() if isinstance(value, Tensor)]
    return Footprint(
        samples_of(batch),
        _bytes([*model.parameters(), *model.buffers()]),
        _bytes(trained),
        _bytes(states),
        max(int(each["Total"]) for each in snapshot.values()),
    )


class _Tracker(MemTracker):  # type: ignore[no-untyped-call]  # torch does not say its types
    """Without the inputs and outputs of each module, which nobody asks for and which may be packed sequences."""

    def _track_inputs_or_outputs(self, args: Any) -> int:
        return 0


def _empty_batch(batch: Any, size: int | None) -> Any:
    """A batch of so many samples, without content."""

    def hollow(tensor: Tensor) -> Tensor:
        return torch.empty(tensor.shape, dtype=tensor.dtype)

    def of_samples(tensor: Tensor, length: int) -> Tensor:
        return torch.empty((size or length, *tensor.shape[1:]), dtype=tensor.dtype)

    return _resized(batch, of_samples, hollow)


def _repeated(batch: Any, size: int | None) -> Any:
    """A batch of so many samples, with the content that is there."""

    def of_samples(tensor: Tensor, length: int) -> Tensor:
        return tensor[torch.arange(size or length) % length]

    return _resized(batch, of_samples, torch.clone)


def _resized(batch: Any, of_samples: Callable[[Tensor, int], Tensor], other: Callable[[Tensor], Tensor]) -> Any:
    """A batch with each tensor that has a row for each sample made anew in one way, and any other in another."""
    length = samples_of(batch)

    def made(tensor: Tensor) -> Tensor:
        return of_samples(tensor, length) if tensor.ndim and len(tensor) == length else other(tensor)

    return tree_map_only(Tensor, made, batch)


def samples_of(batch: Any) -> int:
    """How many samples a batch has, by its longest tensor."""
    return max((len(each) for each in tree_leaves(batch) if isinstance(each, Tensor) and each.ndim), default=1)


def _bytes(tensors: Any) -> int:
    return sum({id(each): each.numel() * each.element_size() for each in tensors}.values())


def _optimizer(model: LightningModule, config: RunConfig) -> Any:
    own: Any = getattr(model, "optimization", None)
    if isinstance(own, Optimization):
        return own._optimizer(model)
    made: Any = model.configure_optimizers()
    return made["optimizer"] if isinstance(made, Mapping) else made


def _precision(config: RunConfig) -> Any:
    kinds = {"bf16-mixed": torch.bfloat16, "bf16": torch.bfloat16, "16-mixed": torch.float16, "16": torch.float16}
    kind = kinds.get(str(config.trainer.precision))
    return nullcontext() if kind is None else torch.autocast("cpu", kind)


def _copy(model: LightningModule) -> LightningModule:
    """A copy without the trainer, which is not copied with the model."""
    before, model._trainer = model._trainer, None
    try:
        return copy.deepcopy(model)
    finally:
        model._trainer = before


def _empty(model: nn.Module, mode: FakeTensorMode) -> None:
    """Every tensor of a model replaced by one without content, and shared ones by one."""
    seen: dict[int, Any] = {}

    def hollow(tensor: Tensor | None) -> Any:
        if tensor is None:
            return None
        if id(tensor) not in seen:
            made = mode.from_tensor(tensor.detach())
            parameter = isinstance(tensor, nn.Parameter)
            seen[id(tensor)] = (nn.Parameter(made, tensor.requires_grad) if parameter else made, tensor)
        return seen[id(tensor)][0]

    for module in model.modules():
        for fields in (module._parameters, module._buffers):
            for name, tensor in fields.items():
                fields[name] = hollow(tensor)
