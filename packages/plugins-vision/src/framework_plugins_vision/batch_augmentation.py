"""What happens to a whole batch of training images, on the model's device: mixing and erasing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

AREAS = (0.02, 1 / 3)
"""The share of an image that is erased, from and to (Zhong et al., https://arxiv.org/abs/1708.04896, section 5)."""

ASPECTS = (0.3, 1 / 0.3)
"""Height by width of what is erased, from and to."""


@dataclass(frozen=True)
class BatchAugmentation:
    """Erases and mixes the images of a batch; the targets of mixed images are shares of classes.

    Args:
        mixup: The alpha of mixup (Zhang et al., https://arxiv.org/abs/1710.09412); 0 does none.
        cutmix: The alpha of cutmix (Yun et al., https://arxiv.org/abs/1905.04899); 0 does none.
            With both, each batch is mixed in one of the two ways.
        mix_prob: The share of batches that are mixed.
        erasing: The share of images from which a rectangle is erased.
        num_classes: How many classes there are.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    mix_prob: float = 1.0
    erasing: float = 0.0
    num_classes: int = 0

    @property
    def mixes(self) -> bool:
        """Whether targets become shares of classes."""
        return self.mixup > 0 or self.cutmix > 0

    def __bool__(self) -> bool:
        return self.mixes or self.erasing > 0

    def __call__(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """A batch, augmented; what came in stays as it is."""
        if self.erasing:
            images = erased(images, self.erasing)
        if not self.mixes:
            return images, target
        shares = (
            target if target.is_floating_point() else functional.one_hot(target, self.num_classes).to(torch.float32)
        )
        if torch.rand(()) >= self.mix_prob:
            return images, shares
        with_cutmix = self.cutmix > 0 and (self.mixup == 0 or bool(torch.rand(()) < 0.5))
        kept = _beta(self.cutmix if with_cutmix else self.mixup)
        partner = torch.randperm(len(images), device=images.device)
        if with_cutmix:
            images, kept = cut_and_pasted(images, images[partner], kept)
        else:
            images = images.lerp(images[partner], 1 - kept)
        return images, shares.lerp(shares[partner], 1 - kept)


def cut_and_pasted(images: Tensor, others: Tensor, kept: float) -> tuple[Tensor, float]:
    """Paste a rectangle of other images; the share that is kept follows from what lies inside the image."""
    height, width = images.shape[-2:]
    side = math.sqrt(1 - kept)
    top, bottom = _span(height, side)
    left, right = _span(width, side)
    pasted = images.clone()
    pasted[..., top:bottom, left:right] = others[..., top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (height * width)


def erased(images: Tensor, prob: float) -> Tensor:
    """Noise in place of a rectangle, in a share of the images."""
    count, device = len(images), images.device
    height, width = images.shape[-2:]
    area = torch.empty(count, device=device).uniform_(*AREAS) * height * width
    aspect = torch.empty(count, device=device).uniform_(*(math.log(each) for each in ASPECTS)).exp()
    rows = _lines(height, (area * aspect).sqrt())
    columns = _lines(width, (area / aspect).sqrt())
    chosen = torch.rand(count, device=device) < prob
    inside = (rows[:, :, None] & columns[:, None, :] & chosen[:, None, None]).unsqueeze(1)
    return torch.where(inside, torch.randn_like(images), images)


def _lines(size: int, length: Tensor) -> Tensor:
    """Which rows, or columns, lie inside a span of a length, at a random place of each image."""
    length = length.round().clamp(1, size)
    first = (torch.rand_like(length) * (size - length + 1)).floor()
    line = torch.arange(size, device=length.device)
    return (line >= first[:, None]) & (line < (first + length)[:, None])


def _span(size: int, share: float) -> tuple[int, int]:
    centre, half = int(torch.randint(size, ())), int(size * share) // 2
    return max(0, centre - half), min(size, centre + half)


def _beta(alpha: float) -> float:
    return float(torch.distributions.Beta(alpha, alpha).sample())
