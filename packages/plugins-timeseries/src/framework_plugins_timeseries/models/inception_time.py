"""Convolutions of several lengths side by side, with the same network trained several times.

Axes: B series, C channels, T steps, F filters, K classes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework_plugins_timeseries.classification_model import BaseSeriesClassifier


class InceptionTime(BaseSeriesClassifier):
    """InceptionTime of Fawaz et al., https://arxiv.org/abs/1909.04939, section 3, figures 1 and 2.

    Each module brings its input to few channels, lays convolutions of three lengths and a pooled way side by side, and
    normalises them; every third is bridged by a residual. The mean over time is read by a linear layer. The model is an
    ensemble of five such networks from different random weights, whose probabilities are averaged (section 3.2).
    Deviation: the networks see the same batches, where the paper trains one after another; nothing else joins them, as
    each has its own loss. The sizes are the paper's (section 4.1); ``networks=1`` is its Inception network.

    Args:
        networks: How many networks are averaged.
        depth: How many modules each has; every third closes a residual.
        filters: How many filters each convolution has.
        bottleneck: How many channels a module's input is brought to.
        kernel_sizes: The lengths of the convolutions.
        **common: What every model of classes takes: ``data``, ``label_smoothing``.
    """

    model: nn.ModuleList

    def __init__(
        self,
        networks: int = 5,
        depth: int = 6,
        filters: int = 32,
        bottleneck: int = 32,
        kernel_sizes: tuple[int, ...] = (40, 20, 10),
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.networks = networks
        self.depth = depth
        self.filters = filters
        self.bottleneck = bottleneck
        self.kernel_sizes = tuple(kernel_sizes)

    def _build_model(self) -> nn.Module:
        shape, sizes = (self.data.channels, self.data.num_classes), self.kernel_sizes
        return nn.ModuleList(
            _Network(*shape, self.depth, self.filters, self.bottleneck, sizes) for _ in range(self.networks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T)`` to the logarithm of the mean probability of each class, ``(B, K)``."""
        logits = self._logits(x)
        return torch.logsumexp(logits.log_softmax(dim=-1), dim=0) - torch.log(logits.new_tensor(len(logits)))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The sum over networks of their own losses would be each one's training; this is it, divided by their number.

        Adam and its like do not mind by what a loss is divided, so the learning rate means what it does for one.
        """
        inputs, target = batch
        return torch.stack([self.loss(each, target) for each in self._logits(inputs)]).mean()

    def _logits(self, x: Tensor) -> Tensor:
        return torch.stack([network(x) for network in self.model])


class _Network(nn.Module):
    def __init__(
        self, channels: int, classes: int, depth: int, filters: int, bottleneck: int, kernel_sizes: tuple[int, ...]
    ) -> None:
        super().__init__()
        width = filters * (len(kernel_sizes) + 1)
        self.modules_in_order = nn.ModuleList(
            _Inception(channels if index == 0 else width, filters, bottleneck, kernel_sizes) for index in range(depth)
        )
        bridged = [channels if index == 0 else width for index in range(depth // 3)]
        self.residuals = nn.ModuleList(
            nn.Sequential(nn.Conv1d(inputs, width, 1, bias=False), nn.BatchNorm1d(width)) for inputs in bridged
        )
        self.linear = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        before = x
        for index, module in enumerate(self.modules_in_order):
            x = module(x)
            if index % 3 == 2:
                x = functional.relu(x + self.residuals[index // 3](before))
                before = x
        logits: Tensor = self.linear(x.mean(dim=-1))
        return logits


class _Inception(nn.Module):
    """Figure 2: a bottleneck, convolutions of several lengths, and a pooled way around it."""

    def __init__(self, inputs: int, filters: int, bottleneck: int, kernel_sizes: tuple[int, ...]) -> None:
        super().__init__()
        # A single channel has nothing to be brought together.
        self.bottleneck = nn.Conv1d(inputs, bottleneck, 1, bias=False) if inputs > 1 else nn.Identity()
        narrow = bottleneck if inputs > 1 else inputs
        self.convolutions = nn.ModuleList(nn.Conv1d(narrow, filters, size, bias=False) for size in kernel_sizes)
        self.pooled = nn.Sequential(nn.MaxPool1d(3, stride=1, padding=1), nn.Conv1d(inputs, filters, 1, bias=False))
        self.norm = nn.BatchNorm1d(filters * (len(kernel_sizes) + 1))

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.bottleneck(x)
        found = [_same_length(convolution, narrow) for convolution in self.convolutions]
        return functional.relu(self.norm(torch.cat([*found, self.pooled(x)], dim=1)))


def _same_length(convolution: nn.Module, x: Tensor) -> Tensor:
    size = int(convolution.kernel_size[0])  # type: ignore[index]
    found: Tensor = convolution(functional.pad(x, ((size - 1) // 2, size // 2)))
    return found
