"""What recording two points costs a step: through the journal, and through MLflow's own calls.

    python benchmarks/journal.py                three rounds
    python benchmarks/journal.py --rounds 5

A point is a loss, as a tensor, and a learning rate. Times are of the processor: of the thread that trains, and of the
whole process, with the thread that writes the journal; nothing is sent from it. MLflow writes to SQLite.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mlflow import MlflowClient
from mlflow.entities import Metric

from framework_core.tracking.journal import Journal
from framework_core.tracking.writer import JournalWriter

STEPS = {"journal": 20_000, "MLflow, asynchronous": 1000, "MLflow": 300}
CHECKPOINTS = 50

Measured = tuple[float, float]


def timed(steps: int, step: Callable[[int], None], finish: Callable[[], None]) -> Measured:
    """Microseconds of the processor a step: of this thread, and of the process."""
    thread, process = time.thread_time(), time.process_time()
    for index in range(steps):
        step(index)
    own = time.thread_time() - thread
    finish()
    return own / steps * 1e6, (time.process_time() - process) / steps * 1e6


def journal(folder: Path, steps: int) -> Measured:
    """As a run does."""
    writer = JournalWriter(Journal(folder))
    loss = torch.tensor(0.5)
    return timed(steps, lambda step: writer.write({"train/loss": loss, "lr": 0.001}, step), writer.close)


def mlflow_asynchronous(folder: Path, steps: int) -> Measured:
    """MLflow's own thread."""
    return _mlflow(folder, steps, synchronous=False)


def mlflow(folder: Path, steps: int) -> Measured:
    """A call that waits for its answer."""
    return _mlflow(folder, steps, synchronous=True)


def _mlflow(folder: Path, steps: int, *, synchronous: bool) -> Measured:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    run_id = client.create_run("0").info.run_id
    loss = torch.tensor(0.5)
    sent: list[Any] = []

    def step(index: int) -> None:
        values = {"train/loss": float(loss), "lr": 0.001}
        metrics = [Metric(key, value, int(time.time() * 1000), index) for key, value in values.items()]
        sent.append(client.log_batch(run_id, metrics=metrics, synchronous=synchronous))

    return timed(steps, step, lambda: None if synchronous else [each.wait() for each in sent])


def checkpoint(folder: Path) -> float:
    """Milliseconds that a checkpoint waits until the points before it are in the journal."""
    writer = JournalWriter(Journal(folder))
    waited = []
    for step in range(CHECKPOINTS):
        for point in range(20):
            writer.write({"train/loss": torch.tensor(0.5)}, 20 * step + point)
        before = time.perf_counter()
        writer.checkpoint(step)
        waited.append(time.perf_counter() - before)
    writer.close()
    return statistics.median(waited) * 1e3


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    ways = dict(zip(STEPS, (journal, mlflow_asynchronous, mlflow), strict=True))
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    waits = []
    for _ in range(rounds):
        for name, measure in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(measure(Path(folder), STEPS[name]))
        with tempfile.TemporaryDirectory() as folder:
            waits.append(checkpoint(Path(folder)))
    print(f"medians of {rounds} rounds\n| way | training thread, us a step | whole process, us a step |\n|---|---|---|")
    for name, times in found.items():
        own, whole = (statistics.median(each[index] for each in times) for index in (0, 1))
        print(f"| {name} | {own:.1f} | {whole:.1f} |")
    print(f"a checkpoint waits {statistics.median(waits):.2f} ms for the journal")


if __name__ == "__main__":
    main()
