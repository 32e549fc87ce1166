"""What datasets of image files have in common: reading, checking, keeping and preparing them."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from framework_core import DataError, DataSpec
from framework_core.contracts import Processing
from framework_plugins_vision import transforms
from framework_plugins_vision.augmentation_policies import policy
from framework_plugins_vision.datamodule import BaseVisionDataModule
from framework_plugins_vision.datasets.image_files import ImageFiles, ImageReader, UnlabelledImages
from framework_plugins_vision.datasets.kept_images import LIMIT, KeptImages, decoded_size
from framework_plugins_vision.image_check import check_images
from framework_plugins_vision.normalization import Normalization
from framework_plugins_vision.serving import image_preprocessing
from framework_plugins_vision.splits import spread

SIDE, CROP_PCT = 224, 0.875
"""The side of images, and the share of it that the centre crop keeps, where nobody says them."""

SHOWN = 5
"""How many unreadable images a message names."""

SMALL = 64 * 64
"""Pixels up to which an image that is kept in memory is prepared faster than a worker hands it over."""

_log = logging.getLogger("framework_core")


class Samples(NamedTuple):
    """The files of a split and their targets."""

    paths: list[Path]
    targets: Tensor
    """One for each file; empty where they lie in files of their own."""


class ImageFilesDataModule(BaseVisionDataModule):
    """Image files. A subclass finds them in its ``setup`` and hands them to ``use``.

    Args:
        image_size: The size images are brought to: a side, or height and width; empty is 224.
        channels: 1 for grey, 3 for colour.
        augmentation: ``standard`` crops and mirrors training images at random, ``none`` leaves them.
        min_crop: The smallest share of an image that a random crop keeps.
        flip: Whether the standard augmentation mirrors half of the images.
        crop_pct: The share of the side that the centre crop of validation keeps; empty is 0.875.
        interpolation: How images are resized; empty is bilinear.
        mean: Subtracted from each channel, whose values run from 0 to 1; empty is ImageNet's.
        std: What each channel is divided by; empty is ImageNet's.
        auto_augment: A policy beside the standard augmentation: ``randaugment`` or ``trivialaugment``.
        randaugment_magnitude: How strong the operations of RandAugment are, 0 to 10.
        randaugment_ops: How many of them an image has.
        randaugment_std: By how much their strength varies.
        verify: ``full`` decodes every image once, ``quick`` looks at its beginning and end, ``none`` at its size only.
        on_error: What is done with an image that cannot be read: ``refuse`` or ``skip``.
        decode: ``fast`` decodes JPEG files of training in less time, ``exact`` as those of validation.
        cache: ``memory`` keeps decoded images, ``none`` does not, ``auto`` where they take 256 MB at most.
        **common: What every image dataset takes: ``batch_size``, ``num_workers``, ``mixup`` ...
    """

    def __init__(
        self,
        *,
        image_size: int | tuple[int, int] | None = None,
        channels: int = 3,
        augmentation: str = "standard",
        min_crop: float = 0.35,
        flip: bool = True,
        crop_pct: float | None = None,
        interpolation: str | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        auto_augment: str | None = None,
        randaugment_magnitude: float = 9.0,
        randaugment_ops: int = 2,
        randaugment_std: float = 0.5,
        verify: str = "full",
        on_error: str = "refuse",
        decode: str = "fast",
        cache: str = "auto",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.channels = channels
        self.auto_augment = auto_augment
        self.verify = verify
        self.on_error = on_error
        self.decode = decode
        self.cache = cache
        image_size, crop_pct = image_size or SIDE, crop_pct or CROP_PCT
        size = (image_size, image_size) if isinstance(image_size, int) else (image_size[0], image_size[1])
        self.size = size
        mean, std = _for_channels(mean or transforms.MEAN, channels), _for_channels(std or transforms.STD, channels)
        self.normalization = Normalization(mean, std)
        smooth = interpolation or "bilinear"
        self._prepared = {"crop_pct": crop_pct, "mean": mean, "std": std, "interpolation": smooth}
        self.eval_transform = transforms.evaluation(size, crop_pct, mean, std, smooth)
        chosen = policy(auto_augment, magnitude=randaugment_magnitude, ops=randaugment_ops, std=randaugment_std)
        self.train_transform = self.eval_transform
        if augmentation == "standard":
            self.train_transform = transforms.training(
                size, min_crop, flip=flip, mean=mean, std=std, interpolation=smooth, policy=chosen
            )
        needed = max(size) / min(crop_pct, math.sqrt(min_crop) if augmentation == "standard" else 1.0)
        self.reader = ImageReader(channels, short_side=math.ceil(needed))
        self._read: Any = self.reader
        self.listed = ""
        self._fingerprint = ""
        self._left_out = 0

    repair = "Repair them, or move them out of the folder."
    """What to do about images that cannot be read."""

    def where(self, path: Path) -> str:
        """An image, for people."""
        return str(path)

    def use(self, root: Path, splits: Mapping[str, Samples], *, beside: Mapping[Path, str] | None = None) -> None:
        """Check the images of each split, and make datasets of them.

        Args:
            root: The folder that they are in.
            splits: ``train``, ``val`` and ``test``, as far as there are such.
            beside: Digests of what belongs to an image beside its target, for the fingerprint.

        Raises:
            DataError: Images cannot be read, and are not to be skipped.
        """
        self.listed = self.listed or f"in {root}"
        splits = {name: samples for name, samples in splits.items() if samples.paths}
        digests = self._checked(root, [path for samples in splits.values() for path in samples.paths])
        splits = {name: _only(samples, digests) for name, samples in splits.items()}
        self._read = self._kept([str(path) for samples in splits.values() for path in samples.paths])
        lines = []
        for split, (paths, targets) in splits.items():
            setattr(self, f"{split}_dataset", self._dataset(split, paths, targets))
            lines += [f"{split} {_relative(path, root)} {digests[path]} {(beside or {}).get(path)}" for path in paths]
            lines.append(hashlib.sha256(targets.numpy().tobytes()).hexdigest())
        method = "content" if self.verify == "full" else "listing"
        self._fingerprint = f"{method}:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:32]}"

    def data_spec(self) -> DataSpec:
        """What the data turned out to be, with the number of images that were left out."""
        spec = super().data_spec()
        return (
            spec.model_copy(update={"facts": {**spec.facts, "unreadable": self._left_out}}) if self._left_out else spec
        )

    def fingerprint(self) -> str:
        """Of every file, its target and its split."""
        return self._fingerprint

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """Image files, read and prepared as those of validation were."""
        reader = ImageReader(data.channels, self.reader.short_side)
        return UnlabelledImages(paths, reader, self.eval_transform or self.train_transform)

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """Reading and the validation's transform, without torch."""
        prepared: Any = self._prepared
        return image_preprocessing(
            channels=data.channels, size=self.size, short_side=self.reader.short_side, **prepared
        )

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Files of the test, spread over it."""
        dataset = self.test_dataset or self.val_dataset or self.train_dataset
        if not isinstance(dataset, ImageFiles):
            return ()
        return [Path(dataset.paths[index]) for index in spread(len(dataset), count)]

    def loading(self) -> str:
        """How images are loaded, and whether they are kept."""
        kept = ", decoded images kept in memory (dataset.cache)" if isinstance(self._read, KeptImages) else ""
        return f"{super().loading()}{kept}"

    def loader(self, dataset: Dataset[Any], **how: Any) -> DataLoader[Any]:
        """A loader, whose processes share what is kept in memory."""
        if isinstance(self._read, KeptImages) and isinstance(dataset, ImageFiles) and self._workers():
            self._read.fill(dataset.paths)
        return super().loader(dataset, **how)

    def _dataset(self, split: str, paths: Sequence[Path], targets: Tensor) -> Dataset[Any]:
        transform = self.train_transform if split == "train" else self.eval_transform
        assert transform is not None  # noqa: S101  # set in __init__
        return ImageFiles(paths, targets, self._reading(split), transform, skip=self.on_error == "skip")

    def _reading(self, split: str) -> Any:
        """What reads the images of a split: those of training quickly, if each is decoded in every epoch."""
        return self._reader_of(split) if self._read is self.reader else self._read

    def _reader_of(self, split: str) -> ImageReader:
        is_quick = split == "train" and self.decode == "fast"
        return ImageReader(self.reader.channels, self.reader.short_side, quick=is_quick)

    def _kept(self, paths: list[str]) -> Any:
        """The reader, with a memory where that is wanted or takes little."""
        small = self.cache == "auto" and decoded_size(paths, self.reader) <= LIMIT
        if not small and self.cache != "memory":
            return self.reader
        self.in_memory = math.prod(self.size) <= SMALL
        return KeptImages(self.reader)

    def _checked(self, root: Path, paths: list[Path]) -> dict[Path, str]:
        """A digest of each readable image."""
        digests, unreadable = check_images(root, paths, verify=self.verify)
        if unreadable:
            self._left_out += len(unreadable)
            shown = [f"{self.where(path)}: {why}" for path, why in list(unreadable.items())[:SHOWN]]
            more = [f"... and {len(unreadable) - SHOWN} more"] if len(unreadable) > SHOWN else []
            count = "An image" if len(unreadable) == 1 else f"{len(unreadable)} images"
            found = "\n  ".join([f"{count} of {len(paths):,} {self.listed} cannot be read:", *shown, *more])
            if self.on_error == "skip" and digests:
                _log.warning("%s\n  Left out, as dataset.on_error=skip says.", found)
                return digests
            raise DataError(
                found,
                paths=list(unreadable),
                possible="Without them: dataset.on_error=skip" if digests else "",
                next_step=self.repair,
            )
        return digests


def _only(samples: Samples, digests: Mapping[Path, str]) -> Samples:
    """Those samples whose image can be read."""
    kept = [index for index, path in enumerate(samples.paths) if path in digests]
    if len(kept) == len(samples.paths):
        return samples
    targets = samples.targets[torch.tensor(kept, dtype=torch.int64)] if len(samples.targets) else samples.targets
    return Samples([samples.paths[index] for index in kept], targets)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _for_channels(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """One value a channel; grey images take the mean of what was given for colours."""
    if len(values) == channels:
        return tuple(values)
    return (sum(values) / len(values),) * channels
