"""Augmentation policies for single images: what RandAugment and TrivialAugment do, on tensors of bytes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from framework_core import seed_sample

Policy = Callable[[Tensor], Tensor]


def policy(name: str | None, *, magnitude: float, ops: int, std: float) -> Policy | None:
    """A policy by its name.

    Args:
        name: ``randaugment``, ``trivialaugment`` or nothing.
        magnitude: How strong RandAugment's operations are, 0 to 10.
        ops: How many of them an image has.
        std: By how much the magnitude varies.
    """
    if name == "randaugment":
        return RandAugment(magnitude=magnitude, ops=ops, std=std)
    if name == "trivialaugment":
        chosen: Policy = v2.TrivialAugmentWide()
        return chosen
    return None


class RandAugment(nn.Module):
    """timm's RandAugment (Cubuk et al., https://arxiv.org/abs/1909.13719): the one that the recipes were found with.

    Args:
        magnitude: How strong its operations are, 0 to 10.
        ops: How many of them an image has; each is left out half of the time.
        std: By how much the magnitude varies.
    """

    def __init__(self, *, magnitude: float, ops: int, std: float) -> None:
        from timm.data.auto_augment import rand_augment_transform

        super().__init__()
        # At 10 timm would keep no bit of a colour, which Pillow refuses.
        most = {"magnitude_max": 9.99}
        self._policy = rand_augment_transform(f"rand-m{magnitude:g}-n{ops}-mstd{std:g}-inc1", most)

    def forward(self, image: Tensor) -> Tensor:
        """An image of bytes ``(channels, height, width)``; grey ones have colours meanwhile."""
        coloured: Image.Image = functional.to_pil_image(image).convert("RGB")
        changed = self._policy(coloured)
        found: Tensor = functional.pil_to_tensor(changed.convert("L") if len(image) == 1 else changed)
        return found


class EachOfBatch:
    """A policy for one image, applied to each of a batch.

    Args:
        of_one: The policy.
    """

    def __init__(self, of_one: Policy) -> None:
        self._of_one = of_one

    def __call__(self, images: Tensor) -> Tensor:
        """``(batch, channels, height, width)`` of bytes to the same."""
        changed = []
        for place, image in enumerate(images):
            seed_sample(place)
            changed.append(self._of_one(image))
        return torch.stack(changed)
