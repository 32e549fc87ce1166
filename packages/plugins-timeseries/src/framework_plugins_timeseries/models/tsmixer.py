"""Layers that mix steps and targets in turn.

Axes: B windows, L look-back, C targets, H horizon, P numbers for each value.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.windows import Window


class TSMixer(BaseTimeSeriesModel):
    """TSMixer of Chen et al., https://arxiv.org/abs/2303.06053, section 4.1, figure 1.

    Each layer mixes steps by one fully connected layer, and targets by two, with residuals and normalisation over both
    axes before; a linear layer leads from look-back to horizon. Windows are normalised by RevIN with learned scale, as
    in the authors' code. Deviation: this is the model without covariates; with them (section 4.2) it is
    ``tsmixer_ext``.

    Args:
        depth: How many layers.
        hidden: The length of the hidden layer between targets.
        drop_rate: Dropout behind each fully connected layer.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    def __init__(self, depth: int = 2, hidden: int = 64, drop_rate: float = 0.3, **common: Any) -> None:
        super().__init__(**{"normalize": "standard", "affine": True, **common})
        self.depth = depth
        self.hidden = hidden
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        size = (self.layout.look_back, len(self.layout.targets))
        layers = [_Mixing(*size, self.hidden, self.drop_rate) for _ in range(self.depth)]
        return _Mixer(layers, size[0], self.layout.horizon, self.head.numbers)


class _Mixer(nn.Module):
    def __init__(self, layers: list[_Mixing], look_back: int, horizon: int, numbers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.projection = nn.Linear(look_back, horizon * numbers)
        self.numbers = numbers

    def forward(self, window: Window) -> Tensor:
        mixed = self.layers(window.past).transpose(1, 2)
        found: Tensor = self.projection(mixed).unflatten(-1, (-1, self.numbers))
        return found.transpose(1, 2)


class _Mixing(nn.Module):
    def __init__(self, look_back: int, targets: int, hidden: int, drop_rate: float) -> None:
        super().__init__()
        self.norm_steps, self.norm_targets = nn.BatchNorm1d(look_back * targets), nn.BatchNorm1d(look_back * targets)
        self.steps = nn.Sequential(nn.Linear(look_back, look_back), nn.ReLU(), nn.Dropout(drop_rate))
        self.targets = nn.Sequential(
            nn.Linear(targets, hidden),
            nn.ReLU(),
            nn.Dropout(drop_rate),
            nn.Linear(hidden, targets),
            nn.Dropout(drop_rate),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.steps(_over_both(self.norm_steps, x).transpose(1, 2)).transpose(1, 2)
        mixed: Tensor = x + self.targets(_over_both(self.norm_targets, x))
        return mixed


def _over_both(norm: nn.Module, x: Tensor) -> Tensor:
    """Batch normalisation of each step of each target."""
    found: Tensor = norm(x.flatten(1)).view_as(x)
    return found
