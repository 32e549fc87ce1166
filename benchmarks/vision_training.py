"""Training of image classifiers out of the box: images a second against what people use today.

    python benchmarks/vision_training.py                    both models, all trainers, three interleaved rounds
    python benchmarks/vision_training.py resnet18           one model

All train the same network of timm's from scratch on the same JPEG files, 128x128 in two class folders: random crops of
8 to 100 % of the area brought to 64 pixels and mirror images, normalised, batches of 32, two epochs. Everything else is
what each does where nobody says otherwise. `framework` is `fw train`, with tracking, progress, validation, checkpoints
and all that it chooses; `timm` a plain loop by the recipe of timm's train.py (its loader with four processes, SGD,
cosine); `hf` Hugging Face's Trainer on its datasets library with torchvision's transforms, as its example has it;
`lightning` Lightning's Trainer on ImageFolder with torchvision's transforms.

Every measurement is a process of its own. Measured is the second epoch, as all later ones are, from the first batch
asked for to the end of the last, without validation; processor time counts loading processes too. A ratio is taken
inside its round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODELS = {"resnet18": {}, "vit_tiny_patch16_224": {"img_size": 64}}
SIDE, CROP, BATCH, EPOCHS = 64, 0.08, 32, 2
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Stopwatch:
    """Wall and processor time of an epoch, that of loading processes with it."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.images = 0

    def start(self) -> None:
        """An epoch begins."""
        self._began = time.perf_counter(), self._processor()

    def stop(self, images: int) -> None:
        """An epoch has ended."""
        wall, cpu = self._began
        # Of the last epoch alone.
        self.wall, self.cpu, self.images = time.perf_counter() - wall, self._processor() - cpu, images

    @staticmethod
    def _processor() -> float:
        import psutil

        here = psutil.Process()
        running = [here.cpu_times(), *(child.cpu_times() for child in here.children(recursive=True))]
        # What ended and was waited for is counted by its parent.
        return sum(each.user + each.system for each in running) + running[0].children_user + running[0].children_system


def transforms() -> Any:
    """Torchvision's, as its references have them."""
    from torchvision import transforms as t

    steps = [t.RandomResizedCrop(SIDE, scale=(CROP, 1.0)), t.RandomHorizontalFlip(), t.ToTensor()]
    return t.Compose([*steps, t.Normalize(MEAN, STD)])


def network(name: str) -> Any:
    """The same for all."""
    import timm

    return timm.create_model(name, num_classes=2, **MODELS[name])


def framework(name: str, folder: Path, watch: Stopwatch) -> None:
    """``fw train``."""
    from lightning.pytorch import Callback

    import framework_core

    class Watch(Callback):
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            watch.start()

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == trainer.num_training_batches - 1:
                watch.stop(len(trainer.datamodule.train_dataset))

    settings = [f"model={name}", "dataset=image_folder", f"dataset.path={folder}", f"dataset.batch_size={BATCH}"]
    settings += [f"dataset.image_size={SIDE}", f"dataset.min_crop={CROP}", f"trainer.max_epochs={EPOCHS}"]
    framework_core.train(framework_core.compose(settings).config, callbacks=[Watch()])


