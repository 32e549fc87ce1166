"""A colour for each class of a mask, and the mask as an image file."""

from __future__ import annotations

import colorsys
import io
from typing import Any

import numpy as np
from PIL import Image

GOLDEN = 0.618033988749895
"""Hues that lie this far apart stay apart however many there are."""


def palette() -> list[int]:
    """256 colours, red, green and blue of each in a row; the first is black."""
    found = [0, 0, 0]
    for index in range(255):
        hue = index * GOLDEN % 1.0
        rgb = colorsys.hsv_to_rgb(hue, 0.85 - 0.3 * (index // 8 % 2), 0.95 - 0.35 * (index // 4 % 2))
        found += [round(255 * part) for part in rgb]
    return found


def mask_png(classes: np.ndarray[Any, Any], size: tuple[int, int]) -> bytes:
    """A mask as a PNG with a palette: the number of a pixel is that of its class.

    Args:
        classes: ``(height, width)`` of ``uint8``, as the model gave it.
        size: Width and height of the image that it is of.
    """
    mask = Image.fromarray(classes).resize(size, Image.Resampling.NEAREST)
    mask.putpalette(palette())
    written = io.BytesIO()
    mask.save(written, "PNG")
    return written.getvalue()
