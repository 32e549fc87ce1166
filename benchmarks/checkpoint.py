"""What a checkpoint costs: how long training stands still for it, and what it costs in all, in steps.

    python benchmarks/checkpoint.py --parameters 25 350

A step is forward, backward and AdamW of a chain of linear layers with that many million parameters; a checkpoint holds
three numbers for each. All is measured in one process: in each round, steps with no checkpoint, and then one checkpoint
of each kind in turn with as many steps after it as its writing lasts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn

from framework_core.training.checkpoint_io import CheckpointFolders

WAYS = ("sync", "async", "Lightning")


class Cost(NamedTuple):
    """What one checkpoint cost, in steps."""

    stall: float
    """How long training stood still."""

    whole: float
    """The stall, and what steps took longer while it was written."""

    seconds: float
    """The stall in seconds."""


def network(millions: int) -> nn.Module:
    """Layers of 1024 or 4096 units, as many as it takes."""
    width = 1024 if millions < 100 else 4096
    count = max(1, round(millions * 1e6 / (width * width)))
    layers = [nn.Sequential(nn.Linear(width, width), nn.GELU()) for _ in range(count)]
    return nn.Sequential(*layers)


def writer(way: str) -> Any:
    """What writes."""
    return TorchCheckpointIO() if way == "Lightning" else CheckpointFolders(keep_last=1, asynchronous=way == "async")


class Training:
    """A network that learns nothing.

    Args:
        millions: Its parameters.
        batch_size: Samples in a step.
    """

    def __init__(self, millions: int, batch_size: int) -> None:
        self.network = network(millions)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), fused=True)
        self._inputs = torch.randn(batch_size, next(self.network.parameters()).shape[1])

    def step(self) -> float:
        """One step; its seconds."""
        begun = time.perf_counter()
        self.optimizer.zero_grad()
        self.network(self._inputs).square().mean().backward()
        self.optimizer.step()
        return time.perf_counter() - begun

    def checkpoint(self, way: str, folder: Path, plain: float, steps: int) -> Cost:
        """Write one and go on training, at least as long as it is written."""
        io, path = writer(way), folder / f"{way}.ckpt"
        state = {"state_dict": self.network.state_dict(), "optimizer_states": [self.optimizer.state_dict()]}
        begun = time.perf_counter()
        io.save_checkpoint(state, path)
        stall = time.perf_counter() - begun
        taken = 0
        while taken < steps or (way == "async" and not path.exists()):
            self.step()
            taken += 1
        io.teardown()
        whole = time.perf_counter() - begun - taken * plain
        io.remove_checkpoint(path)
        io.teardown()
        return Cost(stall / plain, whole / plain, stall)


def measure(millions: int, batch_size: int, rounds: int, steps: int) -> None:
    """Print a row for each way."""
    training = Training(millions, batch_size)
    training.step()
    seen: dict[str, list[Cost]] = {way: [] for way in WAYS}
    plain = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            usual = statistics.median(training.step() for _ in range(steps))
            plain.append(usual)
            for way in WAYS:
                seen[way].append(training.checkpoint(way, Path(folder), usual, steps))
    size = sum(parameter.numel() for parameter in training.network.parameters()) / 1e6
    step = statistics.median(plain)
    for way in WAYS:
        stall, whole, seconds = (statistics.median(column) for column in zip(*seen[way], strict=True))
        print(
            f"| {size:.0f} M, a step of {step:.2f} s | {way} | {seconds:.2f} | {stall:.2f} | {whole:.2f} |", flush=True
        )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parameters", type=int, nargs="+", default=[25], help="in millions")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="after each checkpoint, at least")
    asked = parser.parse_args()
    print("| model | checkpoint | stall, s | stall, steps | in all, steps |\n|---|---|---|---|---|")
    for millions in asked.parameters:
        measure(millions, asked.batch_size, asked.rounds, asked.steps)


if __name__ == "__main__":
    main()
