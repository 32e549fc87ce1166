"""CIFAR-10 and CIFAR-100, from the binary files of their authors: no pickle is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framework_core import DataError
from framework_plugins_vision.datasets.idx import ANEW
from framework_plugins_vision.datasets.published_images import PublishedImages
from framework_plugins_vision.published import FILES

SIDE = 32
PIXELS = 3 * SIDE * SIDE
SHIFT = 4
"""Pixels an image is moved by at most (He et al., https://arxiv.org/abs/1512.03385, section 4.2)."""


@dataclass(frozen=True)
class Edition:
    """How the files of one of the two sets are written."""

    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int
    """The labels before the pixels of an image; the last is the class."""

    mean: tuple[float, ...]
    """Of the training images, by channel, on a scale from 0 to 1."""

    std: tuple[float, ...]


EDITIONS = {
    10: Edition(
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test="test_batch.bin",
        names="batches.meta.txt",
        label_bytes=1,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
    ),
    100: Edition(
        train=("train.bin",),
        test="test.bin",
        names="fine_label_names.txt",
        label_bytes=2,
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
    ),
}


class Cifar(PublishedImages):
    """60,000 colour images of 32x32 pixels (Krizhevsky, https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf).

    The test images are the authors'; validation is taken from the 50,000 training images, by class and seed.

    Args:
        classes: 10 or 100.
        path: The folder with the unpacked binary files; empty fetches them into the user's cache, once.
        mirror: Another address to fetch the archive from, tried first: the folder that it is in.
        augmentation: ``standard`` moves training images by up to 4 pixels and mirrors half of them (He et al., section
            4.2), ``none`` leaves them.
        val_fraction: The share of the training images kept for validation.
        split_seed: Decides which images go where.
        **common: What every image dataset takes.
    """

    def __init__(
        self,
        classes: int = 10,
        path: str | None = None,
        mirror: str | None = None,
        augmentation: str = "standard",
        val_fraction: float = 0.1,
        split_seed: int = 0,
        **common: Any,
    ) -> None:
        self.edition = EDITIONS[classes]
        super().__init__(
            f"cifar{classes}",
            FILES[f"cifar{classes}"],
            side=SIDE,
            mean=self.edition.mean,
            std=self.edition.std,
            path=path,
            mirror=mirror,
            augmentation=augmentation,
            shift=SHIFT,
            mirrored=True,
            val_fraction=val_fraction,
            split_seed=split_seed,
            **common,
        )

    @property
    def folder(self) -> Path:
        """Where the binary files are: the archive's own folder, or what it was unpacked to."""
        inside = super().folder / self.files[0].folder
        return inside if self.path is None or inside.is_dir() else super().folder

    def read_train(self) -> tuple[Tensor, Tensor]:
        """The 50,000 images to learn from, and the names of their classes."""
        names = self.file_named(self.edition.names).read_text(encoding="utf-8").split("\n")
        self.class_names = tuple(name.strip() for name in names if name.strip())
        return self._read(self.edition.train)

    def read_test(self) -> tuple[Tensor, Tensor]:
        """The 10,000 images of the authors' test."""
        return self._read((self.edition.test,))

    def _read(self, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        """Images ``(count, 3, 32, 32)`` of bytes, and their classes."""
        before = self.edition.label_bytes
        records = []
        for name in names:
            path = self.file_named(name)
            content = np.fromfile(path, dtype=np.uint8)
            if len(content) == 0 or len(content) % (before + PIXELS):
                what = f"The file {path} is cut short: {len(content):,} bytes are no whole number of images."
                raise DataError(what, paths=[path], next_step=ANEW)
            self.digest.update(content.tobytes())
            records.append(content.reshape(-1, before + PIXELS))
        whole = np.concatenate(records)
        targets = torch.from_numpy(whole[:, before - 1].astype(np.int64))
        return torch.from_numpy(whole[:, before:].reshape(-1, 3, SIDE, SIDE)), targets
