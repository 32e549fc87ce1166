"""The dataset ``${module}_data``."""

from __future__ import annotations

import hashlib
import math
from typing import Any, ClassVar

import torch
from framework_core import BaseDataModule, DataSpec
from torch.utils.data import TensorDataset


class Data(BaseDataModule):
    """Points on three spirals that wind around one another, each spiral a class.

    Put data of your own in its place: read it in ``setup``, and say in ``data_spec`` what it turned out to be. A sample
    is a pair, an input and the number of its class.

    Args:
        samples: How many points there are.
        noise: How far they stray from their spiral.
        **kwargs: What every dataset takes: ``batch_size`` and ``num_workers``.
    """

    domain: ClassVar[str] = "$domain"
    tasks: ClassVar[tuple[str, ...]] = ("tabular-classification",)
    in_memory = True

    def __init__(self, samples: int = 1200, noise: float = 0.05, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.samples = samples
        self.noise = noise

    def setup(self, stage: str | None = None) -> None:
        """Make the points, and share them out: 70 % to learn from, 15 % to validate, 15 % to test."""
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(self.samples) % 3
        radius = torch.rand(self.samples, generator=generator)
        angle = 4 * radius + labels * (2 * math.pi / 3)
        points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
        points += self.noise * torch.randn(points.shape, generator=generator)
        first, second = int(self.samples * 0.7), int(self.samples * 0.85)
        self.sizes = {"train": first, "val": second - first, "test": self.samples - second}
        self.digest = hashlib.sha256(points.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()
        self.train_dataset = TensorDataset(points[:first], labels[:first])
        self.val_dataset = TensorDataset(points[first:second], labels[first:second])
        self.test_dataset = TensorDataset(points[second:], labels[second:])

    def data_spec(self) -> DataSpec:
        """What the data turned out to be: the model is built from it."""
        return DataSpec(
            task="tabular-classification",
            input_shape=(2,),
            class_names=("first", "second", "third"),
            split_sizes=self.sizes,
            fingerprint=f"content:{self.digest[:32]}",
            source="made by ${module}_data",
        )
