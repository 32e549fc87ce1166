"""What small published sets have in common: fetched once, read whole, with test images of their authors."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from framework_core import DataError, DataSpec, data_cache
from framework_core.contracts import Processing
from framework_core.download import RemoteFile, mirrored
from framework_plugins_vision import transforms
from framework_plugins_vision.augmentation_policies import EachOfBatch, policy
from framework_plugins_vision.datamodule import BaseVisionDataModule
from framework_plugins_vision.datasets.idx import ANEW
from framework_plugins_vision.datasets.images import ImagesInMemory
from framework_plugins_vision.normalization import Normalization
from framework_plugins_vision.serving import image_preprocessing
from framework_plugins_vision.splits import spread, stratified_split


class PublishedImages(BaseVisionDataModule):
    """Images that their authors split into training and test; validation is taken from training, by class and seed.

    A subclass reads its files in ``read_train`` and ``read_test``.

    Args:
        name: The name in the catalogue; names the folder in the cache.
        files: What is fetched.
        side: The side of the images.
        mean: Of the training images, by channel, on a scale from 0 to 1.
        std: Their deviation.
        path: The folder with the files; empty fetches them into the user's cache, once.
        mirror: Another address to fetch the files from, tried first: the folder that they are in.
        augmentation: ``standard`` moves training images, and mirrors half of them where that gives such an image;
            ``none`` leaves them.
        shift: How many pixels an image is moved by at most.
        mirrored: Whether the standard augmentation mirrors.
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
        name: str,
        files: Sequence[RemoteFile],
        *,
        side: int,
        mean: Sequence[float],
        std: Sequence[float],
        path: str | None,
        mirror: str | None,
        augmentation: str,
        shift: int,
        mirrored: bool,
        val_fraction: float,
        split_seed: int,
        auto_augment: str | None = None,
        randaugment_magnitude: float = 9.0,
        randaugment_ops: int = 2,
        randaugment_std: float = 0.5,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self._policy = policy(auto_augment, magnitude=randaugment_magnitude, ops=randaugment_ops, std=randaugment_std)
        self.dataset_name = name
        self.files = tuple(files)
        self.path = path
        self.mirror = mirror
        self.augmentation = augmentation
        self.shift = shift
        self.mirrored = mirrored
        self.val_fraction = val_fraction
        self.split_seed = split_seed
        normalization = Normalization(mean, std)
        self.normalization, self._finish = normalization, normalization.batch
        self.eval_transform = transforms.evaluation((side, side), 1.0, mean, std)
        self._prepared = {"size": (side, side), "mean": tuple(mean), "std": tuple(std)}
        self.digest = hashlib.sha256()
        """Of everything that was read; a subclass adds to it."""

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return data_cache.data_folder() / self.dataset_name if self.path is None else Path(self.path)

    @abstractmethod
    def read_train(self) -> tuple[Tensor, Tensor]:
        """The training images, bytes ``(count, channels, side, side)``, and the class of each. Sets ``class_names``."""

    @abstractmethod
    def read_test(self) -> tuple[Tensor, Tensor]:
        """The test images and their classes."""

    def prepare_data(self) -> None:
        """Fetch the files, unless a folder was named or they are there.

        Raises:
            DataError: They cannot be fetched.
        """
        if self.path is None:
            data_cache.fetch(self.dataset_name, [mirrored(file, self.mirror) for file in self.files])

    def setup(self, stage: str | None = None) -> None:
        """Read the images and split them.

        Raises:
            DataError: A file is missing, cut short, or has a class that there is not.
        """
        if self.train_dataset is not None:
            return
        images, targets = self._checked(*self.read_train(), "training")
        splits = stratified_split(
            targets.tolist(), val_fraction=self.val_fraction, test_fraction=0.0, seed=self.split_seed
        )
        self.digest.update(repr(splits).encode())
        chosen, kept = (torch.tensor(splits[name], dtype=torch.int64) for name in ("train", "val"))
        self.train_dataset = self.training_images(images[chosen], targets[chosen])
        if len(kept):
            self.val_dataset = ImagesInMemory(images[kept], targets[kept], finish=self._finish)
        test = self._checked(*self.read_test(), "test")
        self.test_dataset = ImagesInMemory(*test, finish=self._finish)

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """Reading and the validation's transform, without torch."""
        prepared: Any = self._prepared
        return image_preprocessing(channels=data.channels, crop_pct=1.0, interpolation="bilinear", **prepared)

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Images of the test as PNG files."""
        if not isinstance(self.test_dataset, ImagesInMemory):
            return ()
        found = []
        for number, index in enumerate(spread(len(self.test_dataset), count)):
            found.append(folder / f"image-{number}.png")
            to_pil_image(self.test_dataset.images[index]).save(found[-1])
        return found

    def training_images(self, images: Tensor, targets: Tensor) -> ImagesInMemory:
        """The training images, augmented as was asked for."""
        if self.augmentation == "none":
            return ImagesInMemory(images, targets, finish=self._finish)
        return ImagesInMemory(
            images,
            targets,
            shift=self.shift,
            mirror=self.mirrored,
            policy=EachOfBatch(self._policy) if self._policy else None,
            finish=self._finish,
        )

    def fingerprint(self) -> str:
        """Of every pixel, every label and the split."""
        return f"content:{self.digest.hexdigest()[:32]}"

    def source(self) -> str:
        """Where they came from."""
        return self.files[0].url if self.path is None else self.path

    def _checked(self, images: Tensor, targets: Tensor, which: str) -> tuple[Tensor, Tensor]:
        if len(images) != len(targets):
            raise DataError(
                f"{self.folder} has {len(images):,} {which} images and {len(targets):,} labels.",
                paths=[self.folder],
                next_step=ANEW,
            )
        if len(targets) and int(targets.max()) >= len(self.class_names):
            position = int((targets >= len(self.class_names)).nonzero()[0])
            raise DataError(
                f"A label in {self.folder} is {int(targets[position])} ({which} image {position:,}), but there are "
                f"{len(self.class_names)} classes.",
                possible=f"Labels run from 0 to {len(self.class_names) - 1}.",
                paths=[self.folder],
                next_step=ANEW,
            )
        return images, targets

    def file_named(self, *names: str) -> Path:
        """The first of some files that is there.

        Raises:
            DataError: None is.
        """
        for name in names:
            if (path := self.folder / name).is_file():
                return path
        raise DataError(
            f"There is no file {self.folder / names[0]}.",
            paths=[self.folder / name for name in names],
            possible=f"The folder holds {', '.join(file.name for file in self.files)}"
            + (", unpacked." if self.files[0].folder else ", or the same without .gz."),
            next_step="Leave dataset.path out to fetch them, or name the folder that they are in.",
        )
