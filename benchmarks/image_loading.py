"""From JPEG files to batches: images a second of the processor's time, against what people use today.

    python benchmarks/image_loading.py                  all sets, all loaders, 7 interleaved rounds
    python benchmarks/image_loading.py --set photos     one set

Every loader reads the same files in one process and one thread: a random crop to 224 pixels (8 to 100 % of the area), a
mirror image, normalisation, batches of 64. `torchvision` is ImageFolder with PIL and its transforms, `timm` is timm's
loader, `hf` is Hugging Face datasets with torchvision's transforms, `framework` is image_folder without its cache, and
`framework, kept` with it, from the second epoch on. Rounds are interleaved, and a ratio is taken inside its round.

The sets are made from the two photos that come with scikit-learn: `web` has 500x375 pixels as ImageNet has on average,
`photos` 3024x2268 as a telephone takes them, `small` 128x128.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

SETS = {"web": ((500, 375), 256), "photos": ((3024, 2268), 64), "small": ((128, 128), 512)}
"""Width and height, and how many images."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE, CROP, BATCH = 224, (0.08, 1.0), 64


def make(folder: Path, size: tuple[int, int], count: int) -> Path:
    """Different cuts of two photos, in two class folders."""
    chooser = random.Random(0)
    photos = [Image.fromarray(each) for each in load_sample_images().images]
    for index in range(count):
        photo = photos[index % 2]
        share = chooser.uniform(0.7, 1.0)
        width, height = int(photo.width * share), int(photo.height * share)
        left, top = chooser.randint(0, photo.width - width), chooser.randint(0, photo.height - height)
        path = folder / ("china", "flower")[index % 2] / f"{index:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cut = photo.crop((left, top, left + width, top + height)).resize(size, Image.Resampling.LANCZOS)
        cut.save(path, quality=90)
    return folder


def torchvision_loader(folder: Path) -> Any:
    """ImageFolder and PIL."""
    from torchvision import datasets, transforms

    steps = [
        transforms.RandomResizedCrop(SIZE, scale=CROP),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    dataset = datasets.ImageFolder(str(folder), transforms.Compose(steps))
    return torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)


def timm_loader(folder: Path) -> Any:
    """The loader of timm with its default augmentation of training, less colours."""
    from timm.data import ImageDataset, create_loader

    return create_loader(
        ImageDataset(str(folder)),
        input_size=(3, SIZE, SIZE),
        batch_size=BATCH,
        is_training=True,
        scale=list(CROP),
        color_jitter=0.0,
        interpolation="bilinear",
        mean=MEAN,
        std=STD,
        num_workers=0,
        use_prefetcher=False,
        persistent_workers=False,
    )


def hf_loader(folder: Path) -> Any:
    """Hugging Face datasets, with_transform and torchvision's transforms, as its examples have it."""
    from datasets import disable_progress_bars, load_dataset
    from torchvision import transforms

    disable_progress_bars()
    crop = transforms.RandomResizedCrop(SIZE, scale=CROP)
    finish = [transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    steps = transforms.Compose([crop, *finish])

    def prepared(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"image": [steps(image.convert("RGB")) for image in rows["image"]], "label": rows["label"]}

    cache = tempfile.mkdtemp()
    found = load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=cache).with_transform(prepared)
    return torch.utils.data.DataLoader(found, batch_size=BATCH, shuffle=True)


def framework_loader(folder: Path, cache: str = "none") -> Any:
    """image_folder of this project."""
    from framework_core import registry

    module = registry.create_dataset(
        "image_folder",
        path=str(folder),
        image_size=SIZE,
        min_crop=CROP[0],
        val_fraction=0.0,
        test_fraction=0.0,
        verify="none",
        cache=cache,
        batch_size=BATCH,
        num_workers=0,
    )
    module.setup("fit")
    return module.train_dataloader()


LOADERS: dict[str, Callable[[Path], Any]] = {
    "torchvision": torchvision_loader,
    "timm": timm_loader,
    "hf": hf_loader,
    "framework": framework_loader,
    "framework, kept": lambda folder: framework_loader(folder, "memory"),
}


def rate(loader: Any) -> float:
    """Images a second of the processor's time, over an epoch."""
    began = time.process_time()
    count = sum(len(images) for images in _images(loader))
    return count / (time.process_time() - began)


def _images(loader: Any) -> Iterator[Any]:
    for batch in loader:
        yield batch["image"] if isinstance(batch, dict) else batch[0]


def compare(name: str, folder: Path, rounds: int, wanted: list[str]) -> None:
    """Print each loader's median and its ratio to torchvision."""
    size, count = SETS[name]
    make(folder, size, count)
    kilobytes = sum(path.stat().st_size for path in folder.rglob("*.jpg")) / count / 1e3
    print(f"\n{name}: {count} images of {size[0]}x{size[1]}, {kilobytes:.0f} kB each")
    loaders = {each: LOADERS[each](folder) for each in wanted}
    found: dict[str, list[float]] = {each: [] for each in wanted}
    for round_ in range(rounds + 1):
        for each, loader in loaders.items():
            images = rate(loader)
            if round_:
                found[each].append(images)
    print("| loader | images/s of CPU | torchvision = 1 |\n|---|---|---|")
    for each in wanted:
        ratio = statistics.median(a / b for a, b in zip(found[each], found["torchvision"], strict=True))
        print(f"| {each} | {statistics.median(found[each]):.0f} | {ratio:.2f} |", flush=True)


def differences(folder: Path) -> None:
    """Print how far validation images are from those that torchvision and PIL make of the same files."""
    from torchvision import transforms

    from framework_core import registry

    steps = [transforms.Resize(256), transforms.CenterCrop(SIZE), transforms.PILToTensor()]
    usual = transforms.Compose(steps)
    module = registry.create_dataset(
        "image_folder", path=str(folder), val_fraction=0.5, test_fraction=0.0, verify="none", mean=[0], std=[1]
    )
    module.setup("fit")
    found = []
    for index in range(min(24, len(module.val_dataset))):
        with Image.open(module.val_dataset.paths[index]) as image:
            expected = usual(image.convert("RGB")).numpy().astype(float)
        found.append(np.abs(module.val_dataset[index][0].numpy() * 255 - expected))
    whole = np.stack(found)
    print(
        f"validation images differ by {whole.mean():.2f} levels of 255 on average, 99 % of pixels by less than", end=" "
    )
    print(f"{np.percentile(whole, 99):.0f}")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", choices=list(SETS), help="one set, can be repeated")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--without", action="append", default=[], choices=list(LOADERS), help="leave a loader out")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name in chosen.set or SETS:
        with tempfile.TemporaryDirectory() as folder:
            compare(name, Path(folder), chosen.rounds, [each for each in LOADERS if each not in chosen.without])
            differences(Path(folder))


if __name__ == "__main__":
    main()
