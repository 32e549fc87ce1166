"""How long a killed run takes until it does something new: from SIGKILL to the end of the first step not made before.

    python benchmarks/resume.py                 all trainers, five rounds
    python benchmarks/resume.py --rounds 1      a look

All train the same transformer on the same data in memory, with AdamW, on one thread, and write a checkpoint every 25
steps. Each is killed at its 60th step, started again at once with its own way to continue, and timed until it ends a
step with a higher number: starting, finding and reading the checkpoint, and the steps that are made once more.
Every process is new; the rounds are interleaved.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
STEPS = Path("steps.txt")
EVERY, KILLED_AT, EPOCHS = 25, 60, 3
LR = 1e-3


def ended(step: int) -> None:
    """Note the end of a step."""
    with STEPS.open("a") as file:
        file.write(f"{step} {time.monotonic()} {time.process_time()}\n")


def framework(*words: str) -> None:
    """``fw train --resume auto``, with everything on."""
    from tasks import CLASSES, TASKS, dataset, loss

    from framework_core import BaseDataModule, BaseModel, DataSpec, register_dataset, register_model
    from framework_core.cli.program import main

    task = TASKS["transformer"]

    @register_model("benchmark")
    class Model(BaseModel):
        def _build_model(self) -> Any:
            return task.network()

        def loss(self, outputs: Any, target: Any) -> Any:
            return loss(outputs, target)

        def on_train_batch_end(self, *given: Any) -> None:
            ended(self.trainer.global_step)

    @register_dataset("benchmark")
    class Data(BaseDataModule):
        in_memory = True

        def setup(self, stage: str | None = None) -> None:
            self.train_dataset = dataset(task)

        def data_spec(self) -> DataSpec:
            names = tuple(str(index) for index in range(CLASSES))
            return DataSpec(task="classification", input_shape=task.input_shape, class_names=names)

    settings = [f"dataset.batch_size={task.batch_size}", f"trainer.max_epochs={EPOCHS}", "trainer.accelerator=cpu"]
    settings += [f"checkpoint.every_n_train_steps={EVERY}", *words]
    main(["train", "--model", "benchmark", "--dataset", "benchmark", "--resume", "auto", *settings])


def framework_untracked() -> None:
    """The same with checkpoints, and without records, progress and report: what Lightning is measured with."""
    framework("mlops.tracking.backend=none", "mlops.report=false", "trainer.enable_progress_bar=false")


def lightning() -> None:
    """Lightning's ``Trainer.fit(ckpt_path=...)``, without a logger and progress."""
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint
    from tasks import TASKS, dataset, loss

    task = TASKS["transformer"]

    class Model(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = task.network()

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            inputs, labels = batch
            return loss(self.network(inputs), labels)

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=LR)

        def on_train_batch_end(self, *given: Any) -> None:
            ended(self.trainer.global_step)

    loader = torch.utils.data.DataLoader(dataset(task), batch_size=task.batch_size, shuffle=True)
    kept = ModelCheckpoint(dirpath="checkpoints", every_n_train_steps=EVERY, save_last=True)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(max_epochs=EPOCHS, accelerator="cpu", callbacks=[kept], **quiet)
    newest = Path("checkpoints/last.ckpt")
    trainer.fit(Model(), loader, ckpt_path=newest if newest.exists() else None)


