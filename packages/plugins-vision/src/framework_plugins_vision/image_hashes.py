"""What tells images apart: a digest of their content, and a perceptual hash that survives another encoding or size.

The perceptual hash is pHash (Zauner: Implementation and benchmarking of perceptual image hash functions, 2010, section
3.2.1): an image of 32 pixels a side, its discrete cosine transform, and of the lowest frequencies which are above their
median. 16 x 16 of them are taken in place of 8 x 8: with fewer, digits written by different people are the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from framework_core import DataError
from framework_core.base.datamodule import cores
from framework_core.contracts import SampleHash
from framework_plugins_vision import reading

SIDE = 32
"""The side of the image that is transformed."""

FREQUENCIES = 16
"""How many frequencies are looked at, up and across."""

CONTRAST = 1.0
"""The deviation, in levels of 255, below which an image shows nothing that it could be known by."""

PART = 32
"""Images that a thread takes at a time."""

TOGETHER = 1 << 20
"""Values of images that are made small together."""

_WAVES = torch.tensor(
    [[math.cos(math.pi * wave * (2 * place + 1) / (2 * SIDE)) for place in range(SIDE)] for wave in range(FREQUENCIES)]
)


@runtime_checkable
class Pictured(Protocol):
    """A dataset whose samples can be seen before anything random is done to them."""

    def picture(self, index: int) -> Picture:
        """The image of a sample."""
        ...


class Picture(NamedTuple):
    """An image before anything random is done to it."""

    name: str
    content: bytes
    """Of its file, or its pixels."""

    image: Tensor
    """Bytes, ``(channels, height, width)``."""


def file_picture(path: str) -> Picture:
    """That of an image file; a large JPEG is decoded no larger than the hash needs.

    Raises:
        OSError: It cannot be read (as any of ``UNREADABLE``).
    """
    content = Path(path).read_bytes()
    return Picture(path, content, torch.from_numpy(reading.pixels(content, 3, short_side=SIDE)))


def image_hashes(picture: Callable[[int], Picture], indices: Sequence[int]) -> list[SampleHash]:
    """The hashes of some images.

    Args:
        picture: Gives an image by its number; called from several threads. One that it cannot read is like no other.
        indices: The numbers.
    """
    parts = [indices[first : first + PART] for first in range(0, len(indices), PART)]
    with reading.quiet(), ThreadPoolExecutor(max_workers=min(8, cores())) as pool:
        made = list(pool.map(lambda part: _marks(picture, part), parts))
    alike = perceptual_hashes(torch.cat([images for _, images in made]))
    marks = [mark for part, _ in made for mark in part]
    return [SampleHash(name, exact, code) for (name, exact), code in zip(marks, alike, strict=True)]


def perceptual_hashes(images: Tensor) -> list[bytes]:
    """The perceptual hash of each grey image of 32 x 32; empty for one that shows nothing."""
    frequencies = (_WAVES @ images @ _WAVES.T).flatten(1)[:, 1:]
    bits = np.packbits((frequencies > frequencies.median(1, keepdim=True).values).numpy(), axis=1)
    plain = (images.flatten(1).std(1) < CONTRAST).tolist()
    return [b"" if flat else code.tobytes() for flat, code in zip(plain, bits, strict=True)]


def _marks(picture: Callable[[int], Picture], indices: Sequence[int]) -> tuple[list[tuple[str, bytes]], Tensor]:
    """The name and digest of each image, and all of them grey and small."""
    marks = []
    small: list[Tensor] = []
    waiting: list[Tensor] = []
    for index in indices:
        try:
            name, content, image = picture(index)
        except (*reading.UNREADABLE, DataError) as error:
            name, content, image = str(error), str(error).encode(), torch.zeros(1, SIDE, SIDE)
        marks.append((name, hashlib.sha256(content).digest()))
        if waiting and (image.shape != waiting[0].shape or len(waiting) * image.numel() > TOGETHER):
            small.append(_small(waiting))
            waiting = []
        waiting.append(image)
    return marks, torch.cat([*small, _small(waiting)])


def _small(images: Sequence[Tensor]) -> Tensor:
    """Images of one size, grey and small, on a scale to 255."""
    grey = torch.stack(list(images)).float().mean(1, keepdim=True) * (1.0 if images[0].dtype == torch.uint8 else 255.0)
    return functional.interpolate(grey, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)[:, 0]
