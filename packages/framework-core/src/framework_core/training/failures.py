"""What is kept of a failure: a folder with everything that is needed to understand it, and to repeat the step."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from framework_core.config.saved import run_settings_text
from framework_core.contracts.config import RunConfig
from framework_core.errors import quoted
from framework_core.secrets import conceal, concealed
from framework_core.tracking import lineage

FOLDER = "failures"
FACTS = "failure.json"
LARGEST_BATCH = 16 * 2**20
"""Bytes up to which the batch is kept."""

WHAT_IS_WHAT = {
    FACTS: "everything that is known, for a program",
    "config.yaml": "the settings; `fw train --config` takes it",
    "traceback.txt": "where the error arose",
    "stacks.txt": "what every thread was doing",
    "workers.txt": "what the data workers were doing",
    "environment.json": "packages, machine, commit",
    "code.diff": "what differed from the commit",
    "random.pt": "the states of the random number generators",
    "batch.pt": "the batch, as the model was given it",
}
"""The files of a failure."""

SENT = 2**20
"""Bytes up to which a file goes to the tracking store too."""

KEPT_HERE = ("batch.pt", "random.pt")
"""Files that stay on this machine: a batch is the user's data."""


@dataclass(frozen=True)
class Failure:
    """What is known of one."""

    kind: str
    """``not-finite``, ``loss-spike``, ``out-of-memory``, ``worker``, ``hang`` or ``crash``."""

    message: str
    """In words."""

    epoch: int | None = None
    batch: int | None = None
    step: int | None = None
    """The optimizer step it happened in, from 1."""

    samples: Sequence[int] = ()
    """The numbers of the batch's samples in the dataset."""

    origin: str = ""
    """Where a number that is none began."""

    losses: Sequence[float] = ()
    """The last ones before it, the newest at the end; of batches, where gradients are accumulated."""

    known_to: int | None = None
    """The step that the last of them is of; ``None`` where several batches make a step."""

    vague: bool = False
    """Whether it was seen so late that the step before may have done it."""

    tensors: Any = None
    """The batch."""

    texts: Mapping[str, str] = field(default_factory=dict)
    """More files, by name."""


def keep(failure: Failure, *, config: RunConfig, run: Path, error: BaseException | None = None) -> Path:
    """Write it down.

    Args:
        failure: What is known.
        config: The settings of the run.
        run: The run's folder.
        error: What was raised.

    Returns:
        The new folder.
    """
    folder = _new_folder(run / FOLDER, failure.kind)
    texts = {
        "config.yaml": run_settings_text(config),
        "traceback.txt": "".join(traceback.format_exception(error)) if error is not None else "",
        "stacks.txt": stacks(),
        "environment.json": json.dumps(_environment(), indent=2) + "\n",
        "code.diff": lineage.code_state(Path.cwd()).diff,
        FACTS: json.dumps(_facts(failure, config, run, error), indent=2) + "\n",
        **failure.texts,
    }
    for name, text in texts.items():
        if text:
            (folder / name).write_text(conceal(text), encoding="utf-8")
    torch.save(_random_states(), folder / "random.pt")
    if failure.tensors is not None and _bytes(failure.tensors) <= LARGEST_BATCH:
        torch.save(_plain(failure.tensors), folder / "batch.pt")
    (folder / "README.md").write_text(conceal(_readme(failure, folder, run)), encoding="utf-8")
    return folder


def replay_command(failure: Failure, run: Path) -> str:
    """The command that repeats the step; empty where no step is known."""
    return f"fw replay {quoted(run.name)} --step {failure.step}" if failure.step else ""


def stacks() -> str:
    """What every thread of this process is doing."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():
        lines = "".join(traceback.format_stack(frame))
        parts.append(f"Thread {names.get(ident, '?')} ({ident}), newest call last:\n{lines}")
    return "\n".join(parts)


def to_be_sent(folder: Path) -> list[Path]:
    """The files that go to the tracking store."""
    files = sorted(each for each in folder.iterdir() if each.name not in KEPT_HERE)
    return [each for each in files if each.stat().st_size <= SENT]


def _new_folder(parent: Path, kind: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(len(list(parent.iterdir())) + 1, 10_000):
        if any(parent.glob(f"{number}-*")):
            continue
        folder = parent / f"{number}-{kind}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise OSError(f"{parent} is full")


def _facts(failure: Failure, config: RunConfig, run: Path, error: BaseException | None) -> dict[str, Any]:
    return {
        "kind": failure.kind,
        "message": conceal(failure.message),
        "error": type(error).__name__ if error is not None else "",
        "when": datetime.now().astimezone().isoformat(),
        "run": run.name,
        "epoch": failure.epoch,
        "batch": failure.batch,
        "step": failure.step,
        "origin": failure.origin,
        "samples": list(failure.samples),
        "losses_by_step": _by_step(failure),
        "rank": int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) or 0),
        "seed": config.seed,
        "replay": replay_command(failure, run),
    }


def _by_step(failure: Failure) -> dict[str, float | str]:
    """The last losses by their step."""
    if failure.known_to is None:
        return {}
    first = failure.known_to - len(failure.losses) + 1
    return {str(first + number): loss if loss - loss == 0 else str(loss) for number, loss in enumerate(failure.losses)}


def _environment() -> dict[str, Any]:
    code = lineage.code_state(Path.cwd())
    facts = {
        "machine": lineage.machine(),
        "packages": lineage.packages(),
        "commit": code.commit,
        "untracked": list(code.untracked),
        "command": sys.argv,
    }
    found: dict[str, Any] = concealed(facts)
    return found


def _random_states() -> dict[str, Any]:
    import numpy as np

    kind, keys, *rest = np.random.get_state(legacy=True)
    states: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": (str(kind), torch.from_numpy(np.asarray(keys).astype("int64")), *rest),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        return sum(map(_bytes, value.values()))
    return sum(map(_bytes, value)) if isinstance(value, list | tuple) else 0


def _plain(value: Any) -> Any:
    """Tensors on the CPU in lists and dictionaries: what loads without running anybody's code."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _readme(failure: Failure, folder: Path, run: Path) -> str:
    lines = [f"# {failure.kind}: {failure.message}", ""]
    if failure.step:
        lines.append(f"- step {failure.step}" + (f", epoch {failure.epoch + 1}" if failure.epoch is not None else ""))
    if failure.origin:
        lines.append(f"- {failure.origin}")
    if failure.samples:
        lines.append(f"- samples {', '.join(map(str, failure.samples))}")
    if command := replay_command(failure, run):
        lines.append(f"- repeat the step: `{command}`")
    lines += ["", "| file | what it is |", "|---|---|"]
    lines += [f"| {name} | {told} |" for name, told in WHAT_IS_WHAT.items() if (folder / name).exists()]
    return "\n".join(lines) + "\n"
