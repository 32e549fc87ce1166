"""From an image file to the tensor a model takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import v2

from framework_core import DataError
from framework_plugins_vision.augmentation_policies import Policy

Transform = Callable[[Image.Image], Tensor]
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
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"The image {path} cannot be read: {reason(error)}", paths=[path]) from error


def reason(error: Exception) -> str:
    """Why an image cannot be read, in few words."""
    if isinstance(error, UnidentifiedImageError):
        return "it is no image"
    if isinstance(error, Image.DecompressionBombError):
        return "it is too large"
    first = str(error).partition("\n")[0] or type(error).__name__
    return "it is cut short" if "truncated" in first.lower() else first


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
    transform: Transform = v2.Compose([v2.PILToTensor(), resize, v2.CenterCrop(size), *_normalised(mean, std)])
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
    mirror = [v2.RandomHorizontalFlip()] if flip else []
    mode = v2.InterpolationMode(interpolation)
    crop = v2.RandomResizedCrop(size, scale=(min_crop, 1.0), interpolation=mode, antialias=True)
    steps = [v2.PILToTensor(), crop, *mirror, *([policy] if policy else []), *_normalised(mean, std)]
    transform: Transform = v2.Compose(steps)
    return transform


def _normalised(mean: Sequence[float], std: Sequence[float]) -> list[torch.nn.Module]:
    return [v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(mean), list(std))]
