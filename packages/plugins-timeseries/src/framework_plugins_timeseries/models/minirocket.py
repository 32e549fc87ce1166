"""Shares of positive values behind many fixed convolutions, read by a linear model.

Axes: B series, C channels, T steps, F features, K classes, N training series.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import TensorDataset

from framework_core.errors import ContractError
from framework_plugins_timeseries.classification_model import BaseSeriesClassifier
from framework_plugins_timeseries.ridge import fit_ridge

_log = logging.getLogger("framework_core")

KERNEL = 9
"""The length of every kernel."""

PATTERNS = tuple(combinations(range(KERNEL), 3))
"""The 84 kernels by the places of their three weights of 2; the other six are -1."""

MOST_FOR_RIDGE = 10_000
"""Training series for which ridge regression is solved at once; the authors take steps for more, too."""

PART = 64
"""Series whose features are worked out together."""


class MiniRocket(BaseSeriesClassifier):
    """MiniRocket of Dempster et al., https://arxiv.org/abs/2012.08791, section 3.

    84 kernels of length 9 whose weights are -1 and 2, at up to 32 dilations each; a feature is the share of steps at
    which a convolution is above a bias, which is a quantile of that convolution of a training series (section 3.1).
    Kernels see random subsets of at most 9 channels, as in the authors' code for several channels. The classifier is
    their ridge regression with a penalty chosen by leaving one out, solved before the first epoch, which ends the
    training; or with ``classifier="softmax"``, theirs for large sets, a linear layer trained by steps. Deviations:
    features are standardised by mean and deviation, and scores of ridge regression are multiplied by one number to be
    logits, where theirs has no probabilities. Biases, weights and scales are saved with the run.

    Args:
        features: How many features there are, about.
        classifier: ``ridge`` or ``softmax``.
        kernel_seed: Decides the channels of kernels, and the training series that biases are told from.
        **common: What every model of classes takes: ``data``, ``label_smoothing``.

    Raises:
        ContractError: The series are shorter than a kernel; or ridge regression is asked of too many.
    """

    model: _Rocket

    def __init__(self, features: int = 10_000, classifier: str = "ridge", kernel_seed: int = 0, **common: Any) -> None:
        super().__init__(**common)
        self.features = features
        self.classifier = classifier
        self.kernel_seed = kernel_seed

    def _build_model(self) -> nn.Module:
        channels, steps = self.data.input_shape
        if steps < KERNEL:
            raise ContractError(
                "MiniRocket and this data do not fit",
                [f"a kernel has {KERNEL} steps, the series {steps}"],
                next_step="Take another model: fw list models --task time-series-classification",
            )
        generator = torch.Generator().manual_seed(self.kernel_seed)
        convolutions = Convolutions(channels, steps, self.features, generator)
        return _Rocket(convolutions, self.data.num_classes, learned=self.classifier == "softmax")

    def on_fit_start(self) -> None:
        """Take biases from the training series, and solve the ridge regression.

        Raises:
            ContractError: There are too many for that.
        """
        dataset = getattr(getattr(self.trainer, "datamodule", None), "train_dataset", None)
        if not isinstance(dataset, TensorDataset):
            raise ContractError(
                "MiniRocket and this data do not fit",
                ["it looks at all training series first, and the dataset does not have them in memory"],
                next_step="Let the dataset inherit from BaseSeriesClassificationDataModule.",
            )
        self.fit(*dataset.tensors)

    def fit(self, series: Tensor, labels: Tensor) -> None:
        """Take what is not learned by steps from training series, ``(N, C, T)`` and ``(N,)``.

        Raises:
            ContractError: There are too many to solve the ridge regression.
        """
        if self.classifier == "ridge" and len(series) > MOST_FOR_RIDGE:
            raise ContractError(
                "MiniRocket and this data do not fit",
                [f"ridge regression is solved for {MOST_FOR_RIDGE:,} series at most, and there are {len(series):,}"],
                next_step="Train a linear layer by steps: model.classifier=softmax",
            )
        generator = torch.Generator().manual_seed(self.kernel_seed)
        series, labels = series.to(self.device), labels.to(self.device)
        with torch.no_grad():
            self.model.convolutions.take_biases(series, generator)
            features = torch.cat([self.model.convolutions(part) for part in torch.split(series, PART)])
            self.model.take_scale(features)
            if self.classifier == "ridge":
                found = fit_ridge(self.model.scaled(features), labels, self.data.num_classes)
                self.model.weight.copy_(found.weight)
                self.model.bias.copy_(found.bias)
                _log.info(
                    "ridge     %s features, penalty %.3g, accuracy %.3f on training series left out one by one",
                    f"{features.shape[1]:,}",
                    found.penalty,
                    found.accuracy,
                )

    def on_train_epoch_end(self) -> None:
        """Nothing is left to learn where all was solved before."""
        if self.classifier == "ridge":
            self.trainer.should_stop = True


class _Rocket(nn.Module):
    """Features, their scale, and scores of classes."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, convolutions: Convolutions, classes: int, *, learned: bool) -> None:
        super().__init__()
        self.convolutions = convolutions
        features = convolutions.features
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        weight, bias = torch.zeros(classes, features), torch.zeros(classes)
        if learned:
            self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        else:
            self.register_buffer("weight", weight)
            self.register_buffer("bias", bias)
            # Lightning and optimizers want a parameter; this one is multiplied by nothing but zero.
            self.nothing = nn.Parameter(torch.zeros(()))

    def take_scale(self, features: Tensor) -> None:
        """The mean and standard deviation of each feature; one that never changes is not scaled."""
        self.mean.copy_(features.mean(dim=0))
        spread = features.std(dim=0, unbiased=False)
        self.spread.copy_(torch.where(spread > 1e-8, spread, 1.0))

    def scaled(self, features: Tensor) -> Tensor:
        """Standardised."""
        return (features - self.mean) / self.spread

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T)`` to ``(B, K)``."""
        found = functional.linear(self.scaled(self.convolutions(x)), self.weight, self.bias)
        return found if isinstance(self.weight, nn.Parameter) else found + 0 * self.nothing


class Convolutions(nn.Module):
    """The fixed convolutions, and the share of steps at which each is above its biases.

    Args:
        channels: How many channels series have.
        steps: How many steps.
        features: How many features there are, about: the same number for each kernel.
        generator: Decides which channels a kernel sees.
    """

    def __init__(self, channels: int, steps: int, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self.dilations, self.counts = dilations_for(steps, max(1, features // len(PATTERNS)))
        patterns = torch.full((len(PATTERNS), KERNEL), -1.0)
        patterns.scatter_(1, torch.tensor(PATTERNS), 2.0)
        self.features = len(PATTERNS) * sum(self.counts)
        for index, count in enumerate(self.counts):
            seen = _channels_of_kernels(channels, generator)
            self.register_buffer(f"weights_{index}", patterns[:, None] * seen[:, :, None], persistent=True)
            self.register_buffer(f"biases_{index}", torch.zeros(len(PATTERNS), count))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T)`` to ``(B, F)``."""
        found = []
        for index, every, inner in self._convolved(x):
            biases = self._of("biases", index)
            parts = torch.empty(x.shape[0], *biases.shape, dtype=x.dtype, device=x.device)
            for kernels, values in ((self._padded(index), every), (~self._padded(index), inner)):
                for column in range(biases.shape[1]):
                    above = values[:, kernels] > biases[kernels, column][:, None]
                    parts[:, kernels, column] = above.to(x.dtype).mean(dim=-1)
            found.append(parts.flatten(1))
        return torch.cat(found, dim=1)

    def take_biases(self, series: Tensor, generator: torch.Generator) -> None:
        """Quantiles of the convolutions of training series, one drawn for each kernel and dilation."""
        ratio = (math.sqrt(5) + 1) / 2
        begun = 0
        for index, count in enumerate(self.counts):
            drawn = torch.randint(len(series), (len(PATTERNS),), generator=generator).to(series.device)
            every = self._one(series[drawn], index)
            own = every[torch.arange(len(PATTERNS)), torch.arange(len(PATTERNS))]
            # Low-discrepancy shares, so that neighbouring kernels ask for different quantiles (section 3.1).
            numbers = begun + torch.arange(1, len(PATTERNS) * count + 1, dtype=torch.float64)
            shares = (numbers * ratio % 1).view(len(PATTERNS), count).to(own.device, own.dtype)
            ordered = own.sort(dim=1).values
            places = shares * (ordered.shape[1] - 1)
            low = places.floor().long()
            high = (low + 1).clamp(max=ordered.shape[1] - 1)
            between = places - low
            found = ordered.gather(1, low) * (1 - between) + ordered.gather(1, high) * between
            self._of("biases", index).copy_(found)
            begun += len(PATTERNS) * count

    def _convolved(self, x: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """For each dilation its number, the convolutions of every step, and of those that reach over no end."""
        for index, dilation in enumerate(self.dilations):
            every = self._one(x, index)
            reach = dilation * (KERNEL // 2)
            yield index, every, every[..., reach : every.shape[-1] - reach]

    def _one(self, x: Tensor, index: int) -> Tensor:
        """``(B, C, T)`` to ``(B, 84, T)``, zeros beyond both ends."""
        dilation = self.dilations[index]
        return functional.conv1d(
            x, self._of("weights", index).to(x.dtype), padding=dilation * (KERNEL // 2), dilation=dilation
        )

    def _padded(self, index: int) -> Tensor:
        """Whether each kernel counts the steps near both ends, too: every second one, taking turns by dilation."""
        return (torch.arange(len(PATTERNS), device=self._of("biases", index).device) + index) % 2 == 0

    def _of(self, name: str, index: int) -> Tensor:
        found: Tensor = getattr(self, f"{name}_{index}")
        return found


def dilations_for(steps: int, each: int) -> tuple[list[int], list[int]]:
    """The dilations of series of ``steps``, and how many of a kernel's ``each`` features every one has."""
    most = min(each, 32)
    largest = math.log2((steps - 1) / (KERNEL - 1))
    powers = [largest * index / (most - 1) if most > 1 else 0.0 for index in range(most)]
    found = [int(2**power) for power in powers]
    dilations = sorted(set(found))
    counts = [int(found.count(dilation) * each / most) for dilation in dilations]
    for index in range(each - sum(counts)):
        counts[index % len(counts)] += 1
    return dilations, counts


def _channels_of_kernels(channels: int, generator: torch.Generator) -> Tensor:
    """Which channels each kernel sees, ``(84, C)`` of 0 and 1; how many is drawn evenly on a scale of powers."""
    most = math.log2(min(channels, KERNEL) + 1)
    found = torch.zeros(len(PATTERNS), channels)
    for kernel in range(len(PATTERNS)):
        count = int(2 ** (float(torch.rand((), generator=generator)) * most))
        found[kernel, torch.randperm(channels, generator=generator)[: max(1, count)]] = 1.0
    return found
