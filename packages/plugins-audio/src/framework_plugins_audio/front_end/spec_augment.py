"""Masks over bands and frames of training clips."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SpecAugment(nn.Module):
    """Hides bands and frames in training, each clip others: Park et al., https://arxiv.org/abs/1904.08779, section 2.

    What is hidden becomes the mean of the clip's real frames, which is the authors' 0 where features are normalised.
    A mask is as wide as a random number up to its setting says, 0 among them. Frames are hidden of the real ones.

    Args:
        band_masks: How many masks over bands.
        bands: How many bands a mask hides at most.
        time_masks: How many masks over frames.
        frames: How many frames a mask hides at most.
        share: The share of a clip's real frames that one mask hides at most.
    """

    def __init__(
        self, *, band_masks: int = 0, bands: int = 0, time_masks: int = 0, frames: int = 0, share: float = 1.0
    ) -> None:
        super().__init__()
        self.band_masks = band_masks
        self.bands = bands
        self.time_masks = time_masks
        self.frames = frames
        self.share = share

    def forward(self, features: Tensor, real: Tensor) -> Tensor:
        """Features with masks in training; as they are otherwise.

        Args:
            features: ``(batch, channels, bands, frames)``.
            real: Which frames are real, ``(batch, frames)``.
        """
        if not self.training or not (self.band_masks or self.time_masks):
            return features
        count = features.shape[2]
        whole = (
            torch.zeros(len(features), device=features.device),
            torch.full_like(real[:, 0], count, dtype=torch.float),
        )
        widest = torch.full_like(whole[1], min(self.bands, count))
        hidden = _masks(self.band_masks, count, *whole, widest)[:, None, :, None]
        first, length = real.to(torch.uint8).argmax(dim=1).float(), real.sum(dim=1).float()
        longest = (length * self.share).floor().clamp(max=self.frames)
        hidden = hidden | _masks(self.time_masks, features.shape[3], first, length, longest)[:, None, None]
        return torch.where(hidden, _mean(features, real), features)


def _masks(number: int, size: int, first: Tensor, length: Tensor, widest: Tensor) -> Tensor:
    """Which of ``size`` lines are hidden by some random masks, each inside a clip's ``length`` lines from ``first``."""
    lines = torch.arange(size, device=first.device)
    hidden = torch.zeros(len(first), size, dtype=torch.bool, device=first.device)
    for _ in range(number):
        width = (torch.rand_like(first) * (widest + 1)).floor()
        start = first + (torch.rand_like(first) * (length - width + 1)).floor()
        hidden |= (lines >= start[:, None]) & (lines < (start + width)[:, None])
    return hidden


def _mean(features: Tensor, real: Tensor) -> Tensor:
    mask = real[:, None, None].to(features.dtype)
    number = mask.expand_as(features).sum(dim=(1, 2, 3), keepdim=True)
    return (features * mask).sum(dim=(1, 2, 3), keepdim=True) / number
