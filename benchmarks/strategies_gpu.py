"""What a strategy costs and saves on one GPU: steps a second and memory in bf16, against the same training without one.

    python benchmarks/strategies_gpu.py                          350 M parameters, three interleaved rounds
    python benchmarks/strategies_gpu.py --layers 32 --width 2560     2.5 G parameters
    python benchmarks/strategies_gpu.py --cpu --layers 4 --width 128     a look at whether it runs

One transformer, AdamW, data in memory, tracking to SQLite at every step, in a process of its own for every
measurement. `none` is one GPU without a strategy, `raw` a loop by hand with bf16 autocast and a fused AdamW. On one
device a strategy that shards has nobody to share with: what it costs here is what it costs everywhere, and what it
saves comes with more devices, or where it offloads. Memory is the most that torch had taken of the GPU, on processors
what the process had. Strategies of DeepSpeed are measured where it is installed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TOKENS, WARM, STEPS = 512, 10, 40
STRATEGIES = ["none", "ddp", "fsdp2", "deepspeed_stage_2", "deepspeed_stage_3"]


class Meter:
    """Time of the steps after the first ones, and memory."""

    def __init__(self, *, gpu: bool) -> None:
        self.gpu = gpu
        self.done = 0

    def step(self) -> None:
        """Count one step."""
        self.done += 1
        if self.done == WARM:
            self.began = self._now()
        elif self.done == WARM + STEPS:
            self.ended = self._now()
            self.taken = self._memory()

    def _now(self) -> float:
        if self.gpu:
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()

    def _memory(self) -> float:
        if self.gpu:
            import torch

            return torch.cuda.max_memory_allocated() / 1e9
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9

    def report(self) -> dict[str, float]:
        """Steps a second, and gigabytes."""
        return {"rate": STEPS / (self.ended - self.began), "memory": self.taken}


def network(layers: int, width: int) -> Any:
    """A transformer over a sequence of vectors, with one logit for each class."""
    import torch
    from tasks import CLASSES
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            block = nn.TransformerEncoderLayer(width, width // 64, 4 * width, dropout=0.0, batch_first=True)
            self.encoder = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
            self.head = nn.Linear(width, CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """``(batch, tokens, width)`` to ``(batch, classes)``."""
            return self.head(self.encoder(x).mean(dim=1))

    return Network()


def samples(width: int, batch: int) -> Any:
    """Random inputs and labels: one batch, as often as there are steps."""
    import torch
    from tasks import CLASSES
    from torch.utils.data import TensorDataset

    count = (WARM + STEPS) * batch
    return TensorDataset(torch.randn(batch, TOKENS, width).repeat(WARM + STEPS, 1, 1), torch.arange(count) % CLASSES)


def raw(layers: int, width: int, batch: int, meter: Meter) -> None:
    """A loop written by hand."""
    import torch
    from torch.utils.data import DataLoader

    device = "cuda" if meter.gpu else "cpu"
    model = network(layers, width).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    for inputs, labels in DataLoader(samples(width, batch), batch_size=batch, pin_memory=meter.gpu):
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(inputs.to(device, non_blocking=True)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        meter.step()


def framework(strategy: str, layers: int, width: int, batch: int, meter: Meter) -> None:
    """``framework_core.train`` with everything on."""
    import torch
    from tasks import CLASSES

    import framework_core
    from framework_core import BaseDataModule, BaseModel, DataSpec, register_dataset, register_model

    @register_model("benchmark")
    class Model(BaseModel):
        def _build_model(self) -> Any:
            return network(layers, width)

        def loss(self, outputs: Any, target: Any) -> Any:
            return torch.nn.functional.cross_entropy(outputs, target)

        def on_train_batch_end(self, *arguments: Any) -> None:
            meter.step()

    @register_dataset("benchmark")
    class Data(BaseDataModule):
        in_memory = True

        def setup(self, stage: str | None = None) -> None:
            self.train_dataset = samples(width, batch)

        def data_spec(self) -> DataSpec:
            names = tuple(str(index) for index in range(CLASSES))
            return DataSpec(task="classification", input_shape=(TOKENS, width), class_names=names)

    settings = ["model=benchmark", "dataset=benchmark", f"dataset.batch_size={batch}", "trainer.max_epochs=1"]
    settings += ["trainer.precision=bf16-mixed", f"trainer.accelerator={'gpu' if meter.gpu else 'cpu'}"]
    settings += ["optimizer.lr=1e-4", "mlops.report=false", "trainer.enable_checkpointing=false"]
    if strategy != "none":
        settings += [f"strategy={strategy}", "distributed.enabled=true", "distributed.devices=1"]
    framework_core.train(framework_core.compose(settings).config)


def measure(name: str, layers: int, width: int, batch: int, file: Path, *, gpu: bool) -> None:
    """One measurement."""
    sys.path.insert(0, str(HERE))
    import torch

    torch.manual_seed(0)
    meter = Meter(gpu=gpu)
    if name == "raw":
        raw(layers, width, batch, meter)
    else:
        framework(name, layers, width, batch, meter)
    file.write_text(json.dumps(meter.report()))


def measured(name: str, options: argparse.Namespace) -> dict[str, float]:
    """One measurement, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        sizes = ["--layers", str(options.layers), "--width", str(options.width), "--batch", str(options.batch)]
        command = [sys.executable, str(Path(__file__).resolve()), *sizes, "--only", name, str(file)]
        command += ["--cpu"] if options.cpu else []
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
        figures: dict[str, float] = json.loads(file.read_text())
        return figures


def show(found: dict[str, list[dict[str, float]]]) -> None:
    """Medians, and ratios taken inside their round."""
    print("| training | steps/s | none = 1 | memory, GB | none = 1 |\n|---|---|---|---|---|")
    for name, figures in found.items():
        words = [name]
        for key in ("rate", "memory"):
            ratios = [each[key] / base[key] for each, base in zip(figures, found["none"], strict=True)]
            words += [f"{statistics.median(each[key] for each in figures):.2f}"]
            words += [f"{statistics.median(ratios):.2f}"]
        print(f"| {' | '.join(words)} |")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", nargs="*", default=STRATEGIES)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu", action="store_true", help="on processors, to see that it runs")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        name, file = chosen.only
        measure(name, chosen.layers, chosen.width, chosen.batch, Path(file), gpu=not chosen.cpu)
        return
    names = ["none", "raw", *(name for name in chosen.strategies if name != "none")]
    if not find_spec("deepspeed"):
        names = [name for name in names if not name.startswith("deepspeed")]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(chosen.rounds):
        for name, figures in found.items():
            figures.append(measured(name, chosen))
            print(name, figures[-1], file=sys.stderr, flush=True)
    show(found)


if __name__ == "__main__":
    main()
