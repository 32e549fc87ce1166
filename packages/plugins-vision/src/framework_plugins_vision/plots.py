"""Figures of the tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from framework_core.tracking.plots import new_figure
from framework_plugins_vision.colours import palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def masks(
    examples: Sequence[tuple[Tensor, Tensor, Tensor]], class_names: Sequence[str], ignore_index: int | None
) -> Figure:
    """Images beside their masks and what was predicted; pixels to ignore are white.

    Args:
        examples: Image ``(channels, height, width)``, mask and prediction ``(height, width)``.
        class_names: The name of each class.
        ignore_index: The label of pixels to ignore.
    """
    from matplotlib.patches import Patch

    colours = np.asarray(palette(), dtype=np.uint8).reshape(256, 3)
    figure = new_figure(7.5, 2.5 * len(examples) + 0.8)
    for row, (image, true, predicted) in enumerate(examples):
        panels = {"image": _shown(image), "mask": _coloured(true, colours, ignore_index)}
        panels["prediction"] = _coloured(predicted, colours, None)
        for column, (title, pixels) in enumerate(panels.items()):
            axes = figure.add_subplot(len(examples), 3, 3 * row + column + 1)
            axes.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, interpolation="nearest")
            axes.set_axis_off()
            if row == 0:
                axes.set_title(title)
    named = list(zip(class_names, colours, strict=False))[:20]
    handles = [Patch(color=tuple(colour / 255), label=name) for name, colour in named]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)))
    return figure


def gallery(images: Sequence[Tensor], captions: Sequence[str]) -> Figure:
    """Images in a square, each under its caption.

    Args:
        images: Each ``(channels, height, width)``.
        captions: A line or two for each.
    """
    side = max(1, math.ceil(math.sqrt(len(images))))
    rows = -(-len(images) // side)
    figure = new_figure(1.9 * side, 2.3 * rows)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        axes = figure.add_subplot(rows, side, index + 1)
        pixels = _shown(image)
        axes.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(caption, fontsize=8)
    return figure


def _shown(image: Tensor) -> np.ndarray[Any, Any]:
    """An image that was normalised somehow, on a scale from 0 to 1."""
    low, high = image.min(), image.max()
    scaled = (image - low) / (high - low).clamp(min=1e-6)
    return np.asarray(scaled.permute(1, 2, 0) if len(scaled) == 3 else scaled[0])


def _coloured(mask: Tensor, colours: np.ndarray[Any, Any], ignore_index: int | None) -> np.ndarray[Any, Any]:
    pixels = mask.numpy()
    shown: np.ndarray[Any, Any] = colours[np.clip(pixels, 0, 255)].copy()
    if ignore_index is not None:
        shown[pixels == ignore_index] = 255
    return shown
