"""The handwritten digits that come with scikit-learn: real data without a download."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from framework_core import DataSpec
from framework_core.contracts import Processing
from framework_plugins_vision.datamodule import BaseVisionDataModule
from framework_plugins_vision.datasets.images import ImagesInMemory
from framework_plugins_vision.serving import REQUIREMENTS, coarse
from framework_plugins_vision.splits import spread, stratified_split

SIDE = 8
LEVELS = 16
MEAN = 0.3053
"""Of all pixels of the set, on a scale from 0 to 1."""

STD = 0.3760


class Digits(BaseVisionDataModule):
    """1,797 grey images of 8x8 pixels, 10 classes (Alpaydin and Kaynak, https://doi.org/10.24432/C50P49).

    They are the test part of the original set, which has no split of its own; this one is by class and seed.

    Args:
        image_size: The side of the images, enlarged bilinearly.
        augmentation: ``standard`` shifts training images by up to a tenth of their side, ``none`` leaves them.
        val_fraction: The share kept for validation.
        test_fraction: The share kept for the test.
        split_seed: Decides which images go where.
        **common: What every image dataset takes: ``batch_size``, ``num_workers``, ``mixup`` ...
    """

    in_memory = True

    def __init__(
        self,
        image_size: int = 32,
        augmentation: str = "standard",
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.image_size = image_size
        self.augmentation = augmentation
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed
        self.eval_transform = self._from_file
        self._fingerprint = ""

    def setup(self, stage: str | None = None) -> None:
        """Split the images and make them tensors."""
        if self.train_dataset is not None:
            return
        pixels, labels = load_digits(return_X_y=True)
        self.class_names = tuple(str(digit) for digit in range(10))
        splits = stratified_split(
            labels.tolist(),
            val_fraction=self.val_fraction,
            test_fraction=self.test_fraction,
            seed=self.split_seed,
        )
        images = self._enlarged(torch.tensor(pixels / LEVELS, dtype=torch.float32).view(-1, 1, SIDE, SIDE))
        targets = torch.tensor(labels, dtype=torch.int64)
        for split, indices in splits.items():
            if indices:
                shift = round(self.image_size / 10) if split == "train" and self.augmentation == "standard" else 0
                chosen = ImagesInMemory(images[indices], targets[indices], shift=shift, fill=-MEAN / STD)
                setattr(self, f"{split}_dataset", chosen)
        content = [
            np.ascontiguousarray(pixels).tobytes(),
            labels.astype("int64").tobytes(),
            repr(splits).encode(),
        ]
        self._fingerprint = f"content:{hashlib.sha256(b''.join(content)).hexdigest()[:32]}"

    def fingerprint(self) -> str:
        """Of every pixel, every label and the split."""
        return self._fingerprint

    def source(self) -> str:
        """Where they came from."""
        return "sklearn.datasets.load_digits"

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """The same for a picture of a digit, without torch."""
        if self.image_size < SIDE:
            return None  # torch and PIL make images smaller in different ways
        settings = {"side": SIDE, "image_size": self.image_size, "mean": MEAN, "std": STD}
        builder = "framework_plugins_vision.serving:DigitPreprocessing"
        return Processing(builder=builder, settings=settings, requirements=REQUIREMENTS)

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Digits of the test as PNG files."""
        if not isinstance(self.test_dataset, ImagesInMemory):
            return ()
        images = self.test_dataset.images[spread(len(self.test_dataset), count)] * STD + MEAN
        small = functional.interpolate(images, size=(SIDE, SIDE), mode="area")
        found = []
        for number, image in enumerate((small[:, 0] * 255).round().clamp(0, 255).to(torch.uint8).numpy()):
            found.append(folder / f"digit-{number}.png")
            Image.fromarray(image).save(found[-1])
        return found

    def _enlarged(self, images: Tensor) -> Tensor:
        size = (self.image_size, self.image_size)
        return (functional.interpolate(images, size=size, mode="bilinear", align_corners=False) - MEAN) / STD

    def _from_file(self, image: Image.Image) -> Tensor:
        """A picture of a bright digit on a dark ground, made as coarse as the set's."""
        return self._enlarged(torch.from_numpy(coarse(image, SIDE)).view(1, 1, SIDE, SIDE))[0]
