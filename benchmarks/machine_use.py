"""What watching the machine costs a step: its processor, memory, disk, network and GPU, sampled beside training.

    python benchmarks/machine_use.py               the network so small that only the loop costs
    python benchmarks/machine_use.py transformer

A sample is measured by itself, and then steps of training by hand with samples and without: in one process, stretches
of half a second in turn, as a machine that does other things is quicker at one time than at another. Samples are taken
a hundred times as often as a run takes them, so that there is something to be measured. Time is that of the
processor, of all threads.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SAMPLES = 200
OFTEN = 100
"""How many times as often as usual samples are taken."""

STRETCH = 0.5
"""Seconds of steps in a stretch."""


def of_a_sample() -> list[float]:
    """Milliseconds of the processor that each sample takes, the first ones left out."""
    from framework_core.tracking.system import SystemMetrics

    metrics = SystemMetrics()
    found = []
    for _ in range(SAMPLES):
        began = time.process_time()
        metrics.sample()
        found.append((time.process_time() - began) * 1e3)
    return found[10:]


@contextmanager
def watched(seconds: float) -> Iterator[None]:
    """The machine is sampled meanwhile, by a thread as a run has one."""
    from framework_core.tracking.system import SystemMetrics

    metrics, over = SystemMetrics(), threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            metrics.sample()

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    over.set()
    thread.join()


class Training:
    """Steps of a network, by hand.

    Args:
        problem: One of those that the benchmarks share.
    """

    def __init__(self, problem: str) -> None:
        sys.path.insert(0, str(Path(__file__).parent))
        import torch
        from tasks import TASKS, dataset, loss

        torch.set_num_threads(1)
        torch.manual_seed(0)
        task = TASKS[problem]
        self.network, self.loss = task.network().train(), loss
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3)
        self.inputs, self.labels = (each[: task.batch_size] for each in dataset(task).tensors)

    def stretch(self) -> float:
        """Microseconds of the processor a step."""
        steps, began, end = 0, time.process_time(), time.perf_counter() + STRETCH
        while time.perf_counter() < end:
            self.optimizer.zero_grad()
            self.loss(self.network(self.inputs), self.labels).backward()
            self.optimizer.step()
            steps += 1
        return (time.process_time() - began) / steps * 1e6


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problem", nargs="?", default="mlp", choices=("mlp", "transformer", "resnet18"))
    parser.add_argument("--pairs", type=int, default=60, help="Stretches with samples, and as many without.")
    chosen = parser.parse_args()
    from framework_core.contracts.config import TrackingConfig

    usual = TrackingConfig().system_metrics_interval
    sample = statistics.median(of_a_sample())
    print(f"a sample: {sample:.2f} ms of the processor; every {usual:g} s that is {sample / usual / 10:.4f} % of one")
    training = Training(chosen.problem)
    training.stretch()
    without, with_samples = [], []
    for _ in range(chosen.pairs):
        without.append(training.stretch())
        with watched(usual / OFTEN):
            with_samples.append(training.stretch())
    print(f"{chosen.problem}, {chosen.pairs} stretches each, medians, microseconds of the processor a step:")
    print(f"without samples {statistics.median(without):.1f}")
    print(f"a sample every {usual / OFTEN:g} s {statistics.median(with_samples):.1f}")
    more = statistics.median(b / a - 1 for a, b in zip(without, with_samples, strict=True)) * 100
    print(f"pair by pair {more:+.2f} %; every {usual:g} s, a {OFTEN}th of that: {more / OFTEN:+.4f} %")


if __name__ == "__main__":
    main()