def timm_recipe(name: str, folder: Path, watch: Stopwatch) -> None:
    """The defaults of timm's train.py: its loader, SGD with momentum, cosine with warm-up, a line every 50 batches."""
    import torch
    from timm.data import ImageDataset, create_loader
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2
    from timm.utils import AverageMeter

    model = network(name).train()
    dataset = ImageDataset(str(folder / "train"))
    loader = create_loader(
        dataset,
        input_size=(3, SIDE, SIDE),
        batch_size=BATCH,
        is_training=True,
        scale=[CROP, 1.0],
        color_jitter=0.0,
        interpolation="bilinear",
        mean=MEAN,
        std=STD,
        num_workers=4,
        use_prefetcher=False,
    )
    optimizer = create_optimizer_v2(model, opt="sgd", lr=0.05, weight_decay=2e-5, momentum=0.9)
    scheduler, _ = create_scheduler_v2(optimizer, sched="cosine", num_epochs=300, warmup_epochs=5, warmup_lr=1e-5)
    loss_of, losses = torch.nn.CrossEntropyLoss(), AverageMeter()
    for epoch in range(EPOCHS):
        watch.start()
        count = 0
        for index, (inputs, target) in enumerate(loader):
            loss = loss_of(model(inputs), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.update(loss.item(), inputs.size(0))
            count += len(inputs)
            if index % 50 == 0:
                print(f"Train: {epoch} [{index}/{len(loader)}] Loss: {losses.avg:.3f}")
        scheduler.step(epoch + 1)
        watch.stop(count)


def hf_trainer(name: str, folder: Path, watch: Stopwatch) -> None:
    """Hugging Face's Trainer, as its example of image classification has it."""
    import torch
    from datasets import disable_progress_bars, load_dataset
    from transformers import Trainer, TrainerCallback, TrainingArguments

    disable_progress_bars()
    steps = transforms()

    def prepared(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"pixel_values": [steps(image.convert("RGB")) for image in rows["image"]], "labels": rows["label"]}

    dataset = load_dataset("imagefolder", data_dir=str(folder / "train"), split="train", cache_dir="cache")

    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network(name)

        def forward(self, pixel_values: Any, labels: Any) -> dict[str, Any]:
            logits = self.network(pixel_values)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    class Watch(TrainerCallback):
        def on_epoch_begin(self, *arguments: Any, **more: Any) -> None:
            watch.start()

        def on_epoch_end(self, *arguments: Any, **more: Any) -> None:
            watch.stop(len(dataset))

    arguments = TrainingArguments(
        output_dir="hf",
        per_device_train_batch_size=BATCH,
        num_train_epochs=EPOCHS,
        remove_unused_columns=False,
        use_cpu=True,
    )
    Trainer(Wrapped(), arguments, train_dataset=dataset.with_transform(prepared), callbacks=[Watch()]).train()


def lightning(name: str, folder: Path, watch: Stopwatch) -> None:
    """Lightning's Trainer on ImageFolder."""
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from torchvision.datasets import ImageFolder

    class Model(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network(name)

        def on_train_epoch_start(self) -> None:
            watch.start()

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            inputs, target = batch
            loss = torch.nn.functional.cross_entropy(self.network(inputs), target)
            self.log("loss", loss, prog_bar=True)
            return loss

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == self.trainer.num_training_batches - 1:
                watch.stop(len(dataset))

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    dataset = ImageFolder(str(folder / "train"), transforms())
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
    Trainer(max_epochs=EPOCHS, accelerator="cpu").fit(Model(), loader)


TRAINERS: dict[str, Callable[[str, Path, Stopwatch], None]] = {
    "framework": framework,
    "timm": timm_recipe,
    "hf": hf_trainer,
    "lightning": lightning,
}


def make(folder: Path, count: int) -> None:
    """Class folders of JPEG files, to train on and a few to validate."""
    sys.path.insert(0, str(HERE))
    import image_loading

    image_loading.make(folder / "train", (128, 128), count)
    image_loading.make(folder / "val", (128, 128), BATCH)


def measured(model: str, trainer: str, folder: Path) -> dict[str, float]:
    """Images a second of the clock and of the processor, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, __file__, model, "--run", trainer, "--images", str(folder)]
        environment = {**os.environ, "FRAMEWORK_CACHE": str(Path(place) / "cache"), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(model: str, folder: Path, rounds: int) -> None:
    """Print each trainer's median, and what the framework's is to it."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in TRAINERS}
    for _ in range(rounds):
        for name in TRAINERS:
            found[name].append(measured(model, name, folder))
    print(f"\n{model}, {SIDE} pixels\n| trainer | images/s | images/s of CPU | framework is faster, wall | CPU |")
    print("|---|---|---|---|---|")
    for name, runs in found.items():
        median = {what: statistics.median(run[what] for run in runs) for what in ("wall", "cpu")}
        ratio = {
            what: statistics.median(ours[what] / run[what] for ours, run in zip(found["framework"], runs, strict=True))
            for what in ("wall", "cpu")
        }
        times = "|".join(f" {ratio[what]:.2f} " for what in ("wall", "cpu"))
        print(f"| {name} | {median['wall']:.1f} | {median['cpu']:.1f} |{times}|", flush=True)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", choices=list(MODELS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=512, help="training images")
    parser.add_argument("--run", choices=list(TRAINERS), help=argparse.SUPPRESS)
    parser.add_argument("--images", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        watch = Stopwatch()
        with redirect_stdout(sys.stderr):
            TRAINERS[chosen.run](chosen.model, chosen.images, watch)
        print(json.dumps({"wall": watch.images / watch.wall, "cpu": watch.images / watch.cpu}))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), chosen.count)
        for model in [chosen.model] if chosen.model else MODELS:
            compare(model, Path(folder), chosen.rounds)


if __name__ == "__main__":
    main()
