"""What can be said of an image in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

COLOURS = ("red", "green", "blue")


def image_features(planes: np.ndarray[Any, Any]) -> dict[str, float]:
    """Brightness, contrast, sharpness, and the mean of each colour.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., Diatom Autofocusing in Brightfield Microscopy, ICPR
    2000). All are on the scale of the network's input.

    Args:
        planes: ``(channels, height, width)``.
    """
    grey = planes.astype(np.float64).mean(axis=0)
    found = {"brightness": float(grey.mean()), "contrast": float(grey.std())}
    if min(grey.shape) > 2:
        inner = grey[1:-1, 1:-1]
        laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
        found["sharpness"] = float(laplacian.var())
    if len(planes) == len(COLOURS):
        found |= {name: float(plane.mean()) for name, plane in zip(COLOURS, planes, strict=True)}
    return found
