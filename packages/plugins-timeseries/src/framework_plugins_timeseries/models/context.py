"""From a summary of the past to every step of the horizon, all at once.

Axes: B windows, H horizon, C targets, F future covariates, D length of the summary, P numbers for each value.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.windows import Window


def inputs_of(layout: Layout) -> int:
    """How many numbers a step of the past has, as ``steps_of`` gives them."""
    return len(layout.targets) + len(layout.past) + len(layout.future) + layout.named_static


def steps_of(window: Window) -> Tensor:
    """Everything that is known of each step of the past, ``(B, L, numbers)``; static covariates stand in each."""
    look_back = window.past.shape[1]
    static = window.static.unsqueeze(1).expand(-1, look_back, -1)
    return torch.cat([window.past, window.past_covariates, window.future_covariates[:, :look_back], static], dim=-1)


class ContextDecoder(nn.Module):
    """A summary for the whole horizon and one for each step, read with that step's covariates.

    The decoder of Wen et al., A Multi-Horizon Quantile Recurrent Forecaster, https://arxiv.org/abs/1711.11053, section
    3.2: a global layer makes the summaries, a local one reads each step.

    Args:
        layout: What the columns are.
        numbers: How many numbers for each value.
        summary: The length of the encoder's summary.
        hidden: The length of the hidden layers, and of a step's summary.
    """

    def __init__(self, layout: Layout, numbers: int, summary: int, hidden: int) -> None:
        super().__init__()
        self.horizon = layout.horizon
        self.targets = len(layout.targets)
        future = len(layout.future)
        self.overall = nn.Sequential(
            nn.Linear(summary + self.horizon * future, hidden),
            nn.ReLU(),
            nn.Linear(hidden, (self.horizon + 1) * hidden),
        )
        self.local = nn.Sequential(
            nn.Linear(2 * hidden + future, hidden), nn.ReLU(), nn.Linear(hidden, self.targets * numbers)
        )

    def forward(self, summary: Tensor, window: Window) -> Tensor:
        """``(B, D)`` to ``(B, H, C, P)``."""
        ahead = window.future_covariates[:, window.past.shape[1] :]
        if ahead.shape[-1] == 0:
            ahead = ahead.new_zeros(ahead.shape[0], self.horizon, 0)
        steps = self.overall(torch.cat([summary, ahead.flatten(1)], dim=-1)).unflatten(-1, (self.horizon + 1, -1))
        whole = steps[:, :1].expand(-1, self.horizon, -1)
        found: Tensor = self.local(torch.cat([whole, steps[:, 1:], ahead], dim=-1))
        return torch.unflatten(found, -1, (self.targets, -1))
