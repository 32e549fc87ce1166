"""What an LSTM keeps of its forward pass on a processor: oneDNN wants room there that torch does not foresee.

The room grows evenly with a large batch, so it is asked for with a few samples of one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

LAYER = torch.ops.aten.mkldnn_rnn_layer.default
"""Input ``(steps, batch, width)``, four weights, hidden, cell and more, to output, hidden, cell and the room."""

SMALL = 2**20
"""Numbers of hidden states over all steps and samples, up to which the room is asked for as it is."""

FEW = 32
"""Samples, with which and with twice as many it is asked for where there are more."""


class WithRoomOfLSTMs(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not say its types
    """Gives the layers of LSTMs that have shapes and no content the room that they take with content."""

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Called by torch for every operator."""
        found = func(*args, **(kwargs or {}))
        if func is not LAYER:
            return found
        told = tuple(tuple(each.shape) if isinstance(each, Tensor) else _hashable(each) for each in args)
        return (*found[:3], torch.empty(_room(told), dtype=torch.uint8))


def _hashable(given: Any) -> Any:
    return tuple(given) if isinstance(given, list) else given


def _room(told: tuple[Any, ...]) -> int:
    """Bytes.

    Args:
        told: What a layer is called with, tensors by their shapes.
    """
    steps: int = told[0][0]
    samples: int = told[0][1]
    if samples <= 2 * FEW or steps * samples * told[5][-1] <= SMALL:
        return _asked(told, samples)
    few, twice = _asked(told, FEW), _asked(told, 2 * FEW)
    return twice + (twice - few) * (samples - 2 * FEW) // FEW


@functools.lru_cache(maxsize=256)
def _asked(told: tuple[Any, ...], samples: int) -> int:
    steps, _, width = told[0]
    weights, (_, hidden), others = told[1:5], told[5][-2:], told[7:]
    with _disable_current_modes():
        begin = [torch.zeros(steps, samples, width), *map(torch.zeros, weights)]
        state = [torch.zeros(samples, hidden), torch.zeros(samples, hidden)]
        called = [list(each) if isinstance(each, tuple) else each for each in others]
        found: tuple[Tensor, ...] = LAYER(*begin, *state, *called)
    return int(found[3].numel())
