"""Blocks that each explain a part of the look-back and forecast a part of the horizon.

Axes: B windows and targets together, L look-back, H horizon, P numbers for each value.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.windows import Window


class NBeats(BaseTimeSeriesModel):
    """N-BEATS of Oreshkin et al., https://arxiv.org/abs/1905.10437, section 3, figure 1.

    A block is a stack of fully connected layers, and a basis for the look-back and one for the horizon; the next block
    sees what the one before did not explain. ``generic`` bases are learned; ``interpretable`` ones are polynomials in a
    first stack and Fourier series in a second, whose blocks share their weights (section 3.3). Every target by itself,
    with the same weights. The paper's generic model has 30 stacks, as here; it is an ensemble there, which this is not.

    Args:
        basis: ``generic`` or ``interpretable``.
        stacks: How many stacks, for ``generic``; the interpretable model has two.
        blocks: How many blocks in each stack.
        width: The length of the hidden layers.
        layers: How many of them in a block.
        degree: With ``interpretable``, the degree of the trend's polynomial.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    def __init__(
        self,
        basis: str = "generic",
        stacks: int = 30,
        blocks: int = 1,
        width: int = 512,
        layers: int = 4,
        degree: int = 2,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.basis = basis
        self.stacks = stacks
        self.blocks = blocks
        self.width = width
        self.layers = layers
        self.degree = degree

    def _build_model(self) -> nn.Module:
        size = (self.layout.look_back, self.layout.horizon, self.head.numbers)
        if self.basis == "generic":
            count = self.stacks * self.blocks
            found = [
                _Block(size[0], _Learned(*size, self.width, last=index == count - 1), self.width, self.layers)
                for index in range(count)
            ]
        else:
            degrees, waves = self.degree + 1, max(2, 2 * (self.layout.horizon // 2))
            powers = _Fixed(*size, self.width, _polynomials, degrees, last=False)
            cycles = _Fixed(*size, self.width, _waves, waves, last=self.blocks == 1)
            trend, season = (_Block(size[0], basis, self.width, self.layers) for basis in (powers, cycles))
            found = [trend] * self.blocks + [season] * self.blocks
        return Residuals(found, *size[1:])


class Residuals(nn.Module):
    """Each block sees what is left of the look-back; forecasts add up.

    Args:
        blocks: From what is left, ``(B, L)``, to its part of it and a part of the forecast, ``(B, H, P)``. The last
            one has nobody to leave something to, and explains nothing.
        horizon: How many steps are predicted.
        numbers: How many numbers for each value.
    """

    def __init__(self, blocks: list[Any], horizon: int, numbers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.size = (horizon, numbers)

    def forward(self, window: Window) -> Tensor:
        """``(B, H, C, P)``."""
        batch, _, targets = window.past.shape
        left = window.past.transpose(1, 2).flatten(0, 1)
        forecast = left.new_zeros(left.shape[0], *self.size)
        for block in self.blocks:
            explained, part = block(left)
            left = left if explained is None else left - explained
            forecast = forecast + part
        return torch.unflatten(forecast, 0, (batch, targets)).transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, look_back: int, basis: nn.Module, width: int, layers: int) -> None:
        super().__init__()
        self.hidden = connected(look_back, width, layers)
        self.basis = basis

    def forward(self, left: Tensor) -> tuple[Tensor | None, Tensor]:
        found: tuple[Tensor | None, Tensor] = self.basis(self.hidden(left))
        return found


class _Learned(nn.Module):
    """Both sides read off by a linear layer."""

    def __init__(self, look_back: int, horizon: int, numbers: int, width: int, *, last: bool) -> None:
        super().__init__()
        self.numbers = numbers
        self.back = None if last else nn.Linear(width, look_back)
        self.ahead = nn.Linear(width, horizon * numbers)

    def forward(self, hidden: Tensor) -> tuple[Tensor | None, Tensor]:
        explained = None if self.back is None else self.back(hidden)
        return explained, self.ahead(hidden).unflatten(-1, (-1, self.numbers))


class _Fixed(nn.Module):
    """Coefficients of given functions of time."""

    behind: Tensor
    before: Tensor

    def __init__(
        self, look_back: int, horizon: int, numbers: int, width: int, functions: Any, count: int, *, last: bool
    ) -> None:
        super().__init__()
        self.numbers = numbers
        self.back = None if last else nn.Linear(width, count, bias=False)
        self.ahead = nn.Linear(width, count * numbers, bias=False)
        self.register_buffer("behind", functions(look_back, count), persistent=False)
        self.register_buffer("before", functions(horizon, count), persistent=False)

    def forward(self, hidden: Tensor) -> tuple[Tensor | None, Tensor]:
        coefficients = self.ahead(hidden).unflatten(-1, (self.numbers, -1))
        explained = None if self.back is None else self.back(hidden) @ self.behind
        return explained, (coefficients @ self.before).transpose(1, 2)


def _polynomials(steps: int, count: int) -> Tensor:
    """Equation 2: powers of time from 0 to 1, ``(count, steps)``."""
    return (torch.arange(steps) / steps) ** torch.arange(count)[:, None]


def _waves(steps: int, count: int) -> Tensor:
    """Equation 3: cosines and sines, ``(count, steps)``."""
    time = torch.arange(steps) / steps
    angles = 2 * math.pi * torch.arange(count // 2)[:, None] * time
    return torch.cat([angles.cos(), angles.sin()])


def connected(inputs: int, width: int, layers: int) -> nn.Sequential:
    """Fully connected layers with ReLU."""
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts += [nn.Linear(inputs if layer == 0 else width, width), nn.ReLU()]
    return nn.Sequential(*parts)
