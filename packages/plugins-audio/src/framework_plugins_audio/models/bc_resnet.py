"""BC-ResNet: residual blocks that learn over time and are broadcast over frequencies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from framework_plugins_audio.models.spectral import SpectralModel

PARTS = 5
"""Parts of the spectrum that are normalised by themselves."""

STAGES = ((8, 2, 1), (12, 2, 2), (16, 4, 2), (20, 4, 1))
"""Channels for each tau, blocks, and the stride over bands of each stage; table 1 of the paper."""


class BCResNet(SpectralModel):
    """Broadcasted residual learning.

    Kim et al., Broadcasted Residual Learning for Efficient Keyword Spotting, https://arxiv.org/abs/2106.04140.

    Args:
        tau: How many times wider than the smallest network.
        dropout: The share of the channels of each block that training leaves out.
        **settings: Those of the front end, and what every model of sound takes: ``loss``, ``label_smoothing`` ...
    """

    def __init__(self, tau: float = 1.0, dropout: float = 0.1, **settings: Any) -> None:
        super().__init__(**settings)
        self.tau = tau
        self.dropout = dropout

    def _build_network(self, channels: int, bands: int, frames: int) -> nn.Module:
        width = int(16 * self.tau)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 5, (2, 1), padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        for number, (each, blocks, stride) in enumerate(STAGES):
            wider = int(each * self.tau)
            layers.append(_Transition(width, wider, stride=stride, dilation=2**number, dropout=self.dropout))
            layers += [_Block(wider, dilation=2**number, dropout=self.dropout) for _ in range(blocks - 1)]
            width = wider
        last = int(32 * self.tau)
        return nn.Sequential(
            *layers,
            nn.Conv2d(width, width, 5, padding=(0, 2), groups=width, bias=False),
            nn.Conv2d(width, last, 1, bias=False),
            nn.BatchNorm2d(last),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(last, self.data.num_outputs, 1),
            nn.Flatten(),
        )


class SubSpectralNorm(nn.Module):
    """Batch normalisation of each part of the spectrum by itself: Chang et al., https://arxiv.org/abs/2103.13620.

    Args:
        channels: How many channels there are.
        parts: How many parts, each of as many bands.
    """

    def __init__(self, channels: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.norm = nn.BatchNorm2d(channels * parts)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, bands, frames)`` to the same."""
        batch, channels, bands, frames = x.shape
        found: Tensor = self.norm(x.reshape(batch, channels * self.parts, bands // self.parts, frames))
        return found.reshape(batch, channels, bands, frames)


class _Block(nn.Module):
    """``x + f2(x) + broadcast(f1(mean over bands of f2(x)))``, formula 3."""

    def __init__(self, width: int, *, dilation: int, dropout: float, stride: int = 1) -> None:
        super().__init__()
        self.over_bands = nn.Sequential(
            nn.Conv2d(width, width, (3, 1), (stride, 1), padding=(1, 0), groups=width, bias=False),
            SubSpectralNorm(width, PARTS),
        )
        self.over_time = nn.Sequential(
            nn.Conv2d(width, width, (1, 3), padding=(0, dilation), dilation=(1, dilation), groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.Dropout2d(dropout),
        )

    def branches(self, x: Tensor) -> Tensor:
        found: Tensor = self.over_bands(x)
        broadcast: Tensor = self.over_time(found.mean(dim=2, keepdim=True))
        return found + broadcast

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.branches(x))


class _Transition(_Block):
    """The first block of a stage, to other channels; there is nothing to add up with."""

    def __init__(self, narrow: int, width: int, *, stride: int, dilation: int, dropout: float) -> None:
        super().__init__(width, dilation=dilation, dropout=dropout, stride=stride)
        self.to_width = nn.Sequential(nn.Conv2d(narrow, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branches(self.to_width(x)))
