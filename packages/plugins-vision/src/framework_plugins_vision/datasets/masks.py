"""Masks on the disk: the class of every pixel of an image, and what is wrong with those that cannot be used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from framework_core import DataError
from framework_plugins_vision import reading

LEVELS = 256
UNKNOWN = -1


class Mask(NamedTuple):
    """What a mask is."""

    classes: frozenset[int]
    """The classes in it."""

    partial: bool
    """Whether there are pixels of no class."""

    digest: str
    """Of its content."""


class MaskReader:
    """Reads masks: PNG files, grey or with a palette.

    Args:
        values: The number that a pixel of each class has, in the order of the classes; nothing where it is that of the
            class.
        ignore_index: The number of pixels that belong to no class.
    """

    def __init__(self, values: Sequence[int] | None = None, ignore_index: int | None = 255) -> None:
        self.values = None if values is None else tuple(values)
        self.ignore_index = ignore_index
        """What pixels of no class become; nothing where there are none."""
        self._classes = torch.arange(LEVELS)
        if self.values is not None:
            if ignore_index in self.values:
                self.ignore_index = None
            elif ignore_index is not None and ignore_index < len(self.values):
                self.ignore_index = LEVELS - 1
            self._classes[:] = UNKNOWN
            if ignore_index is not None and self.ignore_index is not None:
                self._classes[ignore_index] = self.ignore_index
            self._classes[list(self.values)] = torch.arange(len(self.values))

    def __call__(self, path: Path | str) -> Tensor:
        """The class of each pixel, ``(height, width)`` of bytes.

        Raises:
            DataError: It cannot be read.
        """
        try:
            return self.decoded(Path(path).read_bytes())
        except reading.UNREADABLE as error:
            raise DataError(f"The mask {path} cannot be read: {reading.reason(error)}", paths=[path]) from error

    def decoded(self, content: bytes) -> Tensor:
        """That of a file's content.

        Raises:
            ValueError: It has colours or another depth, or a pixel is of no class (or as any of ``UNREADABLE``).
        """
        with Image.open(BytesIO(content)) as image:
            if image.mode not in ("L", "P", "1"):
                raise ValueError(f"it is {image.mode}, and not grey or with a palette")
            pixels = torch.from_numpy(np.array(image, dtype=np.uint8))
        if self.values is None:
            return pixels
        classes = self._classes[pixels.long()]
        if int(classes.min()) == UNKNOWN:
            raise ValueError(f"a pixel is {int(pixels[classes == UNKNOWN][0])}, which is not in dataset.mask_values")
        return classes.to(torch.uint8)

    def look(self, image: Path, mask: Path) -> Mask:
        """What the mask of an image is.

        Raises:
            ValueError: It cannot be used (or as any of ``UNREADABLE``).
        """
        content = mask.read_bytes()
        classes = self.decoded(content)
        size = _size_of(image)
        if size is not None and tuple(classes.shape) != size:
            raise ValueError(f"it is {classes.shape[1]}x{classes.shape[0]}, and its image {size[1]}x{size[0]}")
        found = frozenset(int(each) for each in torch.unique(classes).tolist())
        how = b"" if self.values is None else repr(self.values).encode()
        digest = hashlib.sha256(content + how).hexdigest()
        return Mask(found - {self.ignore_index}, self.ignore_index in found, digest)


def _size_of(image: Path) -> tuple[int, int] | None:
    """Height and width of an image that is upright; nothing where it cannot be read, which is told by its own check."""
    try:
        with reading.quiet(), Image.open(image) as opened:
            turned = opened.getexif().get(0x0112, 1) >= 5
            return (opened.width, opened.height) if turned else (opened.height, opened.width)
    except reading.UNREADABLE:
        return None


def check_masks(masks: Mapping[Path, Path], read: MaskReader) -> tuple[dict[Path, Mask], dict[Path, str]]:
    """Look at each mask beside its image.

    Args:
        masks: The mask of each image.
        read: How masks are read.

    Returns:
        What each is, and what is wrong with each that cannot be used; both by image.
    """
    usable: dict[Path, Mask] = {}
    wrong: dict[Path, str] = {}
    for path, place in masks.items():
        try:
            usable[path] = read.look(path, place)
        except reading.UNREADABLE as error:
            wrong[path] = reading.reason(error)
    return usable, wrong


def classes_in(masks: Iterable[Mask]) -> list[int]:
    """The classes that some masks have together, by their number."""
    found: set[int] = set()
    return sorted(found.union(*(mask.classes for mask in masks)))
