"""Writing and reading checkpoints: a folder, there whole or not at all, checked before it is believed."""

from __future__ import annotations

import errno
import functools
import logging
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from framework_core.errors import CheckpointError
from framework_core.tracking import checkpoints
from framework_core.tracking.checkpoints import STATE, WEIGHTS, WRITING, Facts, hidden
from framework_core.training.checkpoint_parts import Parts, ReadWhenAsked, is_in_parts
from framework_core.training.plain_state import plain

WEIGHTS_KEY, OPTIMIZERS_KEY = "state_dict", "optimizer_states"
"""Where Lightning puts the model's state, and that of the optimizers."""

NAMES, OTHER_WEIGHTS = "state_dict_names", "state_dict_without_tensors"
"""Where the order of a model's state is kept, and entries that are no tensors."""

OPTIMIZER = "optimizer_{number}"
"""What the state of an optimizer is called in parts."""


class Elsewhere(Enum):
    """Stands for a tensor that another process writes."""

    ELSEWHERE = "elsewhere"


ELSEWHERE = Elsewhere.ELSEWHERE

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SAYS_FULL = ("No space left", "quota exceeded", "File too large", "unexpected pos", "failed writing")
"""What torch and safetensors say where the system gave one of these."""

_log = logging.getLogger("framework_core")


