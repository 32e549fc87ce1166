"""Blocks that see the look-back at different rates, and forecast by interpolation.

Axes: B windows and targets together, L look-back, H horizon, K knots, P numbers for each value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.models.nbeats import Residuals, connected


class NHits(BaseTimeSeriesModel):
    """N-HiTS of Challu et al., https://arxiv.org/abs/2201.12886, section 3, figure 2.

    As N-BEATS, but a block sees the look-back through max pooling (equation 1), and gives few knots of the horizon that
    a straight line joins (equations 3 and 4); what a block takes off the look-back has every step, as in the authors'
    code. Every target by itself, with the same weights.

    Args:
        pooling: The width of the pooling in each stack.
        downsampling: How many steps of the horizon share a knot, in each stack.
        blocks: How many blocks in each stack.
        width: The length of the hidden layers.
        layers: How many of them in a block.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    def __init__(
        self,
        pooling: Sequence[int] = (2, 2, 1),
        downsampling: Sequence[int] = (4, 2, 1),
        blocks: int = 1,
        width: int = 512,
        layers: int = 2,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.pooling = tuple(pooling)
        self.downsampling = tuple(downsampling)
        self.blocks = blocks
        self.width = width
        self.layers = layers

    def _build_model(self) -> nn.Module:
        size = (self.layout.look_back, self.layout.horizon, self.head.numbers)
        rates = [pair for pair in zip(self.pooling, self.downsampling, strict=True) for _ in range(self.blocks)]
        found = [
            _Block(*size, pool, max(1, size[1] // rate), self.width, self.layers, last=number == len(rates))
            for number, (pool, rate) in enumerate(rates, 1)
        ]
        return Residuals(found, *size[1:])


class _Block(nn.Module):
    def __init__(
        self, look_back: int, horizon: int, numbers: int, pool: int, knots: int, width: int, layers: int, *, last: bool
    ) -> None:
        super().__init__()
        self.horizon = horizon
        self.numbers = numbers
        self.pool = nn.MaxPool1d(pool, pool, ceil_mode=True)
        self.hidden = connected(-(-look_back // pool), width, layers)
        self.back = None if last else nn.Linear(width, look_back)
        self.knots = nn.Linear(width, knots * numbers)

    def forward(self, left: Tensor) -> tuple[Tensor | None, Tensor]:
        hidden = self.hidden(self.pool(left.unsqueeze(1)).squeeze(1))
        knots = self.knots(hidden).unflatten(-1, (self.numbers, -1))
        ahead = functional.interpolate(knots, size=self.horizon, mode="linear")
        explained = None if self.back is None else self.back(hidden)
        return explained, ahead.transpose(1, 2)
