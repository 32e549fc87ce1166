"""Layers that mix steps and features in turn, with covariates of every kind.

Axes: B windows, L look-back, H horizon, C targets, P numbers for each value.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.windows import Window


class TSMixerExt(BaseTimeSeriesModel):
    """TSMixer-Ext of Chen et al., https://arxiv.org/abs/2303.06053, section 4.2: TSMixer with covariates.

    Aligned first: targets and past covariates are led from look-back to horizon by one linear layer over time, and they
    and what is known ahead are each brought to one width by feature mixing that sees the static covariates. Then layers
    mix steps and features of both together, again with the static covariates; a linear layer reads each step. The
    series itself is a static covariate, by a vector that is learned of each. Deviations: windows are normalised by
    their mean and deviation, and layers over the steps and features of one window, not of a batch.

    Args:
        depth: How many mixing layers.
        width: How many features a step has between layers.
        hidden: The length of the hidden layer between features.
        series_embedding: The length of the vector that is learned of each series; 0 learns none.
        drop_rate: Dropout behind each fully connected layer.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    covariates: ClassVar[tuple[str, ...]] = ("past", "future", "static")

    def __init__(
        self,
        depth: int = 2,
        width: int = 64,
        hidden: int = 64,
        series_embedding: int = 8,
        drop_rate: float = 0.1,
        **common: Any,
    ) -> None:
        super().__init__(**{"normalize": "standard", **common})
        self.depth = depth
        self.width = width
        self.hidden = hidden
        self.series_embedding = series_embedding
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        return _ExtendedMixer(self)


class _ExtendedMixer(nn.Module):
    def __init__(self, model: TSMixerExt) -> None:
        super().__init__()
        layout, width = model.layout, model.width
        steps, hidden, drop = layout.horizon, model.hidden, model.drop_rate
        self.look_back = layout.look_back
        self.series = model.series_vectors(model.series_embedding)
        static = layout.named_static + (model.series_embedding if self.series else 0)
        observed = len(layout.targets) + len(layout.past) + len(layout.future)
        self.over_time = nn.Linear(layout.look_back, layout.horizon)
        self.align_past = _Features(observed + static, width, steps, hidden, drop)
        self.align_future = (
            _Features(len(layout.future) + static, width, steps, hidden, drop) if layout.future else None
        )
        both = 2 * width if layout.future else width
        self.layers = nn.ModuleList(
            _Layer((both if index == 0 else width) + static, width, steps, hidden, drop) for index in range(model.depth)
        )
        self.output = nn.Linear(width, len(layout.targets) * model.head.numbers)
        self.targets = len(layout.targets)

    def forward(self, window: Window) -> Tensor:
        static = window.static
        if self.series is not None:
            static = torch.cat([static, self.series(window)], dim=-1)
        behind, ahead = window.future_covariates[:, : self.look_back], window.future_covariates[:, self.look_back :]
        observed = torch.cat([window.past, window.past_covariates, behind], dim=-1)
        led = self.over_time(observed.transpose(1, 2)).transpose(1, 2)
        mixed = self.align_past(_beside(led, static))
        if self.align_future is not None:
            mixed = torch.cat([mixed, self.align_future(_beside(ahead, static))], dim=-1)
        for layer in self.layers:
            mixed = layer(_beside(mixed, static))
        found: Tensor = self.output(mixed)
        return torch.unflatten(found, -1, (self.targets, -1))


class _Features(nn.Module):
    """Two fully connected layers over the features of a step, and a way around them."""

    def __init__(self, inputs: int, outputs: int, steps: int, hidden: int, drop_rate: float) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.ReLU(),
            nn.Dropout(drop_rate),
            nn.Linear(hidden, outputs),
            nn.Dropout(drop_rate),
        )
        self.around = nn.Linear(inputs, outputs) if inputs != outputs else nn.Identity()
        self.norm = nn.LayerNorm([steps, outputs])

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.norm(self.around(x) + self.mix(x))
        return found


class _Layer(nn.Module):
    """One fully connected layer over steps with a way around it, then the features."""

    def __init__(self, inputs: int, outputs: int, steps: int, hidden: int, drop_rate: float) -> None:
        super().__init__()
        self.over_time = nn.Sequential(nn.Linear(steps, steps), nn.ReLU(), nn.Dropout(drop_rate))
        self.norm = nn.LayerNorm([steps, inputs])
        self.features = _Features(inputs, outputs, steps, hidden, drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.features(self.norm(x + self.over_time(x.transpose(1, 2)).transpose(1, 2)))
        return found


def _beside(steps: Tensor, static: Tensor) -> Tensor:
    """What holds for the series, beside the features of every step."""
    return torch.cat([steps, static.unsqueeze(1).expand(-1, steps.shape[1], -1)], dim=-1)
