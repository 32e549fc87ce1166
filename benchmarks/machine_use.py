"""What watching the machine costs a step: its processor, memory, disk, network and GPU, sampled beside training.

    python benchmarks/machine_use.py               a network of three layers, three rounds
    python benchmarks/machine_use.py --rounds 5

A sample is measured by itself, and then training with samples and without: each run is a process of its own, the runs
are interleaved, and the difference is taken inside each round. Time is that of the processor, of all threads. A run
takes some seconds, so samples are taken each second there: ten times as often as a run takes them by default.
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
from contextlib import redirect_stdout
from pathlib import Path

HERE = Path(__file__).parent
SAMPLES = 200
STEPS = 4_000
SECONDS = 1.0
"""Between the samples of a run that is measured."""


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


def train(*, watched: bool) -> None:
    """One run, in this process; prints microseconds of the processor a step."""
    sys.path.insert(0, str(HERE))
    import torch
    from tasks import TASKS, dataset
    from training_loop import Stopwatch, train_framework

    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = TASKS["mlp"]._replace(steps=STEPS)
    watch = Stopwatch(task.steps)
    use = [f"mlops.tracking.system_metrics={str(watched).lower()}"]
    use += [f"mlops.tracking.system_metrics_interval={SECONDS}"] if watched else []
    with redirect_stdout(sys.stderr):
        train_framework(task, watch, dataset(task), *use)
    print(json.dumps(watch.report()))


def trained(*, watched: bool) -> dict[str, float]:
    """One run, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--only", "with" if watched else "without"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"A run failed:\n{done.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("with", "without"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        train(watched=chosen.only == "with")
        return
    from framework_core.contracts.config import TrackingConfig

    usual = TrackingConfig().system_metrics_interval
    sample = statistics.median(of_a_sample())
    print(f"a sample: {sample:.2f} ms of the processor; every {usual:g} s that is {sample / usual / 10:.3f} % of one")
    pairs = [(trained(watched=False), trained(watched=True)) for _ in range(chosen.rounds)]
    print("| samples | CPU, us a step | wall, us a step |\n|---|---|---|")
    for name, side in (("none", 0), (f"every {SECONDS:g} s", 1)):
        cpu, wall = (statistics.median(pair[side][key] for pair in pairs) * 1e6 for key in ("cpu", "wall"))
        print(f"| {name} | {cpu:.1f} | {wall:.1f} |")
    for key in ("cpu", "wall"):
        more = [(pair[1][key] / pair[0][key] - 1) * 100 for pair in pairs]
        rounds = ", ".join(f"{each:+.2f} %" for each in more)
        print(f"more {key}, by round: {rounds}; median {statistics.median(more):+.2f} %")


if __name__ == "__main__":
    main()
