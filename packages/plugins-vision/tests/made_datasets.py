"""A tiny set in the real form of each dataset of the catalogue: what its settings have to be to read it."""

from __future__ import annotations

import csv
import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250))
COUNT = 24


def all_batches(loader) -> list:
    """The batches of an epoch; worker processes end with it. Left to the garbage collector each takes five seconds."""
    try:
        return list(loader)
    finally:
        if getattr(loader, "_iterator", None) is not None:
            loader._iterator._shutdown_workers()
            loader._iterator = None


def picture(number: int, label: int, size: tuple[int, int] = (20, 16)) -> Image.Image:
    """An image in the colour of its class, unlike any other."""
    image = Image.new("RGB", size, COLOURS[label])
    image.putpixel((number % size[0], number // size[0] % size[1]), (number * 7 % 256, 128, 128))
    return image


def encoded(image: Image.Image, form: str = "JPEG") -> bytes:
    """The content of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def pictures_in(folder: Path, count: int = COUNT, classes: int = 3) -> list[tuple[str, int]]:
    """Image files in one folder: their names and classes."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [(f"{number:03}.jpg", number % classes) for number in range(count)]
    for number, (name, label) in enumerate(made):
        picture(number, label).save(folder / name)
    return made


def table(path: Path, rows: list[dict[str, object]]) -> Path:
    """A CSV file."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def image_folder(root: Path) -> dict[str, object]:
    for name, label in pictures_in(root / "all"):
        place = root / "set" / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        (root / "all" / name).rename(place / name)
    return {"path": str(root / "set"), "image_size": 16, "val_fraction": 0.25, "test_fraction": 0.25}


def image_csv(root: Path) -> dict[str, object]:
    rows = [{"image": f"files/{name}", "label": f"class{label}"} for name, label in pictures_in(root / "files")]
    return {"path": str(table(root / "table.csv", rows)), "image_size": 16, "val_fraction": 0.25, "test_fraction": 0.25}


def image_csv_several(root: Path) -> dict[str, object]:
    rows = [
        {"image": f"files/{name}", "tags": "|".join(["warm"] * (label < 2) + ["round"] * (label > 0))}
        for name, label in pictures_in(root / "files")
    ]
    return {
        "path": str(table(root / "table.csv", rows)),
        "image_size": 16,
        "task": "multi-label-classification",
        "target_columns": "tags",
        "separator": "|",
        "val_fraction": 0.25,
        "test_fraction": 0.25,
    }


def image_csv_numbers(root: Path) -> dict[str, object]:
    rows = [
        {"image": f"files/{name}", "width": label * 1.5, "age": -label} for name, label in pictures_in(root / "files")
    ]
    return {
        "path": str(table(root / "table.csv", rows)),
        "image_size": 16,
        "task": "regression",
        "target_columns": ["width", "age"],
        "val_fraction": 0.25,
        "test_fraction": 0.25,
    }


def imagenet(root: Path) -> dict[str, object]:
    ids = ("n01440764", "n01443537", "n02012849")
    for split in ("train", "val"):
        for name, label in pictures_in(root / "all", COUNT if split == "train" else 6):
            place = root / "set" / split / ids[label]
            place.mkdir(parents=True, exist_ok=True)
            (root / "all" / name).rename(place / f"{split}_{name[:-4]}.JPEG")
    (root / "set" / "LOC_synset_mapping.txt").write_text(
        "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\nn02012849 crane\n"
    )
    return {"path": str(root / "set"), "image_size": 16, "test_fraction": 0.25}


def image_masks(root: Path) -> dict[str, object]:
    for folder in ("images", "masks"):
        (root / "set" / folder).mkdir(parents=True)
    for number in range(12):
        picture(number, number % 3).save(root / "set" / "images" / f"{number}.jpg")
        mask = np.zeros((16, 20), np.uint8)
        mask[:8, :10] = 1 + number % 2
        mask[0] = 255
        Image.fromarray(mask).save(root / "set" / "masks" / f"{number}.png")
    return {"path": str(root / "set"), "image_size": 16, "val_fraction": 0.25, "test_fraction": 0.25}


def shard(path: Path, numbers: range, *, label: object = None) -> Path:
    """A shard of a WebDataset."""
    with tarfile.open(path, "w") as tar:
        for number in numbers:
            shown = number % 3
            said = str(shown if label is None else label).encode()
            for ending, content in (("jpg", encoded(picture(number, shown))), ("cls", said)):
                member = tarfile.TarInfo(f"{number:05}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def webdataset(root: Path) -> dict[str, object]:
    root.mkdir(exist_ok=True)
    for index in range(4):
        shard(root / f"train-{index:03}.tar", range(index * 6, index * 6 + 6))
    shard(root / "val-000.tar", range(6))
    shard(root / "test-000.tar", range(6))
    patterns = {"train": "train-{000..003}", "val": "val-*", "test": "test-000"}
    return {**{split: str(root / f"{name}.tar") for split, name in patterns.items()}, "image_size": 16}


def huggingface(root: Path) -> dict[str, object]:
    from datasets import ClassLabel, Dataset, DatasetDict, Features
    from datasets import Image as ImageFeature

    def split(count: int) -> Dataset:
        labels = [number % 3 for number in range(count)]
        images = [picture(number, label) for number, label in enumerate(labels)]
        features = Features({"image": ImageFeature(), "label": ClassLabel(names=["red", "green", "blue"])})
        return Dataset.from_dict({"image": images, "label": labels}, features=features)

    DatasetDict({"train": split(COUNT), "test": split(6)}).save_to_disk(str(root / "saved"))
    return {"path": str(root / "saved"), "image_size": 16, "val_fraction": 0.25}


def idx(array: np.ndarray) -> bytes:
    """An IDX file of bytes."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist(root: Path) -> dict[str, object]:
    generator = np.random.default_rng(0)
    (root / "files").mkdir(parents=True)
    for part, count in (("train", 40), ("t10k", 20)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (root / "files" / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (root / "files" / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return {"path": str(root / "files"), "val_fraction": 0.25}


def cifar(root: Path, classes: int) -> dict[str, object]:
    from framework_plugins_vision.datasets.cifar import EDITIONS

    edition = EDITIONS[classes]
    generator = np.random.default_rng(classes)
    folder = root / "files"
    folder.mkdir(parents=True)
    for name in (*edition.train, edition.test):
        labels = np.arange(200, dtype=np.uint8) % classes
        before = [labels // 5, labels] if classes == 100 else [labels]
        pixels = generator.integers(0, 256, (200, 3072), dtype=np.uint8)
        np.column_stack([*before, pixels]).astype(np.uint8).tofile(folder / name)
    (folder / edition.names).write_text("\n".join(f"class {number}" for number in range(classes)) + "\n")
    return {"path": str(folder), "val_fraction": 0.5}


MADE = {
    "digits": lambda root: {},
    "cifar10": lambda root: cifar(root, 10),
    "cifar100": lambda root: cifar(root, 100),
    "mnist": mnist,
    "fashion_mnist": mnist,
    "image_folder": image_folder,
    "image_csv": image_csv,
    "image_csv several": image_csv_several,
    "image_csv numbers": image_csv_numbers,
    "imagenet": imagenet,
    "image_masks": image_masks,
    "webdataset": webdataset,
    "huggingface": huggingface,
}
"""By the name of the dataset, and what is special where there are several forms."""
