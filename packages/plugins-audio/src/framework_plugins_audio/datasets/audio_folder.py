"""Your own sounds: a folder for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from framework_core.errors import DataError, near_names
from framework_plugins_audio.datasets.audio_module import AudioFilesDataModule, Recordings
from framework_plugins_audio.reading import SUFFIXES
from framework_plugins_audio.splits import stratified_split

SPLIT_FOLDERS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
NAME_IT = "Name it with dataset.path=FOLDER"
Sample = tuple[Path, int]


class AudioFolder(AudioFilesDataModule):
    """Sounds in a folder for each class, or in train, val and test folders of those.

    Args:
        path: The folder.
        val_fraction: The share kept for validation where there is no val folder.
        test_fraction: The share kept for the test where there is no test folder.
        split_seed: Decides which sounds go where.
        **files: What every dataset of sound files takes: ``sample_rate``, ``seconds``, ``batch_size`` ...
    """

    def __init__(
        self, path: str, val_fraction: float = 0.1, test_fraction: float = 0.1, split_seed: int = 0, **files: Any
    ) -> None:
        super().__init__(**files)
        self.path = Path(path)
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed

    def setup(self, stage: str | None = None) -> None:
        """Find the sounds, check them and split them.

        Raises:
            DataError: There are no sounds, a class has none, there is one class only, or sounds cannot be read.
        """
        if self.train_dataset is not None:
            return
        if not self.path.is_dir():
            raise _no_folder(self.path)
        known = self.trained.class_names if self.trained is not None else ()
        self.class_names, splits = self._found(known)
        self.listed = f"in {self.path}"
        self.use(self.source(), {split: _recordings(samples) for split, samples in splits.items()})

    def source(self) -> str:
        """The folder."""
        return str(self.path.resolve())

    def _found(self, known: Sequence[str]) -> tuple[tuple[str, ...], dict[str, list[Sample]]]:
        """The classes, and each split's sounds with the number of their class."""
        places = {
            split: next((self.path / name for name in names if (self.path / name).is_dir()), None)
            for split, names in SPLIT_FOLDERS.items()
        }
        train = places["train"]
        classes = _classes(train or self.path)
        names = tuple(known) or tuple(classes)
        _refuse_strange(train or self.path, classes, names)
        labelled = [(path, names.index(name)) for name in names for path in classes.get(name, ())]
        split = stratified_split(
            [label for _, label in labelled],
            val_fraction=0 if train and places["val"] else self.val_fraction,
            test_fraction=0 if train and places["test"] else self.test_fraction,
            seed=self.split_seed,
        )
        found = {name: [labelled[index] for index in indices] for name, indices in split.items()}
        for name in ("val", "test"):
            place = places[name]
            if train is not None and place is not None:
                found[name] = _labelled(place, names)
        return names, found


def sounds_in(folder: Path) -> list[Path]:
    """The sound files in a folder and in those below it, by name; hidden ones are passed over."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _recordings(samples: Sequence[Sample]) -> Recordings:
    targets = torch.tensor([label for _, label in samples], dtype=torch.int64)
    return Recordings([str(path) for path, _ in samples], targets)


def _classes(folder: Path) -> dict[str, list[Path]]:
    folders = _folders(folder)
    classes = {each.name: sounds_in(each) for each in folders}
    if not any(classes.values()):
        raise _no_sounds(folder, folders)
    if empty := [folder / name for name, sounds in classes.items() if not sounds]:
        count, verb = ("The class folder", "holds") if len(empty) == 1 else (f"{len(empty)} class folders", "hold")
        raise DataError(
            f"{count} {', '.join(map(str, empty))} {verb} no sound.",
            paths=empty,
            possible=f"Sound files end in {', '.join(SUFFIXES)}.",
            next_step="Put sounds in, or remove the folder.",
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
    """The sounds of a val or test folder, whose classes are those of training."""
    folders = _folders(folder)
    _refuse_strange(folder, {each.name: [] for each in folders}, names)
    found = [(path, names.index(each.name)) for each in folders for path in sounds_in(each)]
    if not found:
        raise _no_sounds(folder, folders)
    return found


def _refuse_strange(folder: Path, classes: dict[str, list[Path]], names: Sequence[str]) -> None:
    if strange := [name for name in classes if name not in names]:
        raise DataError(
            f"{folder} holds classes that training does not have: {', '.join(strange)}.",
            paths=[folder / name for name in strange],
            possible=f"Classes of training: {', '.join(names)}.",
            next_step="Give training sounds of them too, or move their folders out.",
        )


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def _no_folder(folder: Path) -> DataError:
    beside = [] if folder.exists() or not folder.parent.is_dir() else folder.parent.iterdir()
    near = near_names(folder.name, [each.name for each in beside if each.is_dir()])
    what = f"{folder} is a file, not a folder." if folder.exists() else f"There is no folder {folder}."
    possible = f"Near it: {', '.join(str(folder.parent / name) for name in near)}." if near else ""
    return DataError(what, paths=[folder], possible=possible, next_step=NAME_IT)


def _no_sounds(folder: Path, folders: Sequence[Path]) -> DataError:
    beside = sounds_in(folder)
    if beside and not folders:
        return DataError(
            f"{folder} holds {len(beside):,} sounds and no class folders.",
            paths=[folder],
            possible=f"The folder a sound is in names its class: {folder}/CLASS/{beside[0].name}",
            next_step="Sounds with a table of their classes are read by --dataset audio_manifest",
        )
    what = f"The folders in {folder} hold no sounds." if folders else f"{folder} is empty."
    return DataError(what, paths=[folder], possible=f"Sound files end in {', '.join(SUFFIXES)}.", next_step=NAME_IT)
