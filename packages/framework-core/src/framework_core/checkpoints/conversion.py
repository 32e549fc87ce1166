"""One file of weights made of any checkpoint, and a checkpoint of one kind made of that of another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from framework_core.checkpoints.content import Content
from framework_core.checkpoints.names import clean
from framework_core.checkpoints.one_file import write_one_by_one
from framework_core.checkpoints.reading import OPTIMIZERS, STATE_DICT, read_content
from framework_core.checkpoints.sharded import LIGHTNING, optimizer_states
from framework_core.errors import CheckpointError, FilesInTheWayError, OutputError
from framework_core.training.checkpoint_io import CheckpointFolders, read
from framework_core.training.plain_pickle import read_saved

WHOLE = ("framework", "lightning")
"""Kinds that a training goes on from, in one process or in many."""


def consolidate(path: Path, output: Path) -> Content:
    """Write all weights into one safetensors file, by clean names.

    Args:
        path: A checkpoint of any kind.
        output: The file; it must not be there.

    Returns:
        What the file holds.

    Raises:
        CheckpointError: The checkpoint is damaged, of no known kind, or more than plain values.
        OutputError: The file cannot be written.
    """
    if output.suffix != ".safetensors":
        raise OutputError(
            output,
            "its ending is not .safetensors.",
            next_step=f"For example: -o {output.with_suffix('.safetensors').name}",
        )
    content = read_content(path)
    names = clean(content.weights, path)
    weights = {names[name]: weight for name, weight in content.weights.items()}
    about = {"format": "pt", **({} if content.step is None else {"step": str(content.step)})}
    _whole(output, lambda new: write_one_by_one(weights, new, about, source=path))
    return read_content(output)


def convert(path: Path, to: str, output: Path) -> Content:
    """Write a checkpoint of another kind, from which a training goes on: weights, optimizer and all else.

    Args:
        path: A checkpoint of this framework, of Lightning, or shards that Lightning's FSDP strategies wrote.
        to: ``framework`` or ``lightning``.
        output: Where; nothing must be there.

    Returns:
        What was written.

    Raises:
        CheckpointError: The checkpoint is damaged, or has not what training goes on from.
        OutputError: It cannot be written.
    """
    content = read_content(path)
    state = _state(content)
    if to == "lightning":
        _whole(output, lambda new: torch.save(state, new))
    else:
        _whole(output, lambda new: CheckpointFolders().save_checkpoint(state, new))
    return read_content(output)


def _state(content: Content) -> dict[str, Any]:
    """Everything that Lightning goes on from."""
    if content.kind in WHOLE:
        state = dict(read(content.path)) if content.kind == "framework" else dict(read_saved(content.path))
        names = clean(state[STATE_DICT], content.path)
        return state | {STATE_DICT: {names[name]: value for name, value in state[STATE_DICT].items()}}
    if content.kind == "torch-sharded" and content.detail:
        beside = dict(read_saved(content.path / LIGHTNING))
        return beside | {STATE_DICT: _tensors(content), OPTIMIZERS: optimizer_states(content.path)}
    raise CheckpointError(
        content.path,
        f"is of the kind {content.kind}, and what a training goes on from is not in it in a form that is known",
        possible="Those of this framework and of Lightning are converted, and shards that its FSDP strategies wrote.",
        next_step=f"Take its weights: fw checkpoint consolidate {content.path} -o weights.safetensors",
    )


def _tensors(content: Content) -> dict[str, Tensor]:
    """The weights by clean names, each in memory of its own."""
    names = clean(content.weights, content.path)
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, weight in content.weights.items():
        tensor = weight.load().detach().contiguous()
        place = tensor.untyped_storage().data_ptr()
        whole = tensor.untyped_storage().nbytes() == tensor.nbytes
        found[names[name]] = tensor if whole and place not in seen else tensor.clone()
        seen.add(place)
    return found


def _whole(output: Path, write: Callable[[Path], Any]) -> None:
    """Write under another name, and give it its own when it is complete."""
    if output.exists():
        raise FilesInTheWayError([output])
    new = output.with_name(f".{output.name}.{os.getpid()}.new")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write(new)
        new.rename(output)
    except OSError as error:
        raise OutputError(output, f"{error.strerror or error}.") from error
    finally:
        if new.is_dir():
            shutil.rmtree(new)
        new.unlink(missing_ok=True)