def hf_trainer() -> None:
    """transformers.Trainer with ``resume_from_checkpoint=True``."""
    import torch
    from tasks import TASKS, dataset, loss
    from transformers import Trainer, TrainerCallback, TrainingArguments

    task = TASKS["transformer"]

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = task.network()

        def forward(self, inputs: Any, labels: Any) -> Any:
            outputs = self.network(inputs)
            return {"loss": loss(outputs, labels), "logits": outputs}

    class Watching(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
            ended(state.global_step)

    def collate(samples: Any) -> dict[str, Any]:
        inputs, labels = zip(*samples, strict=True)
        return {"inputs": torch.stack(inputs), "labels": torch.stack(labels)}

    arguments = TrainingArguments(
        output_dir="hf",
        per_device_train_batch_size=task.batch_size,
        num_train_epochs=EPOCHS,
        learning_rate=LR,
        use_cpu=True,
        report_to=[],
        save_strategy="steps",
        save_steps=EVERY,
        disable_tqdm=True,
        remove_unused_columns=False,
        max_grad_norm=0.0,
        optim="adamw_torch",
    )
    trainer = Trainer(Model(), arguments, train_dataset=dataset(task), data_collator=collate, callbacks=[Watching()])
    trainer.train(resume_from_checkpoint=any(Path("hf").glob("checkpoint-*")))


TRAINERS: dict[str, Callable[[], None]] = {
    "framework": framework,
    "framework_untracked": framework_untracked,
    "lightning": lightning,
    "hf_trainer": hf_trainer,
}


class Ended(NamedTuple):
    """The end of a step."""

    step: int
    at: float
    """By a clock that all processes share."""

    cpu: float
    """Seconds of the processor that its process had used."""


class Resumed(NamedTuple):
    """What it took to go on."""

    new: float
    """Seconds from the kill to the end of the first step that was not made before."""

    cpu: float
    """Seconds of the processor until then."""

    again: float
    """Seconds for the steps that were made once more, of the first."""


def steps_in(folder: str) -> list[Ended]:
    """What was noted, but for a line that is being written."""
    file = Path(folder) / STEPS
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [Ended(int(step), float(at), float(cpu)) for step, at, cpu in map(str.split, lines)]


def until(step: int, command: list[str], folder: str, seen: int = 0) -> float:
    """Run a trainer until it has ended a step, and kill it; the moment of the kill."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    log = Path(folder) / "log.txt"
    with log.open("a") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        while all(each.step < step for each in steps_in(folder)[seen:]):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)} ended too early:\n{log.read_text()[-3000:]}")
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        at = time.monotonic()
        process.wait()
    return at


def measured(trainer: str) -> Resumed:
    """Train, kill, continue."""
    command = [sys.executable, str(Path(__file__).resolve()), "--only", trainer]
    with tempfile.TemporaryDirectory() as folder:
        killed = until(KILLED_AT, command, folder)
        before = steps_in(folder)
        last = before[-1].step
        until(last + 1, command, folder, len(before))
        after = steps_in(folder)[len(before) :]
    if not 1 < after[0].step <= last:
        raise SystemExit(f"{trainer} did not go on from its checkpoint: its first step was {after[0].step}")
    new = next(each for each in after if each.step > last)
    return Resumed(new.at - killed, new.cpu, new.at - after[0].at)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trainers", nargs="*", default=list(TRAINERS), choices=list(TRAINERS))
    parser.add_argument("--only", choices=list(TRAINERS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        sys.path.insert(0, str(HERE))
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(0)
        TRAINERS[asked.only]()
        return
    found: dict[str, list[Resumed]] = {trainer: [] for trainer in asked.trainers}
    for _ in range(asked.rounds):
        for trainer in asked.trainers:
            found[trainer].append(measured(trainer))
    print("| trainer | s to the first new step | of it steps made again | CPU s | lightning = 1 | CPU, lightning = 1 |")
    print("|---|---|---|---|---|---|")
    peer = found.get("lightning", found[asked.trainers[0]])
    for trainer, each in found.items():
        new, cpu, again = (statistics.median(column) for column in zip(*each, strict=True))
        pairs = list(zip(each, peer, strict=True))
        wall, used = (statistics.median(one[place] / other[place] for one, other in pairs) for place in (0, 1))
        print(f"| {trainer} | {new:.1f} | {again:.1f} | {cpu:.1f} | {wall:.2f} | {used:.2f} |", flush=True)


if __name__ == "__main__":
    main()
