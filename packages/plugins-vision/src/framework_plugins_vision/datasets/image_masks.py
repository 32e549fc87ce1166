"""Your own images with a mask each: the class of every pixel."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from framework_core import BatchDataset, DataError, DataSpec, seed_sample
from framework_core.contracts import Processing
from framework_plugins_vision.datasets.class_list import class_list
from framework_plugins_vision.datasets.image_folder import images_in, no_folder
from framework_plugins_vision.datasets.image_module import ImageFilesDataModule, Samples
from framework_plugins_vision.datasets.masks import Mask, MaskReader, check_masks, classes_in
from framework_plugins_vision.image_hashes import Picture, file_picture
from framework_plugins_vision.normalization import Normalization
from framework_plugins_vision.serving import REQUIREMENTS
from framework_plugins_vision.splits import random_split, spread

SHOWN, SHOWN_CLASSES = 5, 12
"""How many masks and classes a message names."""

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
        mask_values: The number that a pixel of each class has, in the order of the classes; empty is that of the class.
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
        mask_values: Sequence[int] | None = None,
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
        self.read_mask = MaskReader(mask_values, ignore_index)
        self.ignore_index = self.read_mask.ignore_index
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed
        self._mask_of: dict[str, Path] = {}
        last = self.eval_transform.transforms[-1] if isinstance(self.eval_transform, v2.Compose) else None
        assert isinstance(last, Normalization)  # noqa: S101  # transforms.evaluation ends in one
        self._normalization = last
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
        usable, wrong = check_masks({path: self._mask_of[str(path)] for path in paths}, self.read_mask)
        self.class_names = self._named(usable)
        wrong |= self._beyond(usable)
        if wrong:
            self._refuse_or_warn(wrong, len(paths))
            splits = {name: [path for path in found if path not in wrong] for name, found in splits.items()}
        self._check_classes([usable[path] for path in splits["train"]])
        beside = {path: mask.digest for path, mask in usable.items()}
        self.use(self.path, {name: Samples(found, torch.empty(0)) for name, found in splits.items()}, beside=beside)

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """Reading and the validation's transform, without torch."""
        settings = {
            "channels": data.channels,
            "resize": list(self.size),
            "crop": list(self.size),
            "interpolation": "bilinear",
            "mean": list(self._normalization.mean),
            "std": list(self._normalization.std),
        }
        builder = "framework_plugins_vision.serving_masks:MaskPreprocessing"
        return Processing(builder=builder, settings=settings, requirements=REQUIREMENTS)

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Images of the test, spread over it."""
        dataset = self.test_dataset or self.val_dataset or self.train_dataset
        if not isinstance(dataset, MaskedImages):
            return ()
        return [Path(dataset.paths[index]) for index in spread(len(dataset), count)]

    def source(self) -> str:
        """The folder."""
        return str(self.path.resolve())

    def _dataset(self, split: str, paths: Sequence[Path], targets: Tensor) -> Dataset[Any]:
        transform = self.train_transform if split == "train" else self._whole
        masks = [self._mask_of[str(path)] for path in paths]
        return MaskedImages(paths, masks, self._reading(split), self.read_mask, transform, skip=self.on_error == "skip")

    def _found(self) -> dict[str, list[Path]]:
        """The images of each split; notes the mask of each."""
        if not self.path.is_dir():
            raise no_folder(self.path)
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
            what = f"There is no image in {folder}."
            raise DataError(what, paths=[folder], next_step="Name another folder with dataset.images=FOLDER")
        there = {each.relative_to(masks).with_suffix(""): each for each in masks.rglob("*.png")}
        without = [each for each in images if each.relative_to(folder).with_suffix("") not in there]
        if without:
            raise DataError(
                f"{len(without):,} of {len(images):,} images in {folder} have no mask, {without[0].name} among them.",
                paths=without,
                possible=f"Its mask is {masks / without[0].relative_to(folder).with_suffix('.png')}",
                next_step="Add it, or move the image out; another folder of masks: dataset.masks=FOLDER",
            )
        for each in images:
            self._mask_of[str(each)] = there[each.relative_to(folder).with_suffix("")]
        return images

    def _named(self, usable: Mapping[Path, Mask]) -> tuple[str, ...]:
        values = self.read_mask.values
        if not self.classes:
            highest = classes_in(usable.values())[-1:] or [0]
            return tuple(str(each) for each in values or range(highest[0] + 1))
        names = class_list(self.classes)
        if values and len(values) != len(names):
            raise DataError(
                f"dataset.mask_values has {len(values)} numbers, and dataset.classes {len(names)} names.",
                next_step="Give one number for each class: dataset.mask_values=[0,255]",
            )
        return names

    def _beyond(self, usable: Mapping[Path, Mask]) -> dict[Path, str]:
        """The masks with a number that is beyond the classes that were named."""
        count = len(self.class_names)
        return {
            path: f"a pixel is {max(mask.classes)}, but there are {count} classes (or dataset.mask_values)"
            for path, mask in usable.items()
            if max(mask.classes, default=0) >= count
        }

    def _refuse_or_warn(self, wrong: Mapping[Path, str], count: int) -> None:
        shown = [f"{self._mask_of[str(path)]}: {why}" for path, why in list(wrong.items())[:SHOWN]]
        more = [f"... and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
        number = "A mask" if len(wrong) == 1 else f"{len(wrong)} masks"
        text = "\n  ".join([f"{number} of {count:,} in {self.path} cannot be used:", *shown, *more])
        if self.on_error == "skip" and len(wrong) < count:
            self._left_out += len(wrong)
            _log.warning("%s\n  Left out, as dataset.on_error=skip says.", text)
            return
        raise DataError(
            text,
            paths=[self._mask_of[str(path)] for path in wrong],
            possible="A mask is a PNG of its image's size, grey or with a palette; a pixel is the number of its class.",
            next_step="Without them: dataset.on_error=skip",
        )

    def _check_classes(self, masks: Sequence[Mask]) -> None:
        """See that there is something to tell apart; say which classes have no pixel, where they were counted."""
        found = classes_in(masks)
        none = self.ignore_index if any(mask.partial for mask in masks) else None
        if len(found) < 2:
            raise DataError(
                f"The masks of training hold one class only: {self.class_names[found[0]] if found else 'none'}.",
                paths=[self.path],
                possible="" if none is None else f"Pixels of {none} are of no class (dataset.ignore_index).",
                next_step=f"Where a class has another number than its own: dataset.mask_values={_list([*found, none])}",
            )
        without = [name for index, name in enumerate(self.class_names) if index not in found]
        if without and not self.classes:
            text = "no mask of training has %s of %d classes. Where numbers stand for classes: dataset.mask_values=%s"
            _log.warning(text, _list(without), len(self.class_names), _list(self._value(each) for each in found))

    def _value(self, number: int) -> int:
        return self.read_mask.values[number] if self.read_mask.values else number


def _list(values: Iterable[object]) -> str:
    shown = [str(value) for value in values if value is not None]
    return f"[{','.join([*shown[:SHOWN_CLASSES], *(['...'] if len(shown) > SHOWN_CLASSES else [])])}]"


def _others(found: Mapping[str, list[Path]]) -> dict[str, list[Path]]:
    return {name: images for name, images in found.items() if name != "train"}


class MaskedImages(BatchDataset):
    """Images with a mask each.

    Args:
        paths: The images.
        masks: Their masks.
        reader: From a path to bytes of pixels.
        read_mask: From a path to the class of each pixel.
        transform: From both to what the model takes, both in the same way.
        skip: Whether a file that cannot be read is left out of its batch, with a warning; it is an error otherwise.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        masks: Sequence[Path],
        reader: Any,
        read_mask: MaskReader,
        transform: Any,
        *,
        skip: bool = False,
    ) -> None:
        self.paths = [str(path) for path in paths]
        self.masks = [str(path) for path in masks]
        self.reader = reader
        self.read_mask = read_mask
        self.transform = transform
        self.skip = skip

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The images of these indices and their masks.

        Raises:
            DataError: One cannot be read.
        """
        samples = [
            sample for place, index in enumerate(indices.tolist()) if (sample := self._sample(index, place)) is not None
        ]
        if not samples:
            what = (
                f"None of the {len(indices)} images of a batch can be read, {self.paths[int(indices[0])]} among them."
            )
            raise DataError(what, next_step="Check the folder: dataset.verify=full")
        images, masks = zip(*samples, strict=True)
        return torch.stack(images), torch.stack(masks).to(torch.int64)

    def picture(self, index: int) -> Picture:
        """An image as it is in its file."""
        return file_picture(self.paths[index])

    def _sample(self, index: int, place: int) -> tuple[Tensor, Tensor] | None:
        try:
            image, mask = self.reader(self.paths[index]), self.read_mask(self.masks[index])
        except DataError as error:
            if not self.skip:
                raise
            _log.warning("left out: %s", error.what)
            return None
        seed_sample(place)
        image, mask = self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)
