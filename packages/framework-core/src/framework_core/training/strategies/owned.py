"""Which process writes which tensor of a checkpoint, where a strategy keeps pieces of many tensors as one.

Pieces are put together one tensor at a time, in the process that writes it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from framework_core.training.checkpoint_io import ELSEWHERE
from framework_core.training.layers import plain_name

EXTRA = "_extra_state"
"""What torch calls the state of a module that is no tensor of it."""


def owners(sizes: Sequence[int], processes: int) -> list[int]:
    """The process that writes each tensor: the largest first, each to the one that has least.

    Args:
        sizes: How many numbers each tensor has.
        processes: How many there are.
    """
    found = [0] * len(sizes)
    loads = [(0, rank) for rank in range(processes)]
    for number in sorted(range(len(sizes)), key=lambda each: -sizes[each]):
        load, found[number] = heapq.heappop(loads)
        heapq.heappush(loads, (load + sizes[number], found[number]))
    return found


def owned_weights(model: nn.Module, whole: Callable[[int, nn.Parameter], Tensor | None]) -> dict[str, Any]:
    """What a process writes of a model.

    Args:
        model: The model.
        whole: Called in every process for each parameter and its number; gives it in the one that writes it.
    """
    numbers = {id(parameter): number for number, parameter in enumerate(model.parameters())}
    values: dict[int, Any] = {}
    found: dict[str, Any] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        number = numbers[id(parameter)]
        if number not in values:
            values[number] = whole(number, parameter)
        found[plain_name(name)] = ELSEWHERE if values[number] is None else values[number]
    return found | {name: value for name, value, _ in _besides(model)}


def load_besides(model: nn.Module, saved: Mapping[str, Any]) -> None:
    """Take what a model has beside parameters.

    Args:
        model: The model.
        saved: Values by their names.
    """
    for name, _, take in _besides(model):
        if name in saved:
            take(saved[name])


def names_of(model: nn.Module) -> Iterable[str]:
    """The names that a model's state has."""
    yield from (plain_name(name) for name, _ in model.named_parameters(remove_duplicate=False))
    yield from (name for name, _, _ in _besides(model))


def _besides(model: nn.Module) -> Iterator[tuple[str, Any, Callable[[Any], Any]]]:
    """Buffers that are kept and states of modules, each with what takes another value."""
    for path, module in model.named_modules(remove_duplicate=False):
        prefix = plain_name(f"{path}." if path else "")
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                yield f"{prefix}{name}", buffer, buffer.copy_
        if type(module).get_extra_state is not nn.Module.get_extra_state:
            yield f"{prefix}{EXTRA}", module.get_extra_state(), module.set_extra_state
