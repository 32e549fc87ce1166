"""What a trainer adds to a step of several processes, and how long they take to the first: against hand-written loops.

    python benchmarks/several_processes.py               DDP and FSDP2 on 2 processes; 1, 2 and 4 to the first step
    python benchmarks/several_processes.py --problems transformer --rounds 5 --starts

All are started by torchrun and train the same network with AdamW on the same data in memory, each process on a thread
of its own with its part of every batch, and exchange by gloo. The rounds are interleaved, and a ratio is taken inside
its round. The framework has everything on: tracking to SQLite, progress, checkpoints, system metrics; Lightning has its
defaults, a CSV log and a bar, and is measured by DDP. The time to the first step begins where the command is typed, and
ends when the first process has taken it; there the framework is measured too where it starts its processes itself.
Where there are fewer cores than processes, they take turns, and the figures say little.
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
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BEGAN = "BENCHMARK_BEGAN"
"""Environment variable: when the command was typed."""

PROCESSES = "BENCHMARK_PROCESSES"
"""Environment variable: how many train."""


class Steps:
    """The stopwatch of ``training_loop``, and when the first step was over."""

    def __init__(self, watch: Any) -> None:
        self._watch = watch
        self.first = 0.0

    def step(self) -> None:
        """Count one step."""
        self.first = self.first or time.time() - float(os.environ[BEGAN])
        self._watch.step()


def raw(task: Any, steps: Steps, strategy: str) -> None:
    """A loop written by hand around torch's own DDP or FSDP2."""
    import torch
    from tasks import dataset, loss
    from torch import distributed
    from torch.utils.data import DataLoader, DistributedSampler
    from training_loop import LR

    distributed.init_process_group("gloo")
    network = task.network().train()
    if strategy == "ddp":
        network = torch.nn.parallel.DistributedDataParallel(network)
    else:
        from torch.distributed.fsdp import fully_shard

        from framework_core.training.strategies.blocks import blocks_of

        for part in [*blocks_of(network), network]:
            fully_shard(part)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    samples = dataset(task)
    sampler: Any = DistributedSampler(samples)
    batch = task.batch_size // distributed.get_world_size()
    for inputs, labels in DataLoader(samples, batch_size=batch, sampler=sampler):
        optimizer.zero_grad()
        loss(network(inputs), labels).backward()
        optimizer.step()
        steps.step()
    distributed.destroy_process_group()


def framework(task: Any, steps: Steps, strategy: str) -> None:
    """``framework_core.train`` with everything on."""
    from tasks import dataset
    from training_loop import train_framework

    processes = int(os.environ[PROCESSES])
    together = ["distributed.enabled=true", f"distributed.devices={processes}", f"strategy={strategy}"]
    train_framework(task, steps, dataset(task), *(together if processes > 1 else ()))


def lightning(task: Any, steps: Steps, strategy: str) -> None:
    """Lightning with its defaults; its loader has the batch of one process."""
    from training_loop import _lightning

    processes = int(os.environ[PROCESSES])
    own = task._replace(batch_size=task.batch_size // processes, steps=task.steps * processes)
    _lightning(own, steps, log=True, devices=processes, strategy=strategy if processes > 1 else "auto")


TRAINERS: dict[str, Callable[[Any, Steps, str], None]] = {
    "raw": raw,
    "framework": framework,
    "lightning": lightning,
    "framework_alone": framework,
}

STEPS = {"ddp": ("raw", "framework", "lightning"), "fsdp2": ("raw", "framework")}
"""Whose steps are measured: started one way or the other, they are the same."""

FEW_STEPS = 20
"""Where only the time to the first is asked for."""

ALONE = ("framework_alone",)
"""What starts its other processes itself."""


def measure(trainer: str, problem: str, strategy: str, file: Path, steps_at_most: int) -> None:
    """One process of a measurement; the first writes its figures."""
    sys.path.insert(0, str(HERE))
    import torch
    from tasks import TASKS
    from training_loop import Stopwatch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = TASKS[problem]
    task = task._replace(steps=min(task.steps, steps_at_most))
    watch = Stopwatch(task.steps)
    steps = Steps(watch)
    TRAINERS[trainer](task, steps, strategy)
    if os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0":
        file.write_text(json.dumps({**watch.report(), "first": steps.first}))


def measured(trainer: str, problem: str, strategy: str, processes: int, steps: int) -> dict[str, float]:
    """One measurement, in processes and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        only = [str(Path(__file__).resolve()), "--only", trainer, problem, strategy, str(file), str(steps)]
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command = [sys.executable, *(() if trainer in ALONE else torchrun), *only]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", PROCESSES: str(processes), BEGAN: repr(time.time())}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{trainer} on {problem} by {strategy} failed:\n{done.stderr[-3000:]}")
        figures: dict[str, float] = json.loads(file.read_text())
        return figures


def rounds_of(
    trainers: Iterable[str], problem: str, strategy: str, processes: int, rounds: int, steps: int = sys.maxsize
) -> dict[str, list[dict[str, float]]]:
    """Every trainer's figures, round by round."""
    found: dict[str, list[dict[str, float]]] = {trainer: [] for trainer in trainers}
    for _ in range(rounds):
        for trainer, figures in found.items():
            figures.append(measured(trainer, problem, strategy, processes, steps))
    return found


def ratio(found: dict[str, list[dict[str, float]]], trainer: str) -> float:
    """How fast a trainer is where the loop by hand is 1, taken inside each round."""
    pairs = zip(found["raw"], found[trainer], strict=True)
    return statistics.median(raw["wall"] / other["wall"] for raw, other in pairs)


def median(figures: list[dict[str, float]], key: str) -> float:
    """Of all rounds."""
    return statistics.median(each[key] for each in figures)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="*", default=["mlp", "transformer", "resnet18"])
    parser.add_argument("--strategies", nargs="*", default=["ddp", "fsdp2"])
    parser.add_argument("--starts", nargs="*", type=int, default=[1, 2, 4], help="processes to the first step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs=5, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        trainer, problem, strategy, file, steps = chosen.only
        measure(trainer, problem, strategy, Path(file), int(steps))
        return
    print(f"2 processes, medians of {chosen.rounds} interleaved rounds; {len(os.sched_getaffinity(0))} cores")
    print("| problem | strategy | trainer | steps/s | raw = 1 |\n|---|---|---|---|---|")
    for problem in chosen.problems:
        for strategy in chosen.strategies:
            found = rounds_of(STEPS[strategy], problem, strategy, 2, chosen.rounds)
            for trainer, figures in found.items():
                speed = f"{1 / median(figures, 'wall'):.1f}"
                print(f"| {problem} | {strategy} | {trainer} | {speed} | {ratio(found, trainer):.3f} |", flush=True)
    if chosen.starts:
        titles = " | ".join(TRAINERS)
        print(f"\n| seconds to the first step of | {titles} |\n|---|{'---|' * len(TRAINERS)}")
    for processes in chosen.starts:
        found = rounds_of(TRAINERS, "transformer", "ddp", processes, chosen.rounds, FEW_STEPS)
        times = " | ".join(f"{median(figures, 'first'):.1f}" for figures in found.values())
        print(f"| {processes} | {times} |", flush=True)


if __name__ == "__main__":
    main()
