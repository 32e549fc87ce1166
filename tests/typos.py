"""Slips of the finger in command lines that people type: one edit in one word, drawn with a seed.

``{key}`` and the like mark what may be mistyped: ``k`` a key, ``g`` a config group, ``c`` a component, ``v`` a word of
an enumeration, ``o`` an option, ``w`` a command.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterator
from typing import NamedTuple

KINDS = {"k": "key", "g": "group", "c": "component", "v": "value", "o": "option", "w": "command"}
LINES = """
{w:train} {o:--model} {c:resnet20}
{w:train} {o:--model} {c:resnet50} {o:--dataset} {c:cifar10} {k:trainer.max_epochs}=30
{w:train} {g:model}={c:vit} {k:model.patch_size}=4 {k:model.drop_rate}=0.1 {k:trainer.precision}={v:bf16-mixed}
{w:train} -m {c:wide_resnet28_10} {g:optimizer}={c:sgd} {k:optimizer.lr}=0.1 {k:optimizer.momentum}=0.9
{w:train} {o:--model} {c:efficientnet_b0} {k:model.pretrained}=true {k:dataset.image_size}=64
{w:train} {o:--model} {c:convnext_tiny} {g:scheduler}={c:cosine} {k:scheduler.warmup_epochs}=5 seed=3
{w:train} {o:--model} {c:vit_base_patch16_224} {k:trainer.accumulate_grad_batches}=8 {k:trainer.gradient_clip_val}=1.0
{w:train} {g:model}={c:resnet32} {g:dataset}={c:digits} {k:dataset.augmentation}={v:standard}
{w:train} {o:--model} {c:vit} {k:trainer.accelerator}={v:gpu} {k:strategy}={c:ddp} {k:distributed.enabled}={v:true}
{w:train} {o:--model} {c:resnet18} {k:distributed.devices}=4 {k:trainer.sync_batchnorm}={v:true}
{w:train} {o:--model} {c:resnet20} {k:mlops.tracking.uri}=http://localhost:5000 {k:mlops.tracking.log_model}={v:false}
{w:train} {o:--model} {c:resnet20} {k:mlops.tracking.backend}={v:none} {k:mlops.tracking.system_metrics}={v:false}
{w:train} {o:--model} {c:resnet44} {k:checkpoint.monitor}=val/accuracy {k:checkpoint.mode}={v:max}
{w:train} {o:--model} {c:resnet56} {k:early_stopping.patience}=10 {k:early_stopping.min_delta}=0.001
{w:train} {o:--model} {c:deit_tiny_patch16_224} {g:optimizer}={c:adamw} {k:optimizer.fused}={v:true} {k:seed}=7
{w:train} {o:--model} {c:resnet20} {k:experiment.name}=ablation {k:experiment.run_name}=first {k:output_dir}=out
{w:train} {o:--model} {c:densenet121} {g:trainer}={v:debug} {o:--dry-run}
{w:train} {o:--config} my.yaml {k:trainer.max_epochs}=5 {o:--json}
{w:train} {o:--model} {c:swin_tiny_patch4_window7_224} {g:scheduler}={c:one_cycle} {k:trainer.limit_train_batches}=0.1
{w:train} {g:model}={c:resnet20} {g:optimizer}={c:rmsprop} {g:scheduler}={c:plateau} {k:trainer.deterministic}={v:warn}
{w:config} {w:show} {g:model}={c:resnet20} {g:optimizer}={c:lbfgs} {k:trainer.profiler}={v:simple} {o:--json}
{w:config} {w:validate} model=vit {g:dataset}={c:image_folder} {k:dataset.path}=photos {k:dataset.verify}={v:quick}
{w:config} {w:schema}
{w:list} {w:models} {o:--task} {v:image-classification} {o:--pretrained}
{w:list} {w:datasets} {o:--domain} {v:vision} {o:--json}
{w:list} {w:strategies} {o:--json}
{w:info} {w:model} {c:resnet50} {o:--json}
{w:info} {w:optimizer} {c:adafactor}
{w:evaluate} last {k:dataset.batch_size}=256 {o:--split} {v:val}
{w:predict} last photos {o:--output} predictions.csv
""".strip().splitlines()

MARKED = re.compile(r"\{(?P<kind>\w):(?P<word>[^}]+)\}")
LETTERS = string.ascii_lowercase + string.digits + "_-"


class Typo(NamedTuple):
    """A line with one word mistyped."""

    kind: str
    edit: str
    words: tuple[str, ...]
    typed: str
    meant: str


def plain(line: str) -> tuple[str, ...]:
    """The line as it should be."""
    return tuple(MARKED.sub(lambda match: match["word"], line).split())


def typos(count: int, *, seed: int, is_word: Callable[[str, str, str], bool]) -> Iterator[Typo]:
    """Draw mistyped lines.

    Args:
        count: How many.
        seed: Of the generator.
        is_word: Whether what came out (kind, word, line) is a word too, so that it is no slip.
    """
    drawn = random.Random(seed)
    while count:
        line = drawn.choice(LINES)
        marked = drawn.choice(list(MARKED.finditer(line)))
        edit = drawn.choice(list(EDITS))
        typed = EDITS[edit](marked["word"], drawn)
        if typed == marked["word"] or not typed or is_word(marked["kind"], typed, line):
            continue
        count -= 1
        changed = line[: marked.start()] + typed + line[marked.end() :]
        yield Typo(KINDS[marked["kind"]], edit, plain(changed), typed, marked["word"])


def _insert(word: str, drawn: random.Random) -> str:
    place = drawn.randint(0, len(word))
    return word[:place] + drawn.choice(LETTERS) + word[place:]


def _delete(word: str, drawn: random.Random) -> str:
    place = drawn.randrange(len(word))
    return word[:place] + word[place + 1 :]


def _swap(word: str, drawn: random.Random) -> str:
    if len(word) < 2:
        return word
    place = drawn.randrange(len(word) - 1)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _replace(word: str, drawn: random.Random) -> str:
    place = drawn.randrange(len(word))
    return word[:place] + drawn.choice(LETTERS) + word[place + 1 :]


EDITS: dict[str, Callable[[str, random.Random], str]] = {
    "insert": _insert,
    "delete": _delete,
    "swap": _swap,
    "replace": _replace,
}
