"""A timm encoder with a decoder: a class for each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class SegmentationNetwork(nn.Module):
    """An encoder's features, joined by a decoder and brought back to the size of the image.

    Args:
        encoder: A timm model made with ``features_only``.
        decoder: ``unet`` or ``fpn``.
        width: The channels of the decoder at its widest.
        num_classes: How many classes there are.
    """

    def __init__(self, encoder: Any, *, decoder: str, width: int, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        channels = encoder.feature_info.channels()
        self.decoder: UNetDecoder | FPNDecoder = (
            UNetDecoder(channels, width) if decoder == "unet" else FPNDecoder(channels, width)
        )
        self.head = nn.Conv2d(self.decoder.out_channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, height, width)`` to ``(batch, classes, height, width)``."""
        features = [as_maps(each, channels) for each, channels in zip(self.encoder(x), self._channels(), strict=True)]
        return resized(self.head(self.decoder(features)), x.shape[-2:])

    def _channels(self) -> list[int]:
        found: list[int] = self.encoder.feature_info.channels()
        return found


class UNetDecoder(nn.Module):
    """Enlarges the deepest features step by step, each time beside those of the encoder of that size.

    Ronneberger et al., https://arxiv.org/abs/1505.04597, with normalisation and padded convolutions.

    Args:
        channels: The channels of the encoder's features, the largest maps first.
        width: The channels after the deepest step; each larger map has half, 16 at least.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        steps = []
        now = channels[-1]
        for number, skipped in enumerate(reversed(channels[:-1])):
            wanted = max(16, width // 2**number)
            steps.append(_block(now + skipped, wanted))
            now = wanted
        self.steps = nn.ModuleList(steps)
        self.out_channels = now

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps of the encoder, the largest first, to one of the size of the largest."""
        x = features[-1]
        for step, skipped in zip(self.steps, reversed(features[:-1]), strict=True):
            x = step(torch.cat([resized(x, skipped.shape[-2:]), skipped], dim=1))
        return x


class FPNDecoder(nn.Module):
    """A pyramid of equal width, from the deepest features to the largest, summed at the end.

    Lin et al., https://arxiv.org/abs/1612.03144, with the semantic branch of Kirillov et al.,
    https://arxiv.org/abs/1901.02446, section 3.

    Args:
        channels: The channels of the encoder's features, the largest maps first.
        width: The channels of the pyramid.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(each, width, 1) for each in channels)
        self.branches = nn.ModuleList(_convolution(width, width) for _ in channels)
        self.out_channels = width

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps of the encoder, the largest first, to one of the size of the largest."""
        maps = [lateral(each) for lateral, each in zip(self.lateral, features, strict=True)]
        for index in range(len(maps) - 2, -1, -1):
            maps[index] = maps[index] + resized(maps[index + 1], maps[index].shape[-2:])
        size = maps[0].shape[-2:]
        summed = [resized(branch(each), size) for branch, each in zip(self.branches, maps, strict=True)]
        return torch.stack(summed).sum(dim=0)


def as_maps(features: Tensor, channels: int) -> Tensor:
    """Features with the channels first; some architectures have them last.

    Raises:
        ValueError: They are no maps.
    """
    if features.ndim != 4:
        raise ValueError("its features have no height and width, so they make no mask")
    if features.shape[1] != channels and features.shape[-1] == channels:
        return features.movedim(-1, 1)
    return features


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinearly, where the size differs."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return functional.interpolate(x, size=list(size), mode="bilinear", align_corners=False)


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(_convolution(before, after), _convolution(after, after))


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
