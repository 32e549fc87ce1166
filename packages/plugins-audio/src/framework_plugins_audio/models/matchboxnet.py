"""MatchboxNet: separable convolutions over time."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from framework_plugins_audio.models.spectral import SpectralModel

ENDS = 128
"""Channels before and behind the blocks."""


class MatchboxNet(SpectralModel):
    """B residual blocks of R separable convolutions over time with C channels.

    Majumdar and Ginsburg, MatchboxNet: 1D Time-Channel Separable Convolutional Neural Network Architecture for Speech
    Commands Recognition, https://arxiv.org/abs/2004.08531, table 1.

    Args:
        blocks: How many residual blocks.
        sub_blocks: How many convolutions each has.
        width: How many channels they have.
        dropout: The share of the values of each convolution that training leaves out.
        **settings: Those of the front end, and what every model of sound takes: ``loss``, ``label_smoothing`` ...
    """

    def __init__(
        self, blocks: int = 3, sub_blocks: int = 1, width: int = 64, dropout: float = 0.0, **settings: Any
    ) -> None:
        super().__init__(**{"features": "mfcc", "n_mels": 64, **settings})
        self.blocks = blocks
        self.sub_blocks = sub_blocks
        self.width = width
        self.dropout = dropout

    def _build_network(self, channels: int, bands: int, frames: int) -> nn.Module:
        widths = [ENDS, *[self.width] * self.blocks]
        return nn.Sequential(
            nn.Flatten(1, 2),
            *_separable(channels * bands, ENDS, 11),
            nn.ReLU(),
            *(
                _Block(narrow, width, 13 + 2 * number, self.sub_blocks, self.dropout)
                for number, (narrow, width) in enumerate(pairwise(widths))
            ),
            *_separable(self.width, ENDS, 29, dilation=2),
            nn.ReLU(),
            nn.Conv1d(ENDS, ENDS, 1, bias=False),
            nn.BatchNorm1d(ENDS),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(ENDS, self.data.num_outputs),
        )


class _Block(nn.Module):
    def __init__(self, narrow: int, width: int, kernel: int, depth: int, dropout: float) -> None:
        super().__init__()
        layers = [*_separable(narrow, width, kernel)]
        for _ in range(depth - 1):
            layers += [nn.ReLU(), nn.Dropout(dropout), *_separable(width, width, kernel)]
        self.convolutions = nn.Sequential(*layers)
        self.residual = nn.Sequential(nn.Conv1d(narrow, width, 1, bias=False), nn.BatchNorm1d(width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.drop(torch.relu(self.convolutions(x) + self.residual(x)))
        return found


def _separable(narrow: int, width: int, kernel: int, *, dilation: int = 1) -> tuple[nn.Module, ...]:
    """A convolution over time of each channel, one over channels, and batch normalisation."""
    padding = dilation * (kernel // 2)
    return (
        nn.Conv1d(narrow, narrow, kernel, padding=padding, dilation=dilation, groups=narrow, bias=False),
        nn.Conv1d(narrow, width, 1, bias=False),
        nn.BatchNorm1d(width),
    )
