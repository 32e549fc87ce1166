"""Errors of forecasts, summed by series, by step of the horizon and by origin.

Axes: B windows, H horizon, C targets, N series, O origins, Q levels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from framework_plugins_timeseries.heads import pinball


class PointError(Metric):
    """The mean of squared or absolute errors over all windows, steps and targets.

    Args:
        squared: Whether errors are squared.
    """

    total: Tensor
    count: Tensor

    def __init__(self, *, squared: bool) -> None:
        super().__init__()
        self.squared = squared
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, forecast: Tensor, target: Tensor) -> None:
        """Add a batch."""
        errors = forecast.float() - target.float()
        self.total += (errors.square() if self.squared else errors.abs()).sum().double()
        self.count += errors.numel()

    def compute(self) -> Tensor:
        """The mean."""
        return (self.total / self.count.clamp(min=1)).float()


class ErrorSums(Metric):
    """Sums of errors for each series and target, for each step and target, and for each origin.

    Forecasts and targets are on the scale that models see (``scaled``) and on that of the data.

    Args:
        series: How many series there are.
        horizon: How many steps are predicted.
        targets: How many targets there are.
        origins: How many origins there are; 0 where they are not known.
    """

    NAMES = ("mse", "mae", "smape", "absolute", "squared")
    """What is summed: errors of scaled values, sMAPE, and absolute and squared errors on the scale of the data."""

    by_series: Tensor
    by_step: Tensor
    by_origin: Tensor
    count_series: Tensor
    count_step: Tensor
    count_origin: Tensor

    def __init__(self, *, series: int, horizon: int, targets: int, origins: int = 0) -> None:
        super().__init__()
        kinds = len(self.NAMES)
        self.add_state("by_series", torch.zeros(series, targets, kinds, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("by_step", torch.zeros(horizon, targets, kinds, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("by_origin", torch.zeros(origins, kinds, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count_origin", torch.zeros(origins, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count_series", torch.zeros(series, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count_step", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(
        self,
        series: Tensor,
        scaled: tuple[Tensor, Tensor],
        own: tuple[Tensor, Tensor],
        origins: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            series: The number of each window's series, ``(B,)``.
            scaled: Forecast and target, ``(B, H, C)``, on the scale that models see.
            own: The same on the scale of the data.
            origins: The number of each window's origin, ``(B,)``, where it is known.
        """
        off, away = scaled[0] - scaled[1], own[0] - own[1]
        size = own[0].abs() + own[1].abs()
        smape = torch.where(size > 0, 200 * away.abs() / size, 0.0)
        errors = torch.stack([off.square(), off.abs(), smape, away.abs(), away.square()], dim=-1).double()
        self.by_step += errors.sum(dim=0)
        self.count_step += len(errors)
        self.by_series.index_add_(0, series, errors.sum(dim=1))
        self.count_series.index_add_(0, series, torch.full_like(series, errors.shape[1], dtype=torch.float64))
        if origins is not None:
            self.by_origin.index_add_(0, origins, errors.mean(dim=(1, 2)))
            self.count_origin.index_add_(0, origins, torch.ones_like(origins, dtype=torch.float64))

    def compute(self) -> dict[str, Tensor]:
        """Mean errors: ``series`` ``(N, C, kinds)``, ``step`` ``(H, C, kinds)``, ``origin`` ``(O, kinds)``.

        They are NaN for a series or an origin without a window.
        """
        return {
            "series": self.by_series / torch.where(self.count_series > 0, self.count_series, torch.nan)[:, None, None],
            "origin": self.by_origin / torch.where(self.count_origin > 0, self.count_origin, torch.nan)[:, None],
            "step": self.by_step / self.count_step.clamp(min=1),
            "all": self.by_step.sum(dim=(0, 1)) / (self.count_step * self.by_step[..., 0].numel()).clamp(min=1),
        }


class IntervalScores(Metric):
    """How good quantiles are, over all windows, steps and targets.

    ``crps`` is twice the mean pinball loss over the levels, which tends to the continuous ranked probability score as
    they grow dense (Gneiting and Ranjan, https://doi.org/10.1198/jbes.2010.08110, equation 2); ``coverage`` is the
    share of values between the lowest and the highest quantile.
    """

    losses: Tensor
    inside: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("losses", "inside", "count"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, quantiles: Tensor, target: Tensor, levels: Tensor) -> None:
        """Add a batch: ``(B, H, C, Q)`` and ``(B, H, C)``."""
        self.losses += pinball(quantiles, target, levels.to(quantiles)).mean(dim=-1).sum().double()
        within = (quantiles[..., 0] <= target) & (target <= quantiles[..., -1])
        self.inside += within.sum()
        self.count += target.numel()

    def compute(self) -> dict[str, Tensor]:
        """By name."""
        count = self.count.clamp(min=1)
        return {"pinball": self.losses / count, "crps": 2 * self.losses / count, "coverage": self.inside / count}
