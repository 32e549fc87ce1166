"""Dense layers over the past of a target and covariates that are known ahead.

Axes: B windows, L look-back, C targets, H horizon, F future covariates, S static ones, P numbers for each value.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.windows import Window


class TiDE(BaseTimeSeriesModel):
    """TiDE of Das et al., Long-term Forecasting with TiDE, https://arxiv.org/abs/2304.08424, section 4.

    Covariates that are known ahead are projected step by step, encoded with the past of the target and the static
    covariates, decoded to a vector for each step, and read together with that step's covariates; a linear layer from
    look-back to horizon is added. Every target by itself, with the same weights; nothing is learned of a series as
    such. Windows are normalised where ``revin`` says so, which the paper tunes for each set (appendix B.3).

    Args:
        hidden: The length of the hidden layers.
        depth: How many dense blocks encode, and how many decode.
        projected: The length of the projected covariates of a step.
        decoded: The length of the decoded vector of a step.
        temporal_hidden: The length of the hidden layer that reads a step.
        drop_rate: Dropout in each block.
        revin: Whether windows are normalised.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    covariates: ClassVar[tuple[str, ...]] = ("future", "static")

    def __init__(
        self,
        hidden: int = 256,
        depth: int = 2,
        projected: int = 4,
        decoded: int = 8,
        temporal_hidden: int = 64,
        drop_rate: float = 0.3,
        revin: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**{"normalize": "standard" if revin else "none", **common})
        self.hidden = hidden
        self.depth = depth
        self.projected = projected
        self.decoded = decoded
        self.temporal_hidden = temporal_hidden
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        return _Dense(self)


class _Dense(nn.Module):
    def __init__(self, model: TiDE) -> None:
        super().__init__()
        layout, drop, hidden = model.layout, model.drop_rate, model.hidden
        self.horizon, self.numbers = layout.horizon, model.head.numbers
        future, static = len(layout.future), layout.named_static
        self.static = static
        projected = model.projected if future else 0
        self.projection = _Residual(future, hidden, projected, drop) if future else None
        steps = layout.look_back + layout.horizon
        encoded = layout.look_back + steps * projected + static
        blocks = [_Residual(encoded if index == 0 else hidden, hidden, hidden, drop) for index in range(model.depth)]
        blocks += [_Residual(hidden, hidden, hidden, drop) for _ in range(model.depth - 1)]
        self.blocks = nn.Sequential(*blocks, _Residual(hidden, hidden, model.decoded * self.horizon, drop))
        self.reader = _Residual(model.decoded + projected, model.temporal_hidden, self.numbers, drop)
        self.residual = nn.Linear(layout.look_back, self.horizon * self.numbers)

    def forward(self, window: Window) -> Tensor:
        targets = window.past.shape[-1]
        columns = window.past.transpose(1, 2)
        parts, ahead = [columns], []
        if self.projection is not None:
            known = self.projection(window.future_covariates)
            parts.append(_for_each(known.flatten(1), targets))
            ahead.append(_for_each(known[:, -self.horizon :], targets))
        if self.static:
            parts.append(_for_each(window.static, targets))
        decoded = self.blocks(torch.cat(parts, dim=-1)).unflatten(-1, (self.horizon, -1))
        read = self.reader(torch.cat([decoded, *ahead], dim=-1))
        found: Tensor = read + self.residual(columns).unflatten(-1, (-1, self.numbers))
        return found.transpose(1, 2)


class _Residual(nn.Module):
    """The block of figure 1: a hidden layer, dropout, a linear way around, layer normalisation."""

    def __init__(self, inputs: int, hidden: int, outputs: int, drop_rate: float) -> None:
        super().__init__()
        self.dense = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs), nn.Dropout(drop_rate)
        )
        self.around = nn.Linear(inputs, outputs)
        # A single number has nothing to be normalised over.
        self.norm = nn.LayerNorm(outputs) if outputs > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.norm(self.dense(x) + self.around(x))
        return found


def _for_each(values: Tensor, targets: int) -> Tensor:
    """The same for each target, in a second axis."""
    return values.unsqueeze(1).expand(-1, targets, *values.shape[1:])
