"""Training on a GPU: images a second of `fw train` on JPEG files against a loop by hand that has nothing to load.

    python benchmarks/vision_gpu.py                          ResNet-50 and ViT-B/16, three interleaved rounds
    python benchmarks/vision_gpu.py resnet50 --compile       with torch.compile, in both

`resident` is the loop by hand: bf16 autocast, channels last for convolutions, a fused AdamW, no look at the loss, and
batches that lie in the GPU's memory already. No loop that has to load anything is faster, so a share of it is a share
of what the GPU can do. `framework` is `fw train` out of the box (bf16, channels last and the fused optimizer are its
own choice on such a GPU), from JPEG files of 500x375 on, with random crops and mirror images, tracking, progress,
checks of the loss and checkpoints. `loading` is its loader alone. Both train the same network of timm's on 224x224 in
batches of 256.

Every measurement is a process of its own. The first steps, in which memory is taken and kernels are chosen, are not
counted.
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
MODELS = ("resnet50", "vit_base_patch16_224")
SIDE, BATCH, CLASSES = 224, 256, 2
WARM, STEPS = 40, 60
DISTINCT = 512
"""Different images; a training set holds each several times, under names of their own."""


def resident(name: str, folder: Path, compiled: bool) -> dict[str, float]:
    """Steps by hand on batches in the GPU's memory."""
    import timm
    import torch

    model: Any = timm.create_model(name, num_classes=CLASSES).cuda().train()
    layout = torch.channels_last if name.startswith("resnet") else torch.contiguous_format
    model = model.to(memory_format=layout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    if compiled:
        model.compile()
    images = [torch.randn(BATCH, 3, SIDE, SIDE, device="cuda").to(memory_format=layout) for _ in range(4)]
    targets = [torch.randint(CLASSES, (BATCH,), device="cuda") for _ in range(4)]
    torch.set_float32_matmul_precision("high")
    for step in range(WARM + STEPS):
        if step == WARM:
            torch.cuda.synchronize()
            began = time.perf_counter()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(images[step % 4]), targets[step % 4])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.cuda.synchronize()
    return {
        "images": STEPS * BATCH / (time.perf_counter() - began),
        "memory": torch.cuda.max_memory_allocated() / 2**30,
    }


def framework(name: str, folder: Path, compiled: bool) -> dict[str, float]:
    """``fw train``."""
    import torch
    from lightning.pytorch import Callback

    import framework_core

    times: list[float] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx in (WARM - 1, WARM + STEPS - 1):
                torch.cuda.synchronize()
                times.append(time.perf_counter())

    settings = [*_settings(name, folder), "trainer.max_epochs=1", f"performance.compile={str(compiled).lower()}"]
    framework_core.train(framework_core.compose(settings).config, callbacks=[Watch()])
    images = STEPS * BATCH / (times[1] - times[0])
    return {"images": images, "memory": torch.cuda.max_memory_allocated() / 2**30}


def loading(name: str, folder: Path, compiled: bool) -> dict[str, float]:
    """The loader alone, in as many processes as training takes."""
    import framework_core
    from framework_core.training.preparation import prepare

    prepared = prepare(framework_core.compose(_settings(name, folder)).config)
    # As where a Trainer on a GPU asks for them.
    vars(prepared.datamodule)["_feeds_a_gpu"] = lambda: True
    batches = iter(prepared.datamodule.train_dataloader())
    for _ in range(WARM):
        next(batches)
    began = time.perf_counter()
    for _ in range(STEPS):
        next(batches)
    return {"images": STEPS * BATCH / (time.perf_counter() - began), "memory": 0.0}


def _settings(name: str, folder: Path) -> list[str]:
    data = [f"dataset.path={folder}", f"dataset.batch_size={BATCH}", "dataset.verify=none", "dataset.cache=none"]
    data += ["duplicates.action=ignore", f"dataset.image_size={SIDE}"]
    return [f"model={name}", "dataset=image_folder", *data]


RUNS: dict[str, Callable[[str, Path, bool], dict[str, float]]] = {
    "resident": resident,
    "framework": framework,
    "loading": loading,
}


def make(folder: Path) -> None:
    """Class folders of JPEG files to train on, and a few others to validate and test."""
    sys.path.insert(0, str(HERE))
    import image_loading

    image_loading.make(folder / "train", (500, 375), DISTINCT)
    for split in ("val", "test"):
        image_loading.make(folder / split, (256, 192), 16)
    files = [*(folder / "train").rglob("*.jpg")]
    for again in range(-(-(WARM + STEPS) * BATCH // DISTINCT) - 1):
        for file in files:
            os.link(file, file.with_name(f"{again}-{file.name}"))


def measured(model: str, run: str, folder: Path, compiled: bool) -> dict[str, float]:
    """One measurement, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, __file__, model, "--run", run, "--images", str(folder)]
        environment = {**os.environ, "FRAMEWORK_CACHE": str(Path(place) / "cache")}
        command += ["--compile"] if compiled else []
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(model: str, folder: Path, rounds: int, compiled: bool) -> None:
    """Print the medians, and the share of the loop by hand."""
    found = {"loading": [measured(model, "loading", folder, compiled)], "resident": [], "framework": []}
    for _ in range(rounds):
        for run in ("resident", "framework"):
            found[run].append(measured(model, run, folder, compiled))
    pairs = zip(found["framework"], found["resident"], strict=True)
    share = statistics.median(ours["images"] / theirs["images"] for ours, theirs in pairs)
    print(f"\n{model}{', compiled' if compiled else ''}: {share:.3f} of the loop by hand")
    print("| run | images/s | GiB |\n|---|---|---|")
    for run, each in found.items():
        images, memory = (statistics.median(one[what] for one in each) for what in ("images", "memory"))
        print(f"| {run} | {images:,.0f} | {memory:.1f} |", flush=True)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", choices=MODELS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="compile the network")
    parser.add_argument("--run", choices=list(RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--images", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        with redirect_stdout(sys.stderr):
            result = RUNS[chosen.run](chosen.model, chosen.images, chosen.compile)
        print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        for model in [chosen.model] if chosen.model else MODELS:
            compare(model, Path(folder), chosen.rounds, chosen.compile)


if __name__ == "__main__":
    main()
