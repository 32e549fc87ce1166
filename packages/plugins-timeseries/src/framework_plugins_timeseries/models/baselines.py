"""Forecasts that need no training, as models: to be measured, tracked and predicted with like any other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from framework_plugins_timeseries.baselines import naive, seasonal_naive
from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.windows import Window


class Naive(BaseTimeSeriesModel):
    """The last value again and again (Hyndman and Athanasopoulos, https://otexts.com/fpp3, section 5.2).

    Nothing is learned but the interval, which the errors on the validation windows make.

    Args:
        **common: What every model for series takes: ``data``, ``level`` ...
    """

    def _build_model(self) -> nn.Module:
        return _Repeated(self.layout.horizon, 0)


class SeasonalNaive(Naive):
    """The value a season before (Hyndman and Athanasopoulos, https://otexts.com/fpp3, section 5.2).

    The season is the data's, unless ``season`` says another. A look-back shorter than a season repeats the last value.

    Args:
        season: How many steps a season has; empty takes the data's.
        **common: What every model for series takes: ``data``, ``level`` ...
    """

    def __init__(self, season: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.season = season

    def _build_model(self) -> nn.Module:
        return _Repeated(self.layout.horizon, self.season or int(self.data.facts.get("season", 1)))  # type: ignore[arg-type]


class _Repeated(nn.Module):
    def __init__(self, horizon: int, season: int) -> None:
        super().__init__()
        self.horizon = horizon
        self.season = season
        # Lightning and optimizers want a parameter; this one is multiplied by nothing but zero.
        self.nothing = nn.Parameter(torch.zeros(()))

    def forward(self, window: Window) -> Tensor:
        if self.season:
            forecast = seasonal_naive(window.past, self.horizon, self.season)
        else:
            forecast = naive(window.past, self.horizon)
        return (forecast + 0 * self.nothing).unsqueeze(-1)
