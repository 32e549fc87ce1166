"""Your own images: a folder for each class."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from framework_core.errors import DataError, near_names
from framework_plugins_vision import transforms
from framework_plugins_vision.augmentation_policies import policy
from framework_plugins_vision.datamodule import BaseVisionDataModule
from framework_plugins_vision.image_check import check_images
from framework_plugins_vision.splits import stratified_split

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
SIZE = 224
"""The side of images where nobody says it."""

SHOWN = 5
"""How many unreadable images an error names."""

_log = logging.getLogger("framework_core")
Sample = tuple[Path, int]


class ImageFolder(BaseVisionDataModule):
    """Images in a folder for each class, or in train, val and test folders of those.

    Args:
        path: The folder.
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
        val_fraction: The share kept for validation where there is no val folder.
        test_fraction: The share kept for the test where there is no test folder.
        split_seed: Decides which images go where.
        verify: ``full`` decodes every image once, ``quick`` looks at its beginning and end only.
        **common: What every image dataset takes: ``batch_size``, ``num_workers``, ``mixup`` ...
    """

    def __init__(
        self,
        path: str,
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
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        verify: str = "full",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.path = Path(path)
        self.channels = channels
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed
        self.verify = verify
        image_size = image_size or SIZE
        size = (image_size, image_size) if isinstance(image_size, int) else (image_size[0], image_size[1])
        mean, std = _for_channels(mean or transforms.MEAN, channels), _for_channels(std or transforms.STD, channels)
        interpolation = interpolation or "bilinear"
        self.eval_transform = transforms.evaluation(size, crop_pct or 0.875, mean, std, interpolation)
        chosen = policy(auto_augment, magnitude=randaugment_magnitude, ops=randaugment_ops, std=randaugment_std)
        self.train_transform = self.eval_transform
        if augmentation == "standard":
            self.train_transform = transforms.training(
                size, min_crop, flip=flip, mean=mean, std=std, interpolation=interpolation, policy=chosen
            )
        self._fingerprint = ""

    def setup(self, stage: str | None = None) -> None:
        """Find the images, check them and split them.

        Raises:
            DataError: There are no images, a class has none, there is one class only, or images cannot be read.
        """
        if self.train_dataset is not None:
            return
        self.class_names, splits = find_images(
            self.path, val_fraction=self.val_fraction, test_fraction=self.test_fraction, seed=self.split_seed
        )
        digests = self._check([path for samples in splits.values() for path, _ in samples])
        for split, samples in splits.items():
            if samples:
                transform = self.train_transform if split == "train" else self.eval_transform
                setattr(self, f"{split}_dataset", _Images(samples, self.channels, transform))
        lines = [
            f"{split} {path.relative_to(self.path).as_posix()} {digests[path]}"
            for split, samples in splits.items()
            for path, _ in samples
        ]
        method = "content" if self.verify == "full" else "listing"
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        self._fingerprint = f"{method}:{digest[:32]}"

    def fingerprint(self) -> str:
        """Of every file, its class and its split."""
        return self._fingerprint

    def source(self) -> str:
        """The folder."""
        return str(self.path.resolve())

    def _check(self, paths: list[Path]) -> dict[Path, str]:
        digests, unreadable = check_images(self.path, paths, full=self.verify == "full")
        if unreadable:
            shown = [f"{path}: {why}" for path, why in list(unreadable.items())[:SHOWN]]
            more = [f"... and {len(unreadable) - SHOWN} more"] if len(unreadable) > SHOWN else []
            count = "An image" if len(unreadable) == 1 else f"{len(unreadable)} images"
            raise DataError(
                "\n  ".join([f"{count} of {len(paths):,} in {self.path} cannot be read:", *shown, *more]),
                paths=list(unreadable),
                next_step="Repair them, or move them out of the folder.",
            )
        return digests


def find_images(
    folder: Path, *, val_fraction: float, test_fraction: float, seed: int
) -> tuple[tuple[str, ...], dict[str, list[Sample]]]:
    """The classes, and each split's images with the index of their class.

    Raises:
        DataError: There are none, a class has none, or there is one class only.
    """
    if not folder.is_dir():
        raise _no_folder(folder)
    named = {
        split: next((folder / n for n in names if (folder / n).is_dir()), None)
        for split, names in SPLIT_FOLDERS.items()
    }
    train = named["train"]
    classes = _classes(train or folder)
    names = tuple(classes)
    labelled = [(path, index) for index, name in enumerate(names) for path in classes[name]]
    split = stratified_split(
        [label for _, label in labelled],
        val_fraction=0 if named["val"] else val_fraction,
        test_fraction=0 if named["test"] else test_fraction,
        seed=seed,
    )
    found = {name: [labelled[index] for index in indices] for name, indices in split.items()}
    for name in ("val", "test"):
        place = named[name]
        if train is not None and place is not None:
            found[name] = _labelled(place, names)
    return names, found


def _classes(folder: Path) -> dict[str, list[Path]]:
    folders = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    classes = {each.name: _images(each) for each in folders}
    if not any(classes.values()):
        raise _no_images(folder, folders)
    empty = [name for name, images in classes.items() if not images]
    if empty:
        listed = ", ".join(str(folder / name) for name in empty)
        count = "The class folder" if len(empty) == 1 else f"{len(empty)} class folders"
        verb = "holds" if len(empty) == 1 else "hold"
        raise DataError(
            f"{count} {listed} {verb} no image.",
            paths=[folder / name for name in empty],
            possible=f"Image files end in {', '.join(transforms.SUFFIXES)}.",
            next_step="Put images in, or remove the folder.",
        )
    if len(classes) == 1:
        raise DataError(
            f"{folder} holds one class only: {next(iter(classes))}.",
            paths=[folder],
            possible="There is nothing to tell apart; a folder for each of two classes or more is needed.",
        )
    return classes


def _labelled(folder: Path, names: Sequence[str]) -> list[Sample]:
    """The images of a val or test folder, whose classes are those of training."""
    folders = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    unknown = [each for each in folders if each.name not in names]
    if unknown:
        raise DataError(
            f"{folder} holds classes that training does not have: {', '.join(each.name for each in unknown)}.",
            paths=unknown,
            possible=f"Classes of training: {', '.join(names)}.",
        )
    found = [(path, names.index(each.name)) for each in folders for path in _images(each)]
    if not found:
        raise _no_images(folder, folders)
    return found


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in transforms.SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _no_folder(folder: Path) -> DataError:
    beside = [] if folder.exists() or not folder.parent.is_dir() else folder.parent.iterdir()
    near = near_names(folder.name, [each.name for each in beside if each.is_dir()])
    what = f"{folder} is a file, not a folder." if folder.exists() else f"There is no folder {folder}."
    possible = f"Near it: {', '.join(str(folder.parent / name) for name in near)}." if near else ""
    return DataError(what, paths=[folder], possible=possible, next_step="Name it with dataset.path=FOLDER")


def _no_images(folder: Path, folders: Sequence[Path]) -> DataError:
    beside = _images(folder)
    if beside and not folders:
        return DataError(
            f"{folder} holds {len(beside):,} images and no class folders.",
            paths=[folder],
            possible=f"The folder an image is in names its class: {folder}/CLASS/{beside[0].name}",
        )
    return DataError(
        f"There is no image in {folder}.",
        paths=[folder],
        possible=f"Image files end in {', '.join(transforms.SUFFIXES)}.",
        next_step="Name another folder with dataset.path=FOLDER",
    )


def _for_channels(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """One value a channel; grey images take the mean of what was given for colours."""
    if len(values) == channels:
        return tuple(values)
    return (sum(values) / len(values),) * channels


class _Images(Dataset[tuple[Tensor, int]]):
    """Image files with a class each."""

    def __init__(self, samples: Sequence[Sample], channels: int, transform: Any) -> None:
        self.paths = [str(path) for path, _ in samples]
        self.targets = [label for _, label in samples]
        self.channels = channels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = transforms.read_image(Path(self.paths[index]), self.channels)
        return self.transform(image), self.targets[index]
