"""What is learned of each series as such.

Axes: B windows, E length of the vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from framework_plugins_timeseries.windows import Window


class SeriesEmbedding(nn.Module):
    """A vector for each series of training; for one that was not there, the mean of them all.

    Args:
        series: How many series there are.
        size: The length of a vector.
    """

    def __init__(self, series: int, size: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(series, size)

    def forward(self, window: Window) -> Tensor:
        """``(B, E)``."""
        number = window.series.round().long()
        own = self.vectors(number.clamp(min=0))
        return torch.where(number.unsqueeze(-1) < 0, self.vectors.weight.mean(dim=0), own)
