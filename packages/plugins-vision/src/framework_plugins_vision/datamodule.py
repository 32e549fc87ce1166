"""The base class of image datasets."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from framework_core import BaseDataModule, DataError, DataSpec
from framework_core.contracts import SampleHash
from framework_core.errors import ConfigError, ConfigProblem
from framework_plugins_vision.batch_augmentation import BatchAugmentation
from framework_plugins_vision.bytes_of_batches import BytesOfBatches, GivesBytes
from framework_plugins_vision.image_hashes import Pictured, image_hashes
from framework_plugins_vision.normalization import Normalization
from framework_plugins_vision.repeated_augmentation import RepeatedSampler
from framework_plugins_vision.transforms import SUFFIXES, Transform, read_image

MIXED_TASKS = ("image-classification", "multi-label-classification")
"""The tasks whose targets can be shares of classes."""

SAMPLED = 64
"""Samples from each end of a split that a fingerprint is made from where nothing better is known."""


class BaseVisionDataModule(BaseDataModule):
    """Images with a target each. ``setup`` sets ``train_dataset``, and ``val_dataset`` and ``test_dataset`` if any.

    A sample is a pair: an image tensor ``(channels, height, width)`` and a target. What the target is, ``task`` says:

    - ``image-classification``: the index of its class, ``int64``.
    - ``multi-label-classification``: ``(classes,)`` of ``float32``, 1 for each class that the image has, else 0.
    - ``regression``: ``(targets,)`` of ``float32``, in the order of ``target_names``.
    - ``semantic-segmentation``: ``(height, width)`` of ``int64``, the class of each pixel, or ``ignore_index``.

    Set ``class_names`` too, unless the dataset has ``classes`` as torchvision's have; and ``eval_transform`` to let a
    trained model predict image files.

    Args:
        batch_size: How many images make a batch.
        num_workers: How many processes load images.
        mixup: The alpha of mixup.
        cutmix: The alpha of cutmix.
        mix_prob: The share of training batches that are mixed.
        random_erasing: The share of training images from which a rectangle is erased.
        repeated_augmentation: How many times a training sample is taken in a row.
    """

    domain: ClassVar[str] = "vision"
    tasks: ClassVar[tuple[str, ...]] = ("image-classification",)
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    """The files that are taken from a folder to predict."""

    def __init__(
        self,
        *,
        batch_size: int = 64,
        num_workers: int | None = None,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        mix_prob: float = 1.0,
        random_erasing: float = 0.0,
        repeated_augmentation: int = 1,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers)
        self.augment = BatchAugmentation(mixup, cutmix, mix_prob, random_erasing)
        self.repeats = repeated_augmentation
        self.task = self.tasks[0]
        self.class_names: tuple[str, ...] = ()
        self.target_names: tuple[str, ...] = ()
        self.ignore_index: int | None = None
        self.eval_transform: Transform | None = None
        self.normalization: Normalization | None = None
        """Makes numbers of the bytes of datasets that can leave that to a GPU."""

    def data_spec(self) -> DataSpec:
        """What the data turned out to be, read off the datasets.

        Raises:
            DataError: There is no training data, or its classes are not known.
            ConfigError: Targets of this task cannot be mixed.
        """
        self._check_augmentation()
        train = self._split("train")
        image, target = train[0]
        if not isinstance(image, Tensor):
            raise DataError(
                f"{type(self).__name__} gives {type(image).__name__} for an image.",
                possible="An image is a tensor of shape (channels, height, width).",
                next_step="Give its datasets a transform that ends in a tensor.",
            )
        target = torch.as_tensor(target)
        names = () if self.task == "regression" else self._class_names(train)
        self.augment = replace(self.augment, num_classes=len(names))
        return DataSpec(
            task=self.task,
            input_shape=tuple(image.shape),
            input_dtype=str(image.dtype).removeprefix("torch."),
            class_names=names,
            target_names=self.target_names,
            target_shape=tuple(target.shape),
            target_dtype=str(target.dtype).removeprefix("torch."),
            ignore_index=self.ignore_index,
            split_sizes=self._split_sizes(),
            class_counts=self._class_counts(train),
            fingerprint=self.fingerprint(),
            source=self.source(),
        )

    def train_sampler(self, dataset: Dataset[Any]) -> Sampler[int] | None:
        """Each sample several times in a row, where that is asked for."""
        return RepeatedSampler(len(dataset), self.repeats) if self.repeats > 1 else None  # type: ignore[arg-type]

    def loader(self, dataset: Dataset[Any], **how: Any) -> DataLoader[Any]:
        """A loader; of bytes where a GPU takes the batches, as a quarter of the memory moves then."""
        if self.normalization is not None and isinstance(dataset, GivesBytes) and self._feeds_a_gpu():
            dataset = BytesOfBatches(dataset)
        return super().loader(dataset, **how)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Finish a batch on the device it is on by now.

        Bytes become numbers; training images are mixed and erased, and their targets become shares of classes.
        """
        if self.normalization is not None and _of_bytes(batch):
            batch = (self.normalization.of_bytes(batch[0]), *batch[1:])
        if not self.augment or self.trainer is None or not self.trainer.training:
            return batch
        return self.augment(*batch)

    def _feeds_a_gpu(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"

    def _check_augmentation(self) -> None:
        if self.task == "semantic-segmentation" and getattr(self, "auto_augment", None):
            message = "changes images alone, and a mask would no longer fit; crops and flips move both"
            raise ConfigError([ConfigProblem("dataset.auto_augment", message)])
        if self.augment.mixes and self.task not in MIXED_TASKS:
            name = "mixup" if self.augment.mixup else "cutmix"
            message = f"mixes classes, and {self.task} has none to mix; it is possible for {' and '.join(MIXED_TASKS)}"
            raise ConfigError([ConfigProblem(f"dataset.{name}", message)])

    def fingerprint(self) -> str:
        """A digest of the data. By default of the first and last samples of each split; a subclass may know better."""
        digest = hashlib.sha256()
        for split in self._split_sizes():
            dataset: Any = self._split(split)
            size = len(dataset)
            for index in sorted({*range(min(SAMPLED, size)), *range(max(0, size - SAMPLED), size)}):
                image, target = dataset[index]
                digest.update(f"{split} {index} {size} {torch.as_tensor(target).tolist()} ".encode())
                digest.update(image.numpy().tobytes())
        return f"samples:{digest.hexdigest()[:32]}"

    def sample_hashes(self, split: str, indices: Sequence[int]) -> Sequence[SampleHash]:
        """Of the image of each sample, where the dataset can show it as it was (``picture``)."""
        dataset = self._split(split)
        return image_hashes(dataset.picture, indices) if isinstance(dataset, Pictured) else ()

    def source(self) -> str:
        """Where the data came from, for people."""
        return type(self).__name__

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """Image files, prepared as the validation images were.

        Raises:
            DataError: ``eval_transform`` is not set.
        """
        if self.eval_transform is None:
            raise DataError(
                f"{type(self).__name__} does not say how an image file is prepared.",
                next_step="Set self.eval_transform in its __init__: from a PIL image to a tensor.",
            )
        return _Files(paths, data.channels, self.eval_transform)

    def _split_sizes(self) -> dict[str, int]:
        datasets = {"train": self.train_dataset, "val": self.val_dataset, "test": self.test_dataset}
        return {name: len(dataset) for name, dataset in datasets.items() if dataset is not None}  # type: ignore[arg-type]

    def _class_names(self, train: Any) -> tuple[str, ...]:
        names = self.class_names or tuple(str(name) for name in getattr(train, "classes", ()))
        if not names:
            raise DataError(
                f"{type(self).__name__} does not say which classes there are.",
                next_step="Set self.class_names in its setup, or give its train_dataset an attribute 'classes'.",
            )
        if len(names) < 2 and self.task != "multi-label-classification":
            raise DataError(
                f"{type(self).__name__} has one class only: {names[0]}.",
                possible="There is nothing to tell apart; two classes or more are needed.",
                next_step="Give it samples of another class.",
            )
        return names

    def _class_counts(self, train: Any) -> dict[str, int]:
        """Counted where the labels are at hand without reading an image."""
        labels = getattr(train, "targets", None)
        if labels is None or self.task != "image-classification":
            return {}
        names = self._class_names(train)
        counts = Counter(int(label) for label in labels)
        return {name: counts[index] for index, name in enumerate(names)}


def _of_bytes(batch: Any) -> bool:
    images = batch[0] if isinstance(batch, list | tuple) else None
    return isinstance(images, Tensor) and images.dtype == torch.uint8


class _Files(Dataset[Tensor]):
    """Image files without a class."""

    def __init__(self, paths: Sequence[Path], channels: int, transform: Transform) -> None:
        self.paths = list(paths)
        self.channels = channels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(read_image(self.paths[index], self.channels))
