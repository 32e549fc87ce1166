"""One linear layer from look-back to horizon, with what is taken off before."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.windows import Window


class DLinear(BaseTimeSeriesModel):
    """DLinear of Zeng et al., Are Transformers Effective for Time Series Forecasting?, https://arxiv.org/abs/2205.13504.

    Section 4: a moving average splits the look-back into trend and rest; a linear layer each, shared by all
    targets unless ``individual``; their sum. The moving average repeats the first and last value at the ends, as in the
    authors' code. No deviation.

    Args:
        kernel_size: The length of the moving average, an odd number.
        individual: Whether each target has layers of its own.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    def __init__(self, kernel_size: int = 25, individual: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.kernel_size = kernel_size
        self.individual = individual

    def _build_model(self) -> nn.Module:
        size = (self.layout.look_back, self.layout.horizon, self.head.numbers)
        targets = len(self.layout.targets) if self.individual else None
        return _Decomposed(_layer(*size, targets), _layer(*size, targets), self.kernel_size)


class NLinear(BaseTimeSeriesModel):
    """NLinear of Zeng et al., https://arxiv.org/abs/2205.13504, section 4: what is left of the last value.

    The last value is taken off, a linear layer applied, and the value put back. No deviation.

    Args:
        individual: Whether each target has a layer of its own.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    def __init__(self, individual: bool = False, **common: Any) -> None:
        super().__init__(**{"normalize": "last", **common})
        self.individual = individual

    def _build_model(self) -> nn.Module:
        targets = len(self.layout.targets) if self.individual else None
        return _Plain(_layer(self.layout.look_back, self.layout.horizon, self.head.numbers, targets))


class Linear(BaseTimeSeriesModel):
    """The plain linear layer of Zeng et al., https://arxiv.org/abs/2205.13504, section 4. No deviation.

    Args:
        individual: Whether each target has a layer of its own.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    def __init__(self, individual: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.individual = individual

    def _build_model(self) -> nn.Module:
        targets = len(self.layout.targets) if self.individual else None
        layer = _layer(self.layout.look_back, self.layout.horizon, self.head.numbers, targets)
        return _Plain(layer)


class _Projection(nn.Module):
    """Look-back to horizon along the last axis; several numbers for each value."""

    def __init__(self, look_back: int, horizon: int, numbers: int) -> None:
        super().__init__()
        self.numbers = numbers
        self.linear = nn.Linear(look_back, horizon * numbers)

    def forward(self, columns: Tensor) -> Tensor:
        """``(B, C, L)`` to ``(B, H, C, P)``."""
        found: Tensor = self.linear(columns).unflatten(-1, (-1, self.numbers))
        return found.transpose(1, 2)


class _OneEach(nn.Module):
    """A projection for each target."""

    def __init__(self, layers: list[_Projection]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, columns: Tensor) -> Tensor:
        """``(B, C, L)`` to ``(B, H, C, P)``."""
        return torch.cat([layer(columns[:, index : index + 1]) for index, layer in enumerate(self.layers)], dim=2)


def _layer(look_back: int, horizon: int, numbers: int, targets: int | None) -> nn.Module:
    if targets is None:
        return _Projection(look_back, horizon, numbers)
    return _OneEach([_Projection(look_back, horizon, numbers) for _ in range(targets)])


class _Decomposed(nn.Module):
    def __init__(self, trend: nn.Module, rest: nn.Module, kernel_size: int) -> None:
        super().__init__()
        self.trend = trend
        self.rest = rest
        self.kernel_size = kernel_size

    def forward(self, window: Window) -> Tensor:
        columns = window.past.transpose(1, 2)
        trend = moving_average(columns, self.kernel_size)
        found: Tensor = self.trend(trend) + self.rest(columns - trend)
        return found


class _Plain(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, window: Window) -> Tensor:
        outputs: Tensor = self.layer(window.past.transpose(1, 2))
        return outputs


def moving_average(columns: Tensor, kernel_size: int) -> Tensor:
    """The moving average along the last axis, its ends repeated."""
    ahead = kernel_size // 2
    padded = functional.pad(columns, (kernel_size - 1 - ahead, ahead), mode="replicate")
    return functional.avg_pool1d(padded, kernel_size, stride=1)
