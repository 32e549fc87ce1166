"""Your own images with a mask each: the class of every pixel."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from framework_core import BatchDataset, DataError
from framework_plugins_vision import reading
from framework_plugins_vision.datasets.class_list import class_list
from framework_plugins_vision.datasets.image_folder import images_in
from framework_plugins_vision.datasets.image_module import ImageFilesDataModule, Samples
from framework_plugins_vision.image_hashes import Picture, file_picture
from framework_plugins_vision.normalization import Normalization
from framework_plugins_vision.splits import random_split

SHOWN = 5
_log = logging.getLogger("framework_core")


class ImageMasks(ImageFilesDataModule):
    """Images in one folder and masks of the same names in another, or train, val and test folders of those two.

    A mask is a PNG of the size of its image, grey or with a palette: the number of a pixel is that of its class. A
    sample is an image ``(channels, height, width)`` and a mask ``(height, width)`` of ``int64``.

    Args:
        path: The folder.
        images: The folder of images in it.
        masks: The folder of masks in it.
        classes: The names of the classes, or a file with one a line; empty counts them in the masks.
        ignore_index: The number of pixels that belong to no class.
        val_fraction: The share kept for validation where there is no val folder.
        test_fraction: The share kept for the test where there is no test folder.
        split_seed: Decides which images go where.
        **prepared: How images are read and prepared, as ``ImageFilesDataModule`` takes it.
    """

    tasks: ClassVar[tuple[str, ...]] = ("semantic-segmentation",)

    def __init__(
        self,
        path: str,
        images: str = "images",
        masks: str = "masks",
        classes: Sequence[str] | str | None = None,
        ignore_index: int | None = 255,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        **prepared: Any,
    ) -> None:
        super().__init__(**prepared)
        self.reader.short_side = 0  # a pixel of the mask is a pixel of the image
        self.path = Path(path)
        self.images = images
        self.masks = masks
        self.classes = classes
        self.ignore_index = ignore_index
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed
        self._mask_of: dict[str, Path] = {}
        last = self.eval_transform.transforms[-1] if isinstance(self.eval_transform, v2.Compose) else None
        assert isinstance(last, Normalization)  # noqa: S101  # transforms.evaluation ends in one
        # What is measured is the whole picture, so none of it is cropped away.
        self._whole = self.eval_transform = v2.Compose([v2.Resize(self.size, antialias=True), last])

    def setup(self, stage: str | None = None) -> None:
        """Find images and masks, check both and split them.

        Raises:
            DataError: One is missing or cannot be read, a mask has another size, or a class that there is not.
        """
        if self.train_dataset is not None:
            return
        splits = self._found()
        paths = [path for found in splits.values() for path in found]
        usable, wrong = check_masks({path: self._mask_of[str(path)] for path in paths}, self.ignore_index)
        wrong |= self._beyond(usable)
        splits = {name: self._without(wrong, found) for name, found in splits.items()}
        self.class_names = self._named(usable)
        beside = {path: mask.digest for path, mask in usable.items()}
        self.use(self.path, {name: Samples(found, torch.empty(0)) for name, found in splits.items()}, beside=beside)

    def source(self) -> str:
        """The folder."""
        return str(self.path.resolve())

    def _dataset(self, split: str, paths: Sequence[Path], targets: Tensor) -> Dataset[Any]:
        transform = self.train_transform if split == "train" else self._whole
        masks = [self._mask_of[str(path)] for path in paths]
        return MaskedImages(paths, masks, self._read, transform, skip=self.on_error == "skip")

    def _found(self) -> dict[str, list[Path]]:
        """The images of each split; notes the mask of each."""
        if not self.path.is_dir():
            raise DataError(f"There is no folder {self.path}.", paths=[self.path])
        whole = not (self.path / "train").is_dir()
        places = {"train": self.path if whole else self.path / "train"}
        places |= {} if whole else {name: self.path / name for name in ("val", "test") if (self.path / name).is_dir()}
        found = {name: self._images_with_masks(place) for name, place in places.items()}
        kept = random_split(
            len(found["train"]),
            val_fraction=0.0 if "val" in found else self.val_fraction,
            test_fraction=0.0 if "test" in found else self.test_fraction,
            seed=self.split_seed,
        )
        train = found["train"]
        return {**{name: [train[index] for index in indices] for name, indices in kept.items()}, **_others(found)}

    def _images_with_masks(self, place: Path) -> list[Path]:
        folder, masks = place / self.images, place / self.masks
        for each, setting in ((folder, "images"), (masks, "masks")):
            if not each.is_dir():
                raise DataError(
                    f"There is no folder {each}.",
                    paths=[each],
                    possible=f"Images and masks lie in two folders of {place}.",
                    next_step=f"Name it with dataset.{setting}=FOLDER",
                )
        images = images_in(folder)
        if not images:
            raise DataError(f"There is no image in {folder}.", paths=[folder])
        there = {each.relative_to(masks).with_suffix(""): each for each in masks.rglob("*.png")}
        without = [each for each in images if each.relative_to(folder).with_suffix("") not in there]
        if without:
            raise DataError(
                f"{len(without):,} of {len(images):,} images in {folder} have no mask, {without[0].name} among them.",
                paths=without,
                possible=f"Its mask is {masks / without[0].relative_to(folder).with_suffix('.png')}",
            )
        for each in images:
            self._mask_of[str(each)] = there[each.relative_to(folder).with_suffix("")]
        return images

    def _beyond(self, usable: Mapping[Path, Mask]) -> dict[Path, str]:
        """The masks with a number that is beyond the classes that were named."""
        names = class_list(self.classes) if self.classes else ()
        return {
            path: f"a pixel is {mask.highest}, but there are {len(names)} classes"
            for path, mask in usable.items()
            if names and mask.highest >= len(names)
        }

    def _without(self, wrong: Mapping[Path, str], images: list[Path]) -> list[Path]:
        found = [path for path in images if path in wrong]
        if not found:
            return images
        self._left_out += len(found)
        shown = [f"{self._mask_of[str(path)]}: {wrong[path]}" for path in found[:SHOWN]]
        more = [f"... and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        count = "A mask" if len(found) == 1 else f"{len(found)} masks"
        text = "\n  ".join([f"{count} of {len(images):,} in {self.path} cannot be used:", *shown, *more])
        if self.on_error == "skip" and len(found) < len(images):
            _log.warning("%s\n  Left out, as dataset.on_error=skip says.", text)
            return [path for path in images if path not in wrong]
        raise DataError(
            text,
            paths=[self._mask_of[str(path)] for path in found],
            possible="A mask is a PNG of its image's size, grey or with a palette; a pixel is the number of its class.",
            next_step="Without them: dataset.on_error=skip",
        )

    def _named(self, usable: Mapping[Path, Mask]) -> tuple[str, ...]:
        if self.classes:
            return class_list(self.classes)
        return tuple(str(number) for number in range(max((mask.highest for mask in usable.values()), default=0) + 1))


def _others(found: Mapping[str, list[Path]]) -> dict[str, list[Path]]:
    return {name: images for name, images in found.items() if name != "train"}


class Mask(NamedTuple):
    """What a mask is."""

    highest: int
    """The highest class in it."""

    digest: str
    """Of its content."""


def read_mask(content: bytes) -> Tensor:
    """The numbers of a mask's pixels, ``(height, width)`` of bytes.

    Raises:
        ValueError: It has colours or another depth (or as any of ``UNREADABLE``).
    """
    with Image.open(BytesIO(content)) as image:
        if image.mode not in ("L", "P", "1"):
            raise ValueError(f"it is {image.mode}, and not grey or with a palette")
        return torch.from_numpy(np.array(image, dtype=np.uint8))


def check_masks(masks: Mapping[Path, Path], ignore_index: int | None) -> tuple[dict[Path, Mask], dict[Path, str]]:
    """Look at each mask beside its image.

    Args:
        masks: The mask of each image.
        ignore_index: The number of pixels that belong to no class.

    Returns:
        What each is, and what is wrong with each that cannot be used; both by image.
    """
    usable: dict[Path, Mask] = {}
    wrong: dict[Path, str] = {}
    for path, place in masks.items():
        try:
            content = place.read_bytes()
            mask = read_mask(content)
            with reading.quiet(), Image.open(path) as image:
                turned = image.getexif().get(0x0112, 1) >= 5
                size = (image.width, image.height) if turned else (image.height, image.width)
        except reading.UNREADABLE as error:
            wrong[path] = reading.reason(error)
            continue
        if tuple(mask.shape) != size:
            wrong[path] = f"it is {mask.shape[1]}x{mask.shape[0]}, and its image {size[1]}x{size[0]}"
            continue
        counted = mask if ignore_index is None else mask[mask != ignore_index]
        highest = int(counted.max()) if counted.numel() else 0
        usable[path] = Mask(highest, hashlib.sha256(content).hexdigest())
    return usable, wrong


class MaskedImages(BatchDataset):
    """Images with a mask each.

    Args:
        paths: The images.
        masks: Their masks.
        reader: From a path to bytes of pixels.
        transform: From both to what the model takes, both in the same way.
        skip: Whether a file that cannot be read is left out of its batch, with a warning; it is an error otherwise.
    """

    def __init__(
        self, paths: Sequence[Path], masks: Sequence[Path], reader: Any, transform: Any, *, skip: bool = False
    ) -> None:
        self.paths = [str(path) for path in paths]
        self.masks = [str(path) for path in masks]
        self.reader = reader
        self.transform = transform
        self.skip = skip

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The images of these indices and their masks.

        Raises:
            DataError: One cannot be read.
        """
        samples = [sample for index in indices.tolist() if (sample := self._sample(index)) is not None]
        if not samples:
            raise DataError(f"None of the {len(indices)} images of a batch can be read.")
        images, masks = zip(*samples, strict=True)
        return torch.stack(images), torch.stack(masks).to(torch.int64)

    def picture(self, index: int) -> Picture:
        """An image as it is in its file."""
        return file_picture(self.paths[index])

    def _sample(self, index: int) -> tuple[Tensor, Tensor] | None:
        try:
            image, mask = self.reader(self.paths[index]), self._mask(self.masks[index])
        except DataError as error:
            if not self.skip:
                raise
            _log.warning("left out: %s", error.what)
            return None
        image, mask = self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)

    def _mask(self, path: str) -> Tensor:
        try:
            return read_mask(Path(path).read_bytes())
        except reading.UNREADABLE as error:
            raise DataError(f"The mask {path} cannot be read: {reading.reason(error)}", paths=[path]) from error
