"""MNIST and Fashion-MNIST, from the IDX files of their authors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from framework_core import DataError
from framework_plugins_vision.datasets.idx import ANEW, read_idx
from framework_plugins_vision.datasets.published_images import PublishedImages
from framework_plugins_vision.published import FILES

SIDE = 28
SHIFT = 2
"""Pixels an image is moved by at most."""

CLASSES = {
    "mnist": tuple(str(digit) for digit in range(10)),
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}
STATISTICS = {"mnist": (0.1307, 0.3081), "fashion_mnist": (0.2860, 0.3530)}
"""Mean and deviation of the training images, on a scale from 0 to 1."""


class Mnist(PublishedImages):
    """70,000 grey images of 28x28 pixels in 10 classes, 10,000 of them the authors' test.

    Args:
        edition: ``mnist`` (LeCun et al., http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf) or ``fashion_mnist``
            (Xiao et al., https://arxiv.org/abs/1708.07747).
        path: The folder with the IDX files, gzip'd or not; empty fetches them into the user's cache, once.
        mirror: Another address to fetch the files from, tried first: the folder that they are in.
        augmentation: ``standard`` moves training images by up to 2 pixels, and mirrors half of the clothes; ``none``
            leaves them.
        val_fraction: The share of the 60,000 training images kept for validation.
        split_seed: Decides which images go where.
        **common: What every image dataset takes.
    """

    def __init__(
        self,
        edition: str = "mnist",
        path: str | None = None,
        mirror: str | None = None,
        augmentation: str = "standard",
        val_fraction: float = 0.1,
        split_seed: int = 0,
        **common: Any,
    ) -> None:
        mean, std = STATISTICS[edition]
        super().__init__(
            edition,
            FILES[edition],
            side=SIDE,
            mean=(mean,),
            std=(std,),
            path=path,
            mirror=mirror,
            augmentation=augmentation,
            shift=SHIFT,
            mirrored=edition == "fashion_mnist",
            val_fraction=val_fraction,
            split_seed=split_seed,
            **common,
        )

    def read_train(self) -> tuple[Tensor, Tensor]:
        """The 60,000 images to learn from."""
        self.class_names = CLASSES[self.dataset_name]
        return self._read("train")

    def read_test(self) -> tuple[Tensor, Tensor]:
        """The 10,000 images of the authors' test."""
        return self._read("t10k")

    def _read(self, part: str) -> tuple[Tensor, Tensor]:
        found = []
        for kind, dimensions in (("images-idx3", 3), ("labels-idx1", 1)):
            path = self.file_named(*(f"{part}-{name}" for name in (f"{kind}-ubyte.gz", f"{kind}-ubyte")))
            array = read_idx(path)
            if array.ndim != dimensions or (dimensions == 3 and array.shape[1:] != (SIDE, SIDE)):
                wanted = f"images of {SIDE}x{SIDE}" if dimensions == 3 else "one label an image"
                held = "x".join(map(str, array.shape))
                raise DataError(f"The file {path} holds {held} bytes, not {wanted}.", paths=[path], next_step=ANEW)
            self.digest.update(array.tobytes())
            found.append(torch.from_numpy(array.copy()))
        images, labels = found
        return images[:, None], labels.to(torch.int64)
