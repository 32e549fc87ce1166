"""Writing a checkpoint together: each process its own part, so that none needs memory for the whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, distributed
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import save

from framework_core.tracking import checkpoints
from framework_core.tracking.checkpoints import WRITING, hidden
from framework_core.training.checkpoint_io import (
    ELSEWHERE,
    OPTIMIZER,
    OPTIMIZERS_KEY,
    WEIGHTS_KEY,
    CheckpointFolders,
    Rest,
    not_written,
    on_disk,
)
from framework_core.training.checkpoint_parts import METADATA, PART

Result = TypeVar("Result")


class CheckpointParts(CheckpointFolders):
    """Lightning's way to disk where every process writes; they have to share the folder.

    Processes talk of it in a group of their own, so that they may go on training meanwhile.

    Args:
        timeout_seconds: How long a process waits for the others.
        **settings: As for one that writes alone.
    """

    def __init__(self, *, timeout_seconds: float, **settings: Any) -> None:
        super().__init__(**settings)
        self._timeout = timedelta(seconds=timeout_seconds)
        self._group: Any = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint; called in every process.

        Raises:
            CheckpointError: It cannot be written, or the one before could not.
        """
        if self._group is None:
            self._group = distributed.new_group(backend="gloo", timeout=self._timeout)
        part = _Part.of(checkpoint, copied=self._asynchronous, said=self._said)
        self._run(self._write_part, part, Path(path))

    def _write_part(self, part: _Part, path: Path) -> None:
        folder = hidden(path, WRITING)
        try:
            self._by_first(lambda: _make_empty(folder))
            _write_tensors(part.tensors, folder, self._group)
            own = [folder / name for name in _names(folder, distributed.get_rank())]
            everyone = self._by_all(lambda: {file.name: on_disk(file) for file in own})
            files = {name: facts for each in everyone for name, facts in each.items()}
            self._by_first(lambda: self._complete(part.rest, files, folder, path))
        except (OSError, _FailedError) as error:
            if distributed.get_rank() == 0:
                shutil.rmtree(folder, ignore_errors=True)
            raise not_written(path, error) from error

    def _complete(self, rest: Rest, files: Mapping[str, list[int | str]], folder: Path, path: Path) -> None:
        if missing := sorted(name for name in files if not (folder / name).is_file()):
            raise _FailedError(f"{missing[0]} of another machine is not in it, and all have to write into one folder")
        rest.write(folder, {**files, METADATA: on_disk(folder / METADATA)})
        checkpoints.publish(folder, path, keep_last=self._keep_last, keep_hours=self._keep_hours)

    def _by_first(self, work: Callable[[], None]) -> None:
        """Let the first process do something, while the others wait; where it fails it fails for all."""
        self._by_all(work if distributed.get_rank() == 0 else lambda: None)

    def _by_all(self, work: Callable[[], Result]) -> list[Result]:
        """Do something in every process; where it fails in one it fails in all. What each had of it, by rank."""
        told: tuple[Result | None, str] = (None, "")
        try:
            told = (work(), "")
        except Exception as error:  # noqa: BLE001  # whatever it is, the others wait to hear of it
            told = (None, str(error) or type(error).__name__)
        everyone: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(everyone, told, group=self._group)
        for _, wrong in everyone:
            if wrong:
                raise _FailedError(wrong)
        return [result for result, _ in everyone]


class _FailedError(Exception):
    """A process could not do its part."""


@dataclass(frozen=True)
class _Part:
    """What one process writes; the rest is the same in all, and the first one writes it."""

    tensors: dict[str, Any]
    rest: Rest

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any], *, copied: bool, said: set[str]) -> _Part:
        weights = _here(checkpoint[WEIGHTS_KEY], copied)
        tensors: dict[str, Any] = {WEIGHTS_KEY: {k: v for k, v in weights.items() if isinstance(v, Tensor)}}
        optimizers = checkpoint.get(OPTIMIZERS_KEY, [])
        for number, optimizer in enumerate(optimizers):
            state = {str(which): _here(values, copied) for which, values in optimizer["state"].items()}
            if any(state.values()):
                tensors[OPTIMIZER.format(number=number)] = {"state": state}
        groups = [{**optimizer, "state": {}} for optimizer in optimizers]
        return cls(tensors, Rest.of({**checkpoint, OPTIMIZERS_KEY: groups}, copied=copied, said=said))


def _here(values: Mapping[str, Any], copied: bool) -> dict[str, Any]:
    """What this process writes of them, on the CPU."""
    own = {name: value for name, value in values.items() if value is not ELSEWHERE}
    return {
        name: value.detach().to("cpu", copy=copied) if isinstance(value, Tensor) else value
        for name, value in own.items()
    }


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _names(folder: Path, rank: int) -> list[str]:
    return sorted(file.name for file in folder.glob(f"__{rank}_*{PART}"))


def _write_tensors(tensors: Mapping[str, Any], folder: Path, group: Any) -> None:
    try:
        save(dict(tensors), storage_writer=FileSystemWriter(folder), process_group=group)
    except CheckpointException as error:
        first, _ = next(iter(error.failures.values()))
        raise _FailedError(str(first)) from error
