"""What a checkpoint costs: how long training stands still for it, and how much slower it is while it is written.

    python benchmarks/checkpoint.py --parameters 25 350

Each figure is taken in one process, sync and async in turn. A step is forward, backward and AdamW of a chain of linear
layers with that many million parameters; a checkpoint holds three numbers for each.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn

from framework_core.training.checkpoint_io import CheckpointFolders

BATCH = 8
WAYS = ("sync", "async", "Lightning")


def network(millions: int) -> nn.Module:
    """Layers of 1024 or 4096 units, as many as it takes."""
    width = 1024 if millions < 100 else 4096
    count = max(1, round(millions * 1e6 / (width * width)))
    layers = [nn.Sequential(nn.Linear(width, width), nn.GELU()) for _ in range(count)]
    return nn.Sequential(*layers)


def writer(way: str) -> Any:
    """What writes."""
    return TorchCheckpointIO() if way == "Lightning" else CheckpointFolders(keep_last=1, asynchronous=way == "async")


def measure(millions: int, rounds: int, steps: int) -> None:
    """Print a row for each way."""
    net = network(millions)
    width = next(net.parameters()).shape[1]
    optimizer, inputs = torch.optim.AdamW(net.parameters(), fused=True), torch.randn(BATCH, width)

    def step() -> float:
        begun = time.perf_counter()
        optimizer.zero_grad()
        net(inputs).square().mean().backward()
        optimizer.step()
        return time.perf_counter() - begun

    plain = statistics.median(step() for _ in range(steps))
    seen: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for way in WAYS:
                io, path = writer(way), Path(folder) / f"{way}{number}.ckpt"
                state = {"state_dict": net.state_dict(), "optimizer_states": [optimizer.state_dict()]}
                begun = time.perf_counter()
                io.save_checkpoint(state, path)
                stall = time.perf_counter() - begun
                beside = statistics.median(step() for _ in range(steps))
                io.teardown()
                seen[way].append((stall, time.perf_counter() - begun - steps * beside, beside))
                io.remove_checkpoint(path)
                io.teardown()
    size = sum(parameter.numel() for parameter in net.parameters()) / 1e6
    for way in WAYS:
        stall, _, beside = (statistics.median(column) for column in zip(*seen[way], strict=True))
        print(f"{size:6.1f} M  {way:<9}  stall {stall / plain:7.2f} steps ({stall:6.2f} s)", end="  ")
        print(f"a step meanwhile {beside / plain:5.2f}  (step {plain:.3f} s)", flush=True)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parameters", type=int, nargs="+", default=[25], help="in millions")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    asked = parser.parse_args()
    for millions in asked.parameters:
        measure(millions, asked.rounds, asked.steps)


if __name__ == "__main__":
    main()
