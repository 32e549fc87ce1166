"""CIFAR-10 and CIFAR-100, from the binary files of their authors: no pickle is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framework_core import DataError
from framework_core.cache import cache_folder
from framework_core.download import RemoteFile, download, mirrored, unpack
from framework_plugins_vision import transforms
from framework_plugins_vision.augmentation_policies import EachOfBatch, policy
from framework_plugins_vision.datamodule import BaseVisionDataModule
from framework_plugins_vision.datasets.images import ImagesInMemory
from framework_plugins_vision.splits import stratified_split

SIDE = 32
PIXELS = 3 * SIDE * SIDE
SHIFT = 4
"""Pixels an image is moved by at most (He et al., https://arxiv.org/abs/1512.03385, section 4.2)."""


@dataclass(frozen=True)
class Edition:
    """One of the two sets: where it is, and how its files are written."""

    remote: RemoteFile
    folder: str
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
        remote=RemoteFile(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"
        ),
        folder="cifar-10-batches-bin",
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test="test_batch.bin",
        names="batches.meta.txt",
        label_bytes=1,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
    ),
    100: Edition(
        remote=RemoteFile(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "md5:03b5dce01913d631647c71ecec9e9cb8"
        ),
        folder="cifar-100-binary",
        train=("train.bin",),
        test="test.bin",
        names="fine_label_names.txt",
        label_bytes=2,
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
    ),
}


class Cifar(BaseVisionDataModule):
    """60,000 colour images of 32x32 pixels (Krizhevsky, https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf).

    The test images are the authors'; validation is taken from the 50,000 training images, by class and seed.

    Args:
        classes: 10 or 100.
        path: The folder with the unpacked binary files; empty fetches them into the user's cache, once.
        mirror: Another address to fetch the archive from: the folder that it is in.
        augmentation: ``standard`` moves training images by up to 4 pixels and mirrors half of them (He et al., section
            4.2), ``none`` leaves them.
        val_fraction: The share of the training images kept for validation.
        split_seed: Decides which images go where.
        auto_augment: A policy beside the standard augmentation: ``randaugment`` or ``trivialaugment``.
        randaugment_magnitude: How strong the operations of RandAugment are, 0 to 10.
        randaugment_ops: How many of them an image has.
        randaugment_std: By how much their strength varies.
        **common: What every image dataset takes: ``batch_size``, ``num_workers``, ``mixup`` ...
    """

    in_memory = True

    def __init__(
        self,
        classes: int = 10,
        path: str | None = None,
        mirror: str | None = None,
        augmentation: str = "standard",
        val_fraction: float = 0.1,
        split_seed: int = 0,
        auto_augment: str | None = None,
        randaugment_magnitude: float = 9.0,
        randaugment_ops: int = 2,
        randaugment_std: float = 0.5,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self._policy = policy(auto_augment, magnitude=randaugment_magnitude, ops=randaugment_ops, std=randaugment_std)
        self.edition = EDITIONS[classes]
        self.path = path
        self.mirror = mirror
        self.augmentation = augmentation
        self.val_fraction = val_fraction
        self.split_seed = split_seed
        self.eval_transform = transforms.evaluation((SIDE, SIDE), 1.0, self.edition.mean, self.edition.std)
        self._digest = hashlib.sha256()

    @property
    def folder(self) -> Path:
        """Where the binary files are."""
        if self.path is None:
            return cache_folder() / "data" / self.edition.folder
        inside = Path(self.path) / self.edition.folder
        return inside if inside.is_dir() else Path(self.path)

    def prepare_data(self) -> None:
        """Fetch and unpack the files, unless they are there.

        Raises:
            DataError: They cannot be fetched.
        """
        if self.path is None and not self.folder.exists():
            remote = mirrored(self.edition.remote, self.mirror)
            unpack(download(remote, self.folder.parent / remote.name), self.folder)

    def setup(self, stage: str | None = None) -> None:
        """Read the images and split them.

        Raises:
            DataError: A file is missing or cut short.
        """
        if self.train_dataset is not None:
            return
        edition = self.edition
        names = self._file(edition.names).read_text(encoding="utf-8").split("\n")
        self.class_names = tuple(name.strip() for name in names if name.strip())
        images, targets = self._read(edition.train)
        splits = stratified_split(
            targets.tolist(), val_fraction=self.val_fraction, test_fraction=0.0, seed=self.split_seed
        )
        self._digest.update(repr(splits).encode())
        chosen, kept = torch.tensor(splits["train"]), torch.tensor(splits["val"], dtype=torch.int64)
        if self.augmentation == "standard":
            self.train_dataset = ImagesInMemory(
                images[chosen],
                targets[chosen],
                shift=SHIFT,
                mirror=True,
                policy=EachOfBatch(self._policy) if self._policy else None,
                finish=self._normalised,
            )
        else:
            self.train_dataset = ImagesInMemory(images[chosen], targets[chosen], finish=self._normalised)
        if len(kept):
            self.val_dataset = ImagesInMemory(images[kept], targets[kept], finish=self._normalised)
        self.test_dataset = ImagesInMemory(*self._read([edition.test]), finish=self._normalised)

    def fingerprint(self) -> str:
        """Of every pixel, every label and the split."""
        return f"content:{self._digest.hexdigest()[:32]}"

    def source(self) -> str:
        """Where they came from."""
        return self.edition.remote.url if self.path is None else self.path

    def _read(self, names: tuple[str, ...] | list[str]) -> tuple[Tensor, Tensor]:
        """Images ``(count, 3, 32, 32)`` of bytes, and their classes."""
        before = self.edition.label_bytes
        records = []
        for name in names:
            path = self._file(name)
            content = np.fromfile(path, dtype=np.uint8)
            if len(content) == 0 or len(content) % (before + PIXELS):
                raise DataError(f"The file {path} is cut short: {len(content):,} bytes are no whole number of images.")
            self._digest.update(content.tobytes())
            records.append(content.reshape(-1, before + PIXELS))
        whole = np.concatenate(records)
        targets = torch.from_numpy(whole[:, before - 1].astype(np.int64))
        if int(targets.max()) >= len(self.class_names):
            raise DataError(
                f"A label in {self.folder} is {int(targets.max())}, but {self.edition.names} names "
                f"{len(self.class_names)} classes."
            )
        return torch.from_numpy(whole[:, before:].reshape(-1, 3, SIDE, SIDE)), targets

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if path.is_file():
            return path
        raise DataError(
            f"There is no file {path}.",
            paths=[path],
            possible=f"The folder holds the files of {self.edition.remote.name}, unpacked.",
            next_step="Leave dataset.path out to fetch them, or name the folder that they are in.",
        )

    def _normalised(self, images: Tensor) -> Tensor:
        mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (self.edition.mean, self.edition.std))
        return (images.to(torch.float32) / 255 - mean) / std
