"""Input of a text classifier, from a table on the disk to padded batches of tokens.

    python benchmarks/nlp_input.py                three interleaved rounds
    python benchmarks/nlp_input.py --rounds 5

Both read the same CSV file of sentences of Python's manual, make tokens of them by the same WordPiece tokenizer, cut at
128, and give batches of 32 in a new order each epoch, texts of nearly one length together and filled up to the longest
alone. `framework` is the training loader of `text_table`; `datasets` is the library datasets with a fast tokenizer of
transformers by `map(batched=True)`, the sampler by length of HF's Trainer and its DataCollatorWithPadding in torch's
loader.

`prepare` is the first pass over the text, from the file to numbers, in tokens a second of the processor's time;
`batches` the epochs after it. Every measurement is a process of its own with one thread, without imports. A ratio is
taken inside its round. `padding` is its share of a batch.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SIGNS = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
BATCH, LONGEST, EPOCHS = 32, 128, 3


def make(folder: Path, count: int) -> None:
    """A table of one to three sentences of the manual a row, and the tokenizer of both."""
    from framework_plugins_nlp.datasets.topics import manual, sentences
    from framework_plugins_nlp.tokenization import Tokenizer

    pairs = [(text, topic) for topic, texts in sentences(manual()).items() if len(texts) >= 40 for text in texts]
    chance = random.Random(0)
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        for _ in range(count):
            chosen = chance.choices(pairs, k=chance.randint(1, 3))
            table.writerow([" ".join(text for text, _ in chosen), chosen[0][1]])
    made = Tokenizer.train("wordpiece", [text for text, _ in pairs], vocabulary_size=8000, lowercase=True)
    (folder / "tokenizer.json").write_text(made.written, "utf-8")


def framework(folder: Path) -> Iterator[tuple[int, int]]:
    """The loader of a datamodule; tokens and places of each batch, after a pair of zeros when all is imported."""
    from framework_core import registry

    where = {"path": str(folder / "texts.csv"), "tokenizer": str(folder / "tokenizer.json")}
    module = registry.create_dataset(
        "text_table", **where, max_length=LONGEST, batch_size=BATCH, val_size=0, test_size=0
    )
    yield 0, 0
    module.setup("fit")
    yield 0, 0
    while True:
        for tokens, _ in module.train_dataloader():
            yield int(tokens.ne(module.tokenizer.pad_id).sum()), tokens.numel()
        yield -1, 0


def datasets(folder: Path) -> Iterator[tuple[int, int]]:
    """The library datasets, and the collator of transformers."""
    import datasets as library
    import torch
    from transformers import DataCollatorWithPadding, PreTrainedTokenizerFast
    from transformers.trainer_pt_utils import LengthGroupedSampler

    library.disable_progress_bars()
    yield 0, 0
    fast = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), model_max_length=LONGEST, **SIGNS)
    texts = library.load_dataset(
        "csv", data_files=str(folder / "texts.csv"), split="train", cache_dir=str(folder / f"cache-{os.getpid()}")
    ).class_encode_column("label")
    ready = texts.map(lambda rows: fast(rows["text"], truncation=True), batched=True, remove_columns=["text"])
    lengths = [len(row) for row in ready["input_ids"]]
    yield 0, 0
    collate = DataCollatorWithPadding(fast)
    while True:
        sampler = LengthGroupedSampler(BATCH, lengths=lengths)
        for batch in torch.utils.data.DataLoader(ready, batch_size=BATCH, sampler=sampler, collate_fn=collate):
            yield int(batch["attention_mask"].sum()), batch["input_ids"].numel()
        yield -1, 0


PIPELINES: dict[str, Callable[[Path], Iterator[tuple[int, int]]]] = {"framework": framework, "datasets": datasets}


def measure(pipeline: str, folder: Path) -> dict[str, float]:
    """Tokens a second of the processor's time, before the first batch and in the epochs."""
    batches = PIPELINES[pipeline](folder)
    next(batches)
    began = time.process_time()
    next(batches)
    prepared = time.process_time() - began
    tokens = places = epochs = 0
    began, wall = time.process_time(), time.perf_counter()
    while epochs < EPOCHS:
        found, width = next(batches)
        if found < 0:
            epochs += 1
        else:
            tokens, places = tokens + found, places + width
    return {
        "prepare": tokens / EPOCHS / prepared,
        "batches": tokens / (time.process_time() - began),
        "wall": tokens / (time.perf_counter() - wall),
        "padding": 100 * (1 - tokens / places),
    }


def measured(pipeline: str, folder: Path) -> dict[str, float]:
    """One measurement, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        more = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "FRAMEWORK_CACHE": place}
        command = [sys.executable, str(HERE), "--only", pipeline, "--folder", str(folder)]
        done = subprocess.run(command, cwd=place, env={**os.environ, **more}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{pipeline} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def compare(folder: Path, rounds: int) -> None:
    """Print the medians, and how much faster the framework is."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in PIPELINES}
    for _ in range(rounds):
        for name in PIPELINES:
            found[name].append(measured(name, folder))
    print(f"medians of {rounds} interleaved rounds")
    print("| tokens/s of CPU | prepare | batches | padding, % | framework is faster: prepare | batches |")
    print("|---|---|---|---|---|---|")
    for name, figures in found.items():
        middle: dict[str, Any] = {key: statistics.median(each[key] for each in figures) for key in figures[0]}
        ratio = {
            key: statistics.median(
                ours[key] / each[key] for ours, each in zip(found["framework"], figures, strict=True)
            )
            for key in ("prepare", "batches")
        }
        print(
            f"| {name} | {middle['prepare']:,.0f} | {middle['batches']:,.0f} | {middle['padding']:.1f} "
            f"| {ratio['prepare']:.2f} | {ratio['batches']:.2f} |",
            flush=True,
        )


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=20_000, help="texts in the table")
    parser.add_argument("--only", choices=list(PIPELINES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        with redirect_stdout(sys.stderr):
            figures = measure(chosen.only, chosen.folder)
        print(json.dumps(figures))
        return
    with tempfile.TemporaryDirectory() as place:
        make(Path(place), chosen.count)
        compare(Path(place), chosen.rounds)


if __name__ == "__main__":
    main()
