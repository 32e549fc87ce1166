"""From an image to the tensor a model takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from framework_core import DataError
from framework_plugins_vision import reading
from framework_plugins_vision.augmentation_policies import Policy
from framework_plugins_vision.normalization import Normalization
from framework_plugins_vision.random_crop import RandomHorizontalFlip, RandomResizedCrop

Transform = Callable[[Any], Tensor]
"""From an image to what a model takes: a tensor of bytes ``(channels, height, width)``, or an image of PIL's."""

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""The image files that are read."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the images of ImageNet, by channel, on a scale from 0 to 1."""


def read_image(path: Path, channels: int) -> Image.Image:
    """Read an image upright, with the channels asked for: 1 is grey, 3 is RGB.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with reading.quiet():
            return reading.opened(path.read_bytes(), channels)
    except reading.UNREADABLE as error:
        raise DataError(f"The image {path} cannot be read: {reading.reason(error)}", paths=[path]) from error


def evaluation(
    size: tuple[int, int],
    crop_pct: float,
    mean: Sequence[float],
    std: Sequence[float],
    interpolation: str = "bilinear",
) -> Transform:
    """Resize so that a centre crop keeps ``crop_pct`` of the side, crop, normalise."""
    height, width = size
    smooth = {"interpolation": v2.InterpolationMode(interpolation), "antialias": True}
    if height == width:
        resize = v2.Resize(round(height / crop_pct), **smooth)
    else:
        resize = v2.Resize((round(height / crop_pct), round(width / crop_pct)), **smooth)
    transform: Transform = v2.Compose([v2.PILToTensor(), resize, v2.CenterCrop(size), Normalization(mean, std)])
    return transform


def training(
    size: tuple[int, int],
    min_crop: float,
    *,
    flip: bool,
    mean: Sequence[float],
    std: Sequence[float],
    interpolation: str = "bilinear",
    policy: Policy | None = None,
) -> Transform:
    """A random crop and mirror image (Szegedy et al., https://arxiv.org/abs/1409.4842, section 6), then a policy.

    The result is normalised.
    """
    mirror = [RandomHorizontalFlip()] if flip else []
    mode = v2.InterpolationMode(interpolation)
    crop = RandomResizedCrop(size, scale=(min_crop, 1.0), interpolation=mode, antialias=True)
    steps = [v2.PILToTensor(), crop, *mirror, *([policy] if policy else []), Normalization(mean, std)]
    transform: Transform = v2.Compose(steps)
    return transform