class CheckpointFolders(CheckpointIO):
    """Lightning's way to disk.

    Args:
        keep_last: How many of the newest checkpoints are kept.
        keep_hours: How long others are kept besides.
        asynchronous: Whether training goes on while a checkpoint is written.
    """

    def __init__(self, *, keep_last: int = 2, keep_hours: float | None = None, asynchronous: bool = False) -> None:
        self._keep_last = keep_last
        self._keep_hours = keep_hours
        self._asynchronous = asynchronous
        self._writer: ThreadPoolExecutor | None = None
        self._pending: list[Future[None]] = []
        self._said: set[str] = set()

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            CheckpointError: It cannot be written, or the one before could not.
        """
        target = Path(path)
        content = _content(checkpoint, copied=self._asynchronous, said=self._said)
        self._run(self._write, content, target)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            CheckpointError: It is damaged.
        """
        return read(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint, when everything before it is written."""
        self._run(checkpoints.remove, Path(path))

    def teardown(self) -> None:
        """Wait for what is being written."""
        self.wait()
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None

    def wait(self) -> None:
        """Wait until everything is on disk.

        Raises:
            CheckpointError: It cannot be.
        """
        pending, self._pending = self._pending, []
        for each in pending:
            each.result()

    def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        if not self._asynchronous:
            work(*arguments)
            return
        self._pending = [each for each in self._pending if not each.done() or each.exception()]
        if len(self._pending) > 1:
            # More than this one would hold the state many times over in memory.
            self.wait()
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "checkpoints")
        self._pending.append(self._writer.submit(work, *arguments))

    def _write(self, content: _Content, path: Path) -> None:
        folder = hidden(path, WRITING)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            content.write(folder)
            checkpoints.publish(folder, path, keep_last=self._keep_last, keep_hours=self._keep_hours)
        except (OSError, RuntimeError, SafetensorError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise not_written(path, error) from error


@dataclass(frozen=True)
class Rest:
    """What a checkpoint has beside tensors of the model, in plain values, and where it stands."""

    state: dict[str, Any]
    epoch: int
    batch: int
    global_step: int

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any], *, copied: bool, said: set[str]) -> Rest:
        """What Lightning hands over.

        Args:
            checkpoint: All of it; entries of the model's state that are no tensors are kept.
            copied: Whether tensors are copied, so that training may go on.
            said: What was warned of before.
        """
        left_out: list[str] = []
        rest = {key: value for key, value in checkpoint.items() if key != WEIGHTS_KEY}
        entries = checkpoint.get(WEIGHTS_KEY, {})
        rest[NAMES] = list(entries)
        tensors = (Tensor, Elsewhere)
        rest[OTHER_WEIGHTS] = {name: value for name, value in entries.items() if not isinstance(value, tensors)}
        state = plain(rest, copied=copied, left_out=left_out)
        for path in left_out:
            if path not in said:
                said.add(path)
                _log.warning("%s is not in the checkpoint: it is neither a plain value nor a tensor.", path)
        loop = checkpoint.get("loops", {}).get("fit_loop", {}).get("state_dict", {}).get("position", {})
        epoch, batch = loop.get("epoch", checkpoint.get("epoch", 0)), loop.get("batch", 0)
        return cls(state, int(epoch), int(batch), int(checkpoint.get("global_step", 0)))

    def write(self, folder: Path, files: Mapping[str, list[int | str]]) -> None:
        """Write it, and after it what says that the checkpoint is whole.

        Args:
            folder: Where everything else is.
            files: The size and SHA-256 of each file there.
        """
        torch.save(self.state, folder / STATE)
        every = {**files, STATE: on_disk(folder / STATE)}
        Facts(self.epoch, self.batch, self.global_step, time.time(), every).write(folder)
        checkpoints.sync(folder)


@dataclass(frozen=True)
class _Content:
    """What goes into the files."""

    weights: dict[str, Tensor]
    tied: dict[str, str]
    rest: Rest

    def write(self, folder: Path) -> None:
        save_file(self.weights, folder / WEIGHTS, metadata={"format": "pt", **self.tied})
        self.rest.write(folder, {WEIGHTS: on_disk(folder / WEIGHTS)})


def _content(checkpoint: Mapping[str, Any], *, copied: bool, said: set[str]) -> _Content:
    entries = checkpoint.get(WEIGHTS_KEY, {})
    weights, tied = _untied({name: value for name, value in entries.items() if isinstance(value, Tensor)}, copied)
    return _Content(weights, tied, Rest.of(checkpoint, copied=copied, said=said))


def _untied(tensors: Mapping[str, Tensor], copied: bool) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Each memory once: the tensors, and the names that stand for another, as safetensors writes them down itself."""
    kept: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        found = tensor.detach()
        view = (found.data_ptr(), found.shape, found.stride(), found.dtype, found.device)
        if found.numel() and view in seen:
            tied[name] = seen[view]
            continue
        seen[view] = name
        storage = found.untyped_storage().data_ptr()
        apart = found.numel() and storage in storages
        storages.add(storage)
        kept[name] = found.to("cpu", copy=bool(copied or apart)).contiguous()
    return kept, tied


def on_disk(path: Path) -> list[int | str]:
    """The size and SHA-256 of a file that has reached the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return [path.stat().st_size, checkpoints.digest(path)]


def not_written(path: Path, error: Exception) -> CheckpointError:
    """The error that says why a checkpoint could not be written, and what there is in its place."""
    text = str(error)
    full = getattr(error, "errno", None) in FULL or any(words in text for words in SAYS_FULL)
    cause = "the disk is full" if full else text.partition("\n")[0].rstrip(".")
    before, _ = checkpoints.newest(path.parent)
    return CheckpointError(
        path,
        f"cannot be written: {cause}",
        possible=f"The one before is whole: {before}." if before else "",
        next_step=f"Make room, and continue: fw train --resume {path.parent.parent.name}" if before else "",
    )


def read(path: Path) -> dict[str, Any]:
    """Everything in a checkpoint.

    Args:
        path: Its folder, or a file of Lightning's own.

    Raises:
        CheckpointError: It is damaged.
    """
    if path.is_file():
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return found
    refuse_damaged(path)
    if is_in_parts(path):
        return _whole(read_when_asked(path))
    state: dict[str, Any] = torch.load(path / STATE, map_location="cpu", weights_only=True)
    return state | {WEIGHTS_KEY: _in_order(path, state.pop(NAMES), state.pop(OTHER_WEIGHTS))}


def read_weights(path: Path) -> dict[str, Any]:
    """A model's state in a checkpoint.

    Args:
        path: Its folder, or a file of Lightning's own.

    Raises:
        CheckpointError: It is damaged.
    """
    if path.is_file():
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)[WEIGHTS_KEY]
        return found
    refuse_damaged(path)
    if is_in_parts(path):
        return dict(read_when_asked(path)[WEIGHTS_KEY])
    state = torch.load(path / STATE, map_location="cpu", weights_only=True, mmap=True)
    return _in_order(path, state[NAMES], state[OTHER_WEIGHTS])


def read_when_asked(path: Path) -> dict[str, Any]:
    """Everything in a checkpoint in parts; each tensor is read when it is asked for.

    Args:
        path: Its folder, which is known to be whole.

    Raises:
        CheckpointError: A part is missing.
    """
    parts = Parts(path)
    state: dict[str, Any] = torch.load(path / STATE, map_location="cpu", weights_only=True)
    others = state.pop(OTHER_WEIGHTS)
    loads: dict[str, Any] = {name: functools.partial(others.__getitem__, name) for name in others}
    optimizers = {OPTIMIZER.format(number=number): each for number, each in enumerate(state.get(OPTIMIZERS_KEY, ()))}
    values: dict[str, dict[int, dict[str, Any]]] = {name: defaultdict(dict) for name in optimizers}
    for name, (top, *keys) in parts.keys.items():
        load = functools.partial(parts.value, name)
        if top == WEIGHTS_KEY:
            loads[".".join(keys)] = load
        else:
            _, number, what = keys
            values[top][int(number)][what] = load
    for name, optimizer in optimizers.items():
        optimizer["state"] = {number: ReadWhenAsked(each) for number, each in sorted(values[name].items())}
    return state | {WEIGHTS_KEY: ReadWhenAsked({name: loads[name] for name in state.pop(NAMES) if name in loads})}


def _whole(state: dict[str, Any]) -> dict[str, Any]:
    """The same with every tensor read."""
    for optimizer in state.get(OPTIMIZERS_KEY, ()):
        optimizer["state"] = {number: dict(values) for number, values in optimizer["state"].items()}
    return state | {WEIGHTS_KEY: dict(state[WEIGHTS_KEY])}


def _in_order(path: Path, names: Sequence[str], others: Mapping[str, Any]) -> dict[str, Any]:
    tensors = load_file(path / WEIGHTS)
    with safe_open(path / WEIGHTS, "pt") as file:
        tied = {name: kept for name, kept in (file.metadata() or {}).items() if name != "format"}
    found = {**tensors, **{name: tensors[kept] for name, kept in tied.items()}, **others}
    return {name: found[name] for name in names if name in found}


def step_of(path: Path) -> int:
    """The optimizer steps behind a checkpoint."""
    facts = Facts.read(path)
    return facts.global_step if facts else int(read(path)["global_step"])


def where_it_goes_on(path: Path) -> str:
    """In words, from where a checkpoint is continued."""
    facts = Facts.read(path)
    if facts is None:
        return f"from {path.name}"
    if facts.batch:
        batches = "1 batch" if facts.batch == 1 else f"{facts.batch} batches"
        return f"{batches} into epoch {facts.epoch + 1}"
    return f"after epoch {facts.epoch}" if facts.epoch else "from the start"


def refuse_damaged(path: Path) -> None:
    """See that every byte is what was written.

    Raises:
        CheckpointError: It is not.
    """
    if wrong := checkpoints.damage(path):
        raise CheckpointError(
            path,
            f"is damaged: {wrong}",
            possible=f"Others of the run may be whole: ls {path.parent}",
            next_step=f"Go on from the newest that is: fw train --resume {path.parent.parent.name}",
        )
