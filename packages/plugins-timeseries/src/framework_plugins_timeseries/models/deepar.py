"""A recurrent network that draws each step from a distribution and goes on from what it drew.

Axes: B windows, L look-back, C targets, H horizon, N windows and targets together, S sampled paths, Q levels.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from framework_plugins_timeseries.heads import NormalHead
from framework_plugins_timeseries.instance_norm import InstanceNorm
from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.series_embedding import SeriesEmbedding
from framework_plugins_timeseries.windows import Window

LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
"""The quantiles that sampled paths are summed up by."""

SEED = 0
"""Of the paths: the same model and data give the same forecast."""


class DeepAR(BaseTimeSeriesModel):
    """DeepAR of Salinas et al., https://arxiv.org/abs/1704.04110, section 3, equations 1 to 3.

    An LSTM reads the value before and the covariates of a step, and gives the mean and deviation of a normal
    distribution; training makes the negative log likelihood of look-back and horizon small, with the true values before
    each step, and forecasts are quantiles of sampled paths. Values are divided by the mean of their sizes over the
    look-back (section 3.3). Every target by itself, with the same weights. Validation and test measure the pinball loss
    of the quantiles. A vector is learned of each series, as the paper does of its smaller sets (section 4).
    Deviations: the mean of sizes in place of one plus the mean, for values below zero; and every window is as likely as
    any other in training (the paper prefers large series).

    Args:
        hidden: The length of the state.
        depth: How many layers.
        samples: How many paths are drawn.
        drop_rate: Dropout between layers.
        series_embedding: The length of the vector that is learned of each series; 0 learns none.
        level: The share of values that an interval is to hold.
        **common: What every model takes: ``data``.
    """

    covariates: ClassVar[tuple[str, ...]] = ("future", "static")

    def __init__(
        self,
        hidden: int = 40,
        depth: int = 2,
        samples: int = 100,
        drop_rate: float = 0.1,
        series_embedding: int = 20,
        level: float = 0.9,
        **common: Any,
    ) -> None:
        super().__init__(**{"loss": "quantile", "quantiles": LEVELS, "level": level, "normalize": "size", **common})
        self.hidden = hidden
        self.depth = depth
        self.samples = samples
        self.drop_rate = drop_rate
        self.series_embedding = series_embedding

    def _build_model(self) -> nn.Module:
        series = self.series_vectors(self.series_embedding)
        extra = len(self.layout.future) + self.layout.named_static + (self.series_embedding if series else 0)
        network = _Autoregressive(extra, series, self.hidden, self.depth, self.drop_rate)
        network.horizon, network.samples = self.layout.horizon, self.samples
        return network

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The likelihood of what came, each step given the true one before it."""
        inputs, target = batch
        window = Window.of(inputs, self.layout)
        norm: InstanceNorm = self.normalization  # type: ignore[assignment]
        past, shift, scale = norm(window.past)
        whole = torch.cat([past, (target - shift) / scale], dim=1)
        network: _Autoregressive = self.model  # type: ignore[assignment]
        return network.likelihood(whole, window)


class _Autoregressive(nn.Module):
    def __init__(self, extra: int, series: SeriesEmbedding | None, hidden: int, depth: int, drop_rate: float) -> None:
        super().__init__()
        self.series = series
        self.horizon = 1
        self.samples = 1
        drop = drop_rate if depth > 1 else 0.0
        self.cells = nn.LSTM(1 + extra, hidden, depth, batch_first=True, dropout=drop)
        self.place = nn.Linear(hidden, NormalHead.numbers)
        self.normal = NormalHead()
        self.register_buffer("levels", torch.tensor(LEVELS), persistent=False)

    def likelihood(self, whole: Tensor, window: Window) -> Tensor:
        """Mean negative log likelihood of every step but the first, ``(B, L + H, C)``."""
        steps = whole.shape[1]
        values = whole.transpose(1, 2).flatten(0, 1).unsqueeze(-1)
        covariates = self._covariates(window, steps, whole.shape[2])
        states, _ = self.cells(torch.cat([values[:, :-1], covariates[:, 1:]], dim=-1))
        return self.normal.loss(self.place(states), values[:, 1:, 0])

    def forward(self, window: Window) -> Tensor:
        """Quantiles of sampled paths, ``(B, H, C, Q)``."""
        batch, look_back, targets = window.past.shape
        values = window.past.transpose(1, 2).flatten(0, 1).unsqueeze(-1)
        covariates = self._covariates(window, look_back + self.horizon, targets)
        _, state = self.cells(torch.cat([values[:, :-1], covariates[:, 1:look_back]], dim=-1))
        paths = self._sampled(values[:, -1:], state, covariates[:, look_back:])
        levels: Tensor = self.levels  # type: ignore[assignment]
        each = torch.unflatten(paths, 0, (batch, targets, self.samples))
        found = each.quantile(levels.to(paths), dim=2)
        return found.permute(1, 3, 2, 0)

    def _sampled(self, last: Tensor, state: tuple[Tensor, Tensor], ahead: Tensor) -> Tensor:
        """Every path step by step, ``(N * S, H)``.

        Paths of one number draw the same in each window, so that no forecast depends on those beside it.
        """
        times = self.samples
        value = last.repeat_interleave(times, dim=0)
        hidden, cell = (part.repeat_interleave(times, dim=1) for part in state)
        known = ahead.repeat_interleave(times, dim=0)
        generator = torch.Generator(device=last.device).manual_seed(SEED)
        drawn = []
        for step in range(ahead.shape[1]):
            inputs = torch.cat([value, known[:, step : step + 1]], dim=-1)
            states, (hidden, cell) = self.cells(inputs, (hidden, cell))
            outputs = self.place(states)
            noise = torch.randn(times, 1, device=last.device, dtype=last.dtype, generator=generator)
            value = self.normal.drawn(outputs, noise.repeat(last.shape[0], 1)).unsqueeze(-1)
            drawn.append(value[:, :, 0])
        return torch.cat(drawn, dim=1)

    def _covariates(self, window: Window, steps: int, targets: int) -> Tensor:
        """What is known of each step beside the value before, for each window and target, ``(N, steps, extra)``."""
        fixed = window.static if self.series is None else torch.cat([window.static, self.series(window)], dim=-1)
        static = fixed[:, None].expand(-1, steps, -1)
        ahead = window.future_covariates[:, :steps]
        if ahead.shape[-1] == 0:
            ahead = static.new_zeros(static.shape[0], steps, 0)
        known = torch.cat([ahead, static], dim=-1)
        return known.repeat_interleave(targets, dim=0)
