"""The layout of ImageNet: train and val folders, in them a folder for each class, named by its WordNet id."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from framework_core import DataError
from framework_plugins_vision.datasets.image_folder import ImageFolder, Sample, find_images, images_in, labelled
from framework_plugins_vision.datasets.tables import read_table

NAMES_FILES = ("LOC_synset_mapping.txt", "imagenet_class_index.json", "synset_words.txt")
SOLUTION = "LOC_val_solution.csv"
"""The classes of validation images that lie in one folder, as Kaggle gives them."""

KAGGLE = Path("ILSVRC") / "Data" / "CLS-LOC"


class ImageNet(ImageFolder):
    """ImageNet, or another set in its layout (Russakovsky et al., https://arxiv.org/abs/1409.0575).

    ``path`` holds ``train/WNID/*.JPEG`` and ``val/WNID/*.JPEG``, or is the folder that Kaggle's archive gives, whose
    validation images lie in one folder.

    Args:
        path: The folder.
        class_names_file: The names of the classes by their id; empty looks for one in the folder.
        **images: Splits, and how images are read and prepared, as ``ImageFolder`` takes it.
    """

    def __init__(self, path: str, class_names_file: str | None = None, **images: Any) -> None:
        super().__init__(path, **images)
        self.class_names_file = class_names_file

    def setup(self, stage: str | None = None) -> None:
        """Find the images and the names of their classes.

        Raises:
            DataError: There is no train folder, or the classes of the validation images are not known.
        """
        if self.train_dataset is not None:
            return
        place = self.path / KAGGLE if (self.path / KAGGLE).is_dir() else self.path
        if not (place / "train").is_dir():
            raise DataError(
                f"There is no folder {place / 'train'}.",
                paths=[place],
                possible="The layout of ImageNet: train/WNID/*.JPEG and val/WNID/*.JPEG",
                next_step="Folders of classes without train and val are read by --dataset image_folder",
            )
        flat = self._flat_validation(place)
        fractions = {"val_fraction": 0.0 if flat else self.val_fraction, "test_fraction": self.test_fraction}
        ids, splits = find_images(place, **fractions, seed=self.split_seed, passed_over=("val",) if flat else ())
        if flat:
            splits["val"] = self._by_solution(flat, ids)
        self.class_names = self._names(ids)
        self.use(place, {split: labelled(samples) for split, samples in splits.items()})

    def _flat_validation(self, place: Path) -> list[Path]:
        """The validation images where they lie in one folder."""
        folder = place / "val"
        if not folder.is_dir() or any(each.is_dir() for each in folder.iterdir()):
            return []
        return images_in(folder)

    def _by_solution(self, images: Sequence[Path], ids: Sequence[str]) -> list[Sample]:
        solution = self.path / SOLUTION
        if not solution.is_file():
            raise DataError(
                f"{images[0].parent} holds {len(images):,} images and no class folders, and there is no {solution}.",
                paths=[images[0].parent],
                possible=f"A folder for each class, or Kaggle's {SOLUTION} in {self.path}",
                next_step=f"Put {SOLUTION} there, or move the images into a folder for each class.",
            )
        table = read_table(solution)
        numbers = {name: number for number, name in enumerate(ids)}
        answers = zip(table.column("ImageId", "path"), table.column("PredictionString", "path"), strict=True)
        known = {image: answer.partition(" ")[0] for image, answer in answers}
        missing = [path for path in images if known.get(path.stem) not in numbers]
        if missing:
            raise DataError(
                f"{solution} gives no class of training for {len(missing):,} images, {missing[0].name} among them.",
                paths=[solution],
                next_step="Take the file and the images from one edition, or move these images out.",
            )
        return [(path, numbers[known[path.stem]]) for path in images]

    def _names(self, ids: Sequence[str]) -> tuple[str, ...]:
        """A name for each class; its id where no file gives one, and beside a name that two classes have."""
        file = Path(self.class_names_file) if self.class_names_file else self._found_file()
        names = _read_names(file) if file else {}
        if self.class_names_file and not set(ids) <= set(names):
            unnamed = [each for each in ids if each not in names]
            raise DataError(
                f"{file} names {len(names):,} classes, and not {', '.join(unnamed[:5])}.",
                paths=[str(file)],
                next_step="Add them, or leave dataset.class_names_file out to go by their ids.",
            )
        found = [names.get(each, each) for each in ids]
        often = Counter(found)
        return tuple(f"{name} ({each})" if often[name] > 1 else name for name, each in zip(found, ids, strict=True))

    def _found_file(self) -> Path | None:
        return next((self.path / name for name in NAMES_FILES if (self.path / name).is_file()), None)


def _read_names(path: Path) -> Mapping[str, str]:
    """Names by WordNet id: the first of several."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return {wnid: name.replace("_", " ") for wnid, name in json.loads(text).values()}
        pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
        return {pair[0]: pair[-1].partition(",")[0].strip() for pair in pairs}
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(
            f"The names of classes cannot be read from {path}: {error}",
            paths=[path],
            possible='A line \'n01440764 tench, Tinca tinca\' for each class, or JSON {"0": ["n01440764", "tench"]}',
            next_step="Name another file with dataset.class_names_file=FILE",
        ) from error
