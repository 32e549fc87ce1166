"""Forecasts that any model has to beat; they are scored in every test, on the same windows."""

from __future__ import annotations

import torch
from torch import Tensor

from framework_plugins_timeseries.windows import Windows

MOST_WINDOWS = 4096
"""Training windows that the linear baseline is fitted on, spread over all of them."""

RIDGE = 1e-4
"""Its penalty, as a share of the mean square of its inputs."""


def naive(past: Tensor, horizon: int) -> Tensor:
    """The last value, ``(B, L, C)`` to ``(B, H, C)``."""
    return past[:, -1:].expand(-1, horizon, -1)


def seasonal_naive(past: Tensor, horizon: int, season: int) -> Tensor:
    """The value a season before; of a look-back shorter than a season, the last value."""
    if season > past.shape[1]:
        return naive(past, horizon)
    steps = torch.arange(horizon, device=past.device) % season
    return past[:, past.shape[1] - season + steps]


class LinearBaseline:
    """Least squares from look-back to horizon, one for all targets, on what is left when the last value is taken off.

    What NLinear (Zeng et al., https://arxiv.org/abs/2205.13504, section 4) learns by steps, solved at once.

    Args:
        weights: ``(L + 1, H)``; the last row is the constant.
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights

    @classmethod
    def fit(cls, windows: Windows) -> LinearBaseline:
        """Fit it on training windows."""
        layout = windows.layout
        size = layout.look_back + 1
        gram = torch.zeros(size, size, dtype=torch.float64)
        moment = torch.zeros(size, layout.horizon, dtype=torch.float64)
        chosen = torch.linspace(0, len(windows) - 1, min(MOST_WINDOWS, len(windows))).long()
        for part in torch.split(chosen, 256):
            inputs, target = windows.batch(part)
            features, last = _features(inputs[:, : layout.look_back, : target.shape[-1]].double())
            gram += torch.einsum("bcl,bcm->lm", features, features)
            moment += torch.einsum("bcl,bhc->lh", features, target.double() - last)
        gram += RIDGE * gram.diagonal().mean() * torch.eye(size, dtype=torch.float64)
        return cls(torch.linalg.solve(gram, moment))

    def __call__(self, past: Tensor) -> Tensor:
        """``(B, L, C)`` to ``(B, H, C)``."""
        features, last = _features(past)
        return torch.einsum("bcl,lh->bhc", features, self.weights.to(past)) + last


def _features(past: Tensor) -> tuple[Tensor, Tensor]:
    last = past[:, -1:]
    columns = (past - last).transpose(1, 2)
    return torch.cat([columns, torch.ones_like(columns[..., :1])], dim=-1), last
