"""Masks where a trained model answers: each goes back to the size of its image, as a PNG. No torch."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework_core.serving import Postprocessing, Sample
from framework_plugins_vision.colours import mask_png
from framework_plugins_vision.serving import ImagePreprocessing, decoded

Array = np.ndarray[Any, Any]
Row = dict[str, Any]


class MaskPreprocessing(ImagePreprocessing):
    """Images as ``ImagePreprocessing`` prepares them, of which the size is kept for their masks."""

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """One image, ``(channels, height, width)`` of float32.

        Raises:
            DataError: It cannot be read.
        """
        pixels = decoded(content, self.channels, self.short_side)
        return [Sample(self.prepared(pixels), {"size": (pixels.shape[2], pixels.shape[1])})]

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """``mask``, a PNG of the size of the image as a ``data:`` address, and ``shares``."""
        return [
            {**row, "mask": _address(mask_png(row["mask"], sample.row["size"]))}
            for sample, row in zip(samples, said, strict=True)
        ]


class MaskAnswers(Postprocessing):
    """The class of each pixel, and the share of the pixels that each class has.

    Args:
        class_names: The name of each class.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)

    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """``mask`` and ``shares``."""
        return [
            {"mask": classes, "shares": dict(zip(self.class_names, self._shares(classes), strict=True))}
            for classes in outputs["probabilities"].argmax(axis=1).astype(np.uint8)
        ]

    def _shares(self, classes: Array) -> list[float]:
        counts = np.bincount(classes.ravel(), minlength=len(self.class_names))
        shares: list[float] = (counts / classes.size).tolist()
        return shares


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
