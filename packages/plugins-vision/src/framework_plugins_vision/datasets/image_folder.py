"""Your own images: a folder for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from framework_core.errors import DataError, near_names
from framework_plugins_vision import transforms
from framework_plugins_vision.datasets.image_module import ImageFilesDataModule, Samples
from framework_plugins_vision.splits import stratified_split

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
NAME_IT = "Name it with dataset.path=FOLDER"
Sample = tuple[Path, int]


class ImageFolder(ImageFilesDataModule):
    """Images in a folder for each class, or in train, val and test folders of those.

    Args:
        path: The folder.
        val_fraction: The share kept for validation where there is no val folder.
        test_fraction: The share kept for the test where there is no test folder.
        split_seed: Decides which images go where.
        **images: How images are read and prepared, as ``ImageFilesDataModule`` takes it.
    """

    def __init__(
        self, path: str, val_fraction: float = 0.1, test_fraction: float = 0.1, split_seed: int = 0, **images: Any
    ) -> None:
        super().__init__(**images)
        self.path = Path(path)
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed

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
        self.use(self.path, {split: labelled(samples) for split, samples in splits.items()})

    def source(self) -> str:
        """The folder."""
        return str(self.path.resolve())


def labelled(samples: Sequence[Sample]) -> Samples:
    """Files and the index of the class of each."""
    return Samples([path for path, _ in samples], torch.tensor([label for _, label in samples], dtype=torch.int64))


def find_images(
    folder: Path, *, val_fraction: float, test_fraction: float, seed: int, passed_over: Sequence[str] = ()
) -> tuple[tuple[str, ...], dict[str, list[Sample]]]:
    """The classes, and each split's images with the index of their class.

    Args:
        folder: One folder for each class in it, or train, val and test folders of those.
        val_fraction: The share kept for validation where there is no val folder.
        test_fraction: The share kept for the test where there is no test folder.
        seed: Decides which images go where.
        passed_over: Splits whose folder is not looked at.

    Raises:
        DataError: There are none, a class has none, or there is one class only.
    """
    if not folder.is_dir():
        raise no_folder(folder)
    named = {
        split: next((folder / n for n in names if (folder / n).is_dir() and split not in passed_over), None)
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
    classes = {each.name: images_in(each) for each in folders}
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
            next_step=NAME_IT,
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
            next_step="Give training images of them too, or move their folders out.",
        )
    found = [(path, names.index(each.name)) for each in folders for path in images_in(each)]
    if not found:
        raise _no_images(folder, folders)
    return found


def images_in(folder: Path) -> list[Path]:
    """The image files in a folder and in those below it, by name; hidden ones are passed over."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in transforms.SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def no_folder(folder: Path) -> DataError:
    """The error that there is no such folder."""
    beside = [] if folder.exists() or not folder.parent.is_dir() else folder.parent.iterdir()
    near = near_names(folder.name, [each.name for each in beside if each.is_dir()])
    what = f"{folder} is a file, not a folder." if folder.exists() else f"There is no folder {folder}."
    possible = f"Near it: {', '.join(str(folder.parent / name) for name in near)}." if near else ""
    return DataError(what, paths=[folder], possible=possible, next_step=NAME_IT)


def _no_images(folder: Path, folders: Sequence[Path]) -> DataError:
    beside = images_in(folder)
    if beside and not folders:
        return DataError(
            f"{folder} holds {len(beside):,} images and no class folders.",
            paths=[folder],
            possible=f"The folder an image is in names its class: {folder}/CLASS/{beside[0].name}",
            next_step="Images with a table of their classes are read by --dataset image_csv",
        )
    return DataError(
        f"There is no image in {folder}.",
        paths=[folder],
        possible=f"Image files end in {', '.join(transforms.SUFFIXES)}.",
        next_step="Name another folder with dataset.path=FOLDER",
    )
