"""Training of a small BERT and a small GPT: steps a second, against a loop written by hand and HF's Trainer.

    python benchmarks/nlp_training.py                  both, all trainers, three interleaved rounds
    python benchmarks/nlp_training.py gpt --rounds 5   one of them

All train the same network (`small_bert`, `small_gpt`) with AdamW on the processor, with one thread.

`bert` tells topics of Python's manual apart: batches of 32 texts of one to three sentences, those of nearly one length
together. `raw` sorts and pads lists of tokens by hand; `hf` is HF's Trainer, grouping by length, with its
DataCollatorWithPadding.
`gpt` continues the manual character by character: batches of 12 blocks of 64, four layers, 128 wide, as nanoGPT has it
for a processor. `raw` is a loop like nanoGPT's: blocks cut anywhere from one tensor; `hf` HF's Trainer on such blocks.

`framework` is `fw train` with tracking to SQLite at every step, progress, checkpoints and the use of the machine. HF's
Trainer logs every 500 steps, as it comes. Every measurement is a process of its own; measured are the steps after the
first tenth, loading with them. A ratio is taken inside its round; the raw loop is 1, and more is faster.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
LR, DECAY = 1e-3, 0.01
STEPS = {"bert": 150, "gpt": 400}
BATCH = {"bert": 32, "gpt": 12}
BLOCK = 64
DATA = {
    "bert": ["dataset=text_table", "dataset.path=texts.csv", "dataset.tokenizer=tokenizer.json", "dataset.test_size=0"],
    "gpt": ["dataset=text_files", "dataset.path=manual.txt", f"dataset.block_size={BLOCK}"],
}


def make(folder: Path) -> None:
    """The table, its tokenizer, and the manual as one text."""
    import nlp_input

    from framework_plugins_nlp.datasets.topics import manual

    # A twentieth is validated on.
    nlp_input.make(folder, (STEPS["bert"] + 2) * BATCH["bert"] * 20 // 19)
    (folder / "manual.txt").write_text("\n".join(text for _, text in sorted(manual().items())), encoding="utf-8")


def settings(problem: str) -> list[str]:
    """Those of the framework."""
    found = [f"model=small_{problem}", *DATA[problem], f"dataset.batch_size={BATCH[problem]}"]
    found += ["dataset.val_size=0.05", "trainer.max_epochs=1", f"trainer.limit_train_batches={STEPS[problem]}"]
    found += ["trainer.accelerator=cpu", f"optimizer.lr={LR}", f"optimizer.weight_decay={DECAY}"]
    return [*found, "optimizer.decay_norm_and_bias=true"]


def prepared(problem: str) -> tuple[Any, Any]:
    """The network, and the data that the framework makes of the files."""
    from framework_core import compose, registry
    from framework_core.plugins.registry import build

    config = compose(settings(problem)).config
    data = build(registry.resolve("dataset", config.dataset.name), config.dataset)
    data.setup("fit")
    return registry.create_model(config.model.name, data=data.data_spec()).model, data


def framework(problem: str, watch: Any) -> None:
    """``fw train``."""
    from lightning.pytorch import Callback

    import framework_core

    class Watching(Callback):
        def on_train_batch_end(self, *given: Any, **named: Any) -> None:
            watch.step()

    framework_core.train(framework_core.compose(settings(problem)).config, callbacks=[Watching()])


def rows(dataset: Any) -> list[list[int]]:
    """The tokens of each text, as lists."""
    ids, offsets = dataset.ids.tolist(), dataset.offsets.tolist()
    return [ids[start:end] for start, end in itertools.pairwise(offsets)]


def raw_bert(data: Any) -> Iterator[tuple[Any, Any]]:
    """Batches of texts of nearly one length, by hand."""
    import torch

    dataset, size = data.train_dataset, BATCH["bert"]
    texts, labels = [torch.tensor(row) for row in rows(dataset)], dataset.labels
    order = list(range(len(texts)))
    random.shuffle(order)
    pools = [sorted(order[i : i + 50 * size], key=lambda n: len(texts[n])) for i in range(0, len(order), 50 * size)]
    batches = [pool[i : i + size] for pool in pools for i in range(0, len(pool), size)]
    random.shuffle(batches)
    for batch in batches:
        inputs = torch.nn.utils.rnn.pad_sequence([texts[n] for n in batch], batch_first=True, padding_value=0)
        yield inputs, labels[batch]


def raw_gpt(data: Any) -> Iterator[tuple[Any, Any]]:
    """Blocks cut anywhere, as nanoGPT does."""
    import torch

    row = data.train_dataset.ids.long()
    while True:
        starts = torch.randint(len(row) - BLOCK, (BATCH["gpt"],))
        yield (
            torch.stack([row[i : i + BLOCK] for i in starts]),
            torch.stack([row[i + 1 : i + 1 + BLOCK] for i in starts]),
        )


def loss(outputs: Any, target: Any) -> Any:
    """Cross-entropy of classes, or of tokens."""
    import torch

    return torch.nn.functional.cross_entropy(outputs.flatten(0, -2), target.flatten())


def raw(problem: str, watch: Any) -> None:
    """A loop written by hand."""
    import torch

    network, data = prepared(problem)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=DECAY)
    batches = raw_bert(data) if problem == "bert" else raw_gpt(data)
    for step, (inputs, target) in zip(range(STEPS[problem]), batches, strict=False):
        found = loss(network(inputs), target)
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        if step % 10 == 0:
            print(f"step {step}: loss {found.item():.4f}")
        watch.step()


def hf_trainer(problem: str, watch: Any) -> None:
    """transformers.Trainer."""
    import datasets
    import torch
    from nlp_input import SIGNS
    from transformers import (
        DataCollatorWithPadding,
        PreTrainedTokenizerFast,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        default_data_collator,
    )

    network, data = prepared(problem)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, labels: Any, attention_mask: Any = None) -> Any:
            outputs = self.network(input_ids)
            return {"loss": loss(outputs, labels), "logits": outputs}

    class Watching(TrainerCallback):
        def on_step_end(self, *given: Any, **named: Any) -> None:
            watch.step()

    if problem == "bert":
        columns = {"input_ids": rows(data.train_dataset), "labels": data.train_dataset.labels.tolist()}
        collate: Any = DataCollatorWithPadding(PreTrainedTokenizerFast(tokenizer_file="tokenizer.json", **SIGNS))
        more: dict[str, Any] = {"train_sampling_strategy": "group_by_length"}
    else:
        row = data.train_dataset.ids.long()
        starts = range(0, len(row) - BLOCK - 1, BLOCK)
        columns = {
            name: [row[i + by : i + by + BLOCK].tolist() for i in starts]
            for name, by in (("input_ids", 0), ("labels", 1))
        }
        collate, more = default_data_collator, {}
    arguments = TrainingArguments(
        output_dir="hf",
        per_device_train_batch_size=BATCH[problem],
        max_steps=STEPS[problem],
        learning_rate=LR,
        weight_decay=DECAY,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        max_grad_norm=0.0,
        optim="adamw_torch",
        **more,
    )
    dataset = datasets.Dataset.from_dict(columns)
    Trainer(Model(), arguments, train_dataset=dataset, data_collator=collate, callbacks=[Watching()]).train()


TRAINERS: dict[str, Callable[[str, Any], None]] = {"raw": raw, "framework": framework, "hf_trainer": hf_trainer}


def measure(trainer: str, problem: str) -> None:
    """One measurement, in this process; prints its figures."""
    import torch
    from training_loop import Stopwatch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    random.seed(0)
    watch = Stopwatch(STEPS[problem])
    with redirect_stdout(sys.stderr):
        TRAINERS[trainer](problem, watch)
    print(json.dumps(watch.report()))


def measured(trainer: str, problem: str) -> dict[str, float]:
    """One measurement, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        command = [sys.executable, str(HERE), problem, "--only", trainer]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{trainer} on {problem} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def compare(problem: str, rounds: int) -> None:
    """Print each trainer's figures, and its speed by that of the loop written by hand."""
    found: dict[str, list[dict[str, float]]] = {trainer: [] for trainer in TRAINERS}
    for _ in range(rounds):
        for trainer in TRAINERS:
            found[trainer].append(measured(trainer, problem))
    print(f"\nsmall_{problem}: medians of {rounds} interleaved rounds")
    print("| trainer | steps/s | CPU ms a step | speed, raw = 1: wall | CPU |\n|---|---|---|---|---|")
    for trainer, figures in found.items():
        wall, cpu = (statistics.median(each[key] for each in figures) for key in ("wall", "cpu"))
        speed = {
            key: statistics.median(b[key] / a[key] for a, b in zip(figures, found["raw"], strict=True))
            for key in ("wall", "cpu")
        }
        print(
            f"| {trainer} | {1 / wall:.1f} | {cpu * 1e3:.2f} | {speed['wall']:.2f} | {speed['cpu']:.2f} |", flush=True
        )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problem", nargs="?", choices=list(STEPS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(TRAINERS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    if chosen.only:
        measure(chosen.only, chosen.problem)
        return
    for problem in [chosen.problem] if chosen.problem else STEPS:
        compare(problem, chosen.rounds)


if __name__ == "__main__":
    main()
