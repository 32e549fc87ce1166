"""Reading a checkpoint, whatever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from framework_core.checkpoints.content import Content, Weight
from framework_core.checkpoints.deepspeed import is_deepspeed, read_deepspeed
from framework_core.checkpoints.one_file import TYPES
from framework_core.checkpoints.sharded import read_sharded, weights_in
from framework_core.errors import CheckpointError, RunNotFoundError
from framework_core.tracking.checkpoints import FACTS, STATE, WEIGHTS, Facts, damage
from framework_core.tracking.lookup import RECORD, RUNS, find_run
from framework_core.training.checkpoint_io import NAMES
from framework_core.training.checkpoint_parts import Parts, is_in_parts
from framework_core.training.plain_pickle import read_saved

OPTIMIZERS, STATE_DICT = "optimizer_states", "state_dict"
BESIDE = {OPTIMIZERS: "optimizer", "lr_schedulers": "lr_schedulers", "loops": "loops", "callbacks": "callbacks"}


def place_of(name: str, *, output_dir: Path | None = None) -> Path:
    """The checkpoint that is meant: a path, or the newest one of a run.

    Raises:
        RunNotFoundError: There is neither such a path nor such a run, or the run has no checkpoint.
    """
    path = Path(name)
    if path.exists() and not (path / RECORD).is_file():
        return path
    if not path.exists() and len(path.parts) > 1:
        raise RunNotFoundError(name, "there is no such file or folder.")
    record = find_run(name, output_dir=output_dir or RUNS)
    if record.last_checkpoint is None:
        raise RunNotFoundError(name, f"it has no checkpoint in {record.directory}.")
    return record.last_checkpoint


def read_content(path: Path) -> Content:
    """What is in a checkpoint; no code of anybody's is run, and weights are read when they are asked for.

    Raises:
        CheckpointError: It is damaged, of no known kind, or more than plain values.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file() or not path.stat().st_size:
        raise CheckpointError(path, "is empty" if path.exists() else "is not there")
    return _safetensors(path) if path.suffix == ".safetensors" else _file(path)


def _folder(path: Path) -> Content:
    if any((path / name).exists() for name in (FACTS, WEIGHTS, STATE)):
        return _framework(path)
    if is_in_parts(path):
        return read_sharded(path)
    if is_deepspeed(path):
        return read_deepspeed(path)
    raise CheckpointError(
        path,
        "is of no kind that is known",
        possible="Known are those of this framework, of Lightning, torch (one file, or shards of FSDP and FSDP2), "
        "DeepSpeed and safetensors.",
    )


def _framework(path: Path) -> Content:
    if wrong := damage(path):
        raise CheckpointError(path, f"is damaged: {wrong}")
    facts, state = Facts.read(path), read_saved(path / STATE)
    parts = Parts(path) if is_in_parts(path) else None
    weights = weights_in(parts) if parts else dict(_mapped(path / WEIGHTS))
    ordered = {name: weights[name] for name in state.get(NAMES, ()) if name in weights}
    loop = state.get("loops", {}).get("fit_loop", {}).get("state_dict", {})
    return Content(
        path,
        "framework",
        ordered or weights,
        _beside(state),
        max(1, len(loop.get("ranks") or ())),
        facts.epoch if facts else None,
        facts.global_step if facts else None,
        detail=f"in {parts.processes} {'part' if parts.processes == 1 else 'parts'}" if parts else "",
    )


def _safetensors(path: Path) -> Content:
    return Content(path, "safetensors", dict(_mapped(path)))


def _mapped(path: Path) -> Mapping[str, Weight]:
    found: dict[str, Weight] = {}
    try:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118  # it is no mapping
                part = file.get_slice(name)
                found[name] = Weight(tuple(part.get_shape()), TYPES.get(part.get_dtype(), "?"), _reader(path, name))
            for name, kept in (file.metadata() or {}).items():
                if kept in found and name not in found:
                    found[name] = found[kept]
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"is damaged: {str(error).rstrip('.')}") from error
    return found


def _reader(path: Path, name: str) -> Any:
    def load() -> Tensor:
        with safe_open(path, "pt") as file:
            tensor: Tensor = file.get_tensor(name)
        return tensor

    return load


def _file(path: Path) -> Content:
    saved = read_saved(path)
    if not isinstance(saved, Mapping):
        raise CheckpointError(path, f"is of no kind that is known: it holds a {type(saved).__name__}")
    by_lightning = "pytorch-lightning_version" in saved
    entries = next((saved[key] for key in (STATE_DICT, "model") if isinstance(saved.get(key), Mapping)), saved)
    weights = {str(name): Weight.of(value) for name, value in entries.items() if isinstance(value, torch.Tensor)}
    if not weights:
        raise CheckpointError(path, "has no weights")
    return Content(
        path,
        "lightning" if by_lightning else "torch",
        weights,
        _beside(saved),
        epoch=_number(saved.get("epoch")),
        step=_number(saved.get("global_step", saved.get("step"))),
    )


def _beside(saved: Mapping[str, Any]) -> tuple[str, ...]:
    found = [told for key, told in BESIDE.items() if saved.get(key)]
    return tuple([*found, "optimizer"] if "optimizer" in saved else found)


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, int) else None
