"""What a trainer adds to a step: steps per second and processor time, against a hand-written loop.

    python benchmarks/training_loop.py                     all problems, all trainers, three rounds
    python benchmarks/training_loop.py mlp --rounds 5      one problem

Every measurement is a process of its own; the rounds are interleaved, and a ratio is taken inside its round. All
train the same network on the same data in memory with AdamW and a batch order of their own, on one thread. The
framework has everything on: tracking to SQLite, progress, checkpoints, system metrics. Lightning is measured
without logging, with its defaults, and with MLflow at every step.
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
LR = 1e-3


class Stopwatch:
    """Wall and processor time of the steps after the first ones."""

    warmup = 0.1

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.skipped = int(steps * self.warmup)
        self.done = 0

    def step(self) -> None:
        """Count one step."""
        self.done += 1
        if self.done == self.skipped:
            self.start = time.perf_counter(), time.process_time()
        elif self.done == self.steps:
            self.end = time.perf_counter(), time.process_time()

    def report(self) -> dict[str, float]:
        """Seconds a step."""
        measured = self.steps - self.skipped
        wall, cpu = (after - before for before, after in zip(self.start, self.end, strict=True))
        return {"wall": wall / measured, "cpu": cpu / measured}


def raw(task: Any, watch: Stopwatch) -> None:
    """A loop written by hand."""
    import torch
    from tasks import dataset, loss

    network = task.network().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    for inputs, labels in torch.utils.data.DataLoader(dataset(task), batch_size=task.batch_size, shuffle=True):
        optimizer.zero_grad()
        loss(network(inputs), labels).backward()
        optimizer.step()
        watch.step()


def framework(task: Any, watch: Stopwatch) -> None:
    """``framework_core.train`` with everything on; tensors in memory are taken a batch at a time."""
    from tasks import dataset

    train_framework(task, watch, dataset(task))


def framework_by_sample(task: Any, watch: Stopwatch) -> None:
    """The same on a dataset that gives one sample at a time, as the others take it."""
    from tasks import BySample, dataset

    train_framework(task, watch, BySample(dataset(task)))


def train_framework(task: Any, watch: Any, train_dataset: Any, *more: str) -> None:
    """``framework_core.train`` with everything on.

    Args:
        task: The problem.
        watch: Its ``step`` is called after each step.
        train_dataset: The data.
        *more: Settings.
    """
    from tasks import CLASSES, loss

    import framework_core
    from framework_core import BaseDataModule, BaseModel, DataSpec, register_dataset, register_model

    @register_model("benchmark")
    class Model(BaseModel):
        def _build_model(self) -> Any:
            return task.network()

        def loss(self, outputs: Any, target: Any) -> Any:
            return loss(outputs, target)

        def on_train_batch_end(self, *arguments: Any) -> None:
            watch.step()

    @register_dataset("benchmark")
    class Data(BaseDataModule):
        in_memory = True

        def setup(self, stage: str | None = None) -> None:
            self.train_dataset = train_dataset

        def data_spec(self) -> DataSpec:
            names = tuple(str(index) for index in range(CLASSES))
            return DataSpec(task="classification", input_shape=task.input_shape, class_names=names)

    settings = ["model=benchmark", "dataset=benchmark", f"dataset.batch_size={task.batch_size}"]
    settings += ["trainer.max_epochs=1", "trainer.accelerator=cpu", "optimizer.decay_norm_and_bias=true"]
    framework_core.train(framework_core.compose([*settings, *more]).config)


def _lightning(task: Any, watch: Stopwatch, *, log: bool, **arguments: Any) -> None:
    import logging
    import warnings

    import torch
    from lightning.pytorch import LightningModule, Trainer
    from tasks import dataset, loss

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Model(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = task.network()

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            inputs, labels = batch
            found = loss(self.network(inputs), labels)
            if log:
                self.log("loss", found, prog_bar=True)
            return found

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=LR)

        def on_train_batch_end(self, *given: Any) -> None:
            watch.step()

    loader = torch.utils.data.DataLoader(dataset(task), batch_size=task.batch_size, shuffle=True)
    Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **arguments).fit(Model(), loader)


def lightning_bare(task: Any, watch: Stopwatch) -> None:
    """Lightning without logging, progress and checkpoints."""
    _lightning(task, watch, log=False, logger=False, enable_progress_bar=False, enable_checkpointing=False)


def lightning_default(task: Any, watch: Stopwatch) -> None:
    """Lightning as it comes: CSV log, progress bar, checkpoints."""
    _lightning(task, watch, log=True)


def lightning_mlflow(task: Any, watch: Stopwatch) -> None:
    """Lightning with its MLflow logger at every step."""
    from lightning.pytorch.loggers import MLFlowLogger

    logger = MLFlowLogger("benchmark", tracking_uri="sqlite:///lightning.db")
    _lightning(task, watch, log=True, logger=logger, log_every_n_steps=1)


def hf_trainer(task: Any, watch: Stopwatch) -> None:
    """transformers.Trainer with its default logging, without reports elsewhere."""
    import torch
    from tasks import dataset, loss
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = task.network()

        def forward(self, inputs: Any, labels: Any) -> Any:
            outputs = self.network(inputs)
            return {"loss": loss(outputs, labels), "logits": outputs}

    class Watching(TrainerCallback):
        def on_step_end(self, *given: Any, **named: Any) -> None:
            watch.step()

    def collate(samples: Any) -> dict[str, Any]:
        inputs, labels = zip(*samples, strict=True)
        return {"inputs": torch.stack(inputs), "labels": torch.stack(labels)}

    arguments = TrainingArguments(
        output_dir="hf",
        per_device_train_batch_size=task.batch_size,
        num_train_epochs=1,
        learning_rate=LR,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        remove_unused_columns=False,
        max_grad_norm=0.0,
        optim="adamw_torch",
    )
    Trainer(Model(), arguments, train_dataset=dataset(task), data_collator=collate, callbacks=[Watching()]).train()


def accelerate(task: Any, watch: Stopwatch) -> None:
    """A hand-written loop through Accelerate."""
    import torch
    from accelerate import Accelerator
    from tasks import dataset, loss

    accelerator = Accelerator(cpu=True)
    network = task.network().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    loader = torch.utils.data.DataLoader(dataset(task), batch_size=task.batch_size, shuffle=True)
    network, optimizer, loader = accelerator.prepare(network, optimizer, loader)
    for inputs, labels in loader:
        optimizer.zero_grad()
        accelerator.backward(loss(network(inputs), labels))
        optimizer.step()
        watch.step()


TRAINERS: dict[str, Callable[[Any, Stopwatch], None]] = {
    "raw": raw,
    "framework": framework,
    "framework_by_sample": framework_by_sample,
    "lightning_bare": lightning_bare,
    "lightning_default": lightning_default,
    "lightning_mlflow": lightning_mlflow,
    "hf_trainer": hf_trainer,
    "accelerate": accelerate,
}


def measure(trainer: str, problem: str) -> None:
    """One measurement, in this process; prints its figures."""
    sys.path.insert(0, str(HERE))
    import torch
    from tasks import TASKS

    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = TASKS[problem]
    watch = Stopwatch(task.steps)
    with redirect_stdout(sys.stderr):
        TRAINERS[trainer](task, watch)
    print(json.dumps(watch.report()))


def measured(trainer: str, problem: str) -> dict[str, float]:
    """One measurement, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), problem, "--only", trainer]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{trainer} on {problem} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def compare(problem: str, trainers: list[str], rounds: int) -> None:
    """Print each trainer's figures, and its ratios to the hand-written loop."""
    found: dict[str, list[dict[str, float]]] = {trainer: [] for trainer in trainers}
    for _ in range(rounds):
        for trainer in trainers:
            found[trainer].append(measured(trainer, problem))
    print(f"\n{problem}: medians of {rounds} interleaved rounds")
    print("| trainer | steps/s | CPU ms a step | wall, raw = 1 | CPU, raw = 1 |\n|---|---|---|---|---|")
    for trainer, figures in found.items():
        wall = statistics.median(each["wall"] for each in figures)
        cpu = statistics.median(each["cpu"] for each in figures)
        ratios = {
            key: statistics.median(a[key] / b[key] for a, b in zip(figures, found["raw"], strict=True))
            for key in ("wall", "cpu")
        }
        print(
            f"| {trainer} | {1 / wall:.1f} | {cpu * 1e3:.3f} | {ratios['wall']:.2f} | {ratios['cpu']:.2f} |",
            flush=True,
        )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", default=["mlp", "transformer", "resnet18"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trainers", nargs="*", default=list(TRAINERS), choices=list(TRAINERS))
    parser.add_argument("--only", choices=list(TRAINERS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        measure(chosen.only, chosen.problems[0])
        return
    for problem in chosen.problems:
        compare(problem, list(dict.fromkeys(["raw", *chosen.trainers])), chosen.rounds)


if __name__ == "__main__":
    main()
