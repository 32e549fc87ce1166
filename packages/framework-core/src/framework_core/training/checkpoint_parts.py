"""Reading tensors that several processes wrote, each its part: a folder of torch.distributed.checkpoint's.

Its ``.metadata`` says which part of which tensor is where; a part is what ``torch.save`` made of it. Everything is read
without running anybody's code.
"""

from __future__ import annotations

import io
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load

from framework_core.errors import CheckpointError
from framework_core.training.plain_pickle import read_metadata

METADATA, PART = ".metadata", ".distcp"


def is_in_parts(path: Path) -> bool:
    """Whether it is such a folder."""
    return (path / METADATA).is_file() or any(path.glob(f"*{PART}"))


class Parts:
    """Such a folder, when every file that it needs is there.

    Args:
        path: The folder.

    Raises:
        CheckpointError: A file is missing, short, or not what it should be.
    """

    def __init__(self, path: Path) -> None:
        if not (path / METADATA).is_file():
            raise CheckpointError(path, f"is damaged: {METADATA} is missing, which says where each weight is")
        self._path = path
        self._metadata = read_metadata(path / METADATA)
        self._places: dict[str, list[tuple[MetadataIndex, Any]]] = defaultdict(list)
        for index, info in self._metadata.storage_data.items():
            self._places[index.fqn].append((index, info))
        self._refuse_short_files()

    @property
    def keys(self) -> dict[str, tuple[str, ...]]:
        """Where each value stood in nested dictionaries, by its name."""
        places: Mapping[str, Any] = self._metadata.planner_data or {}
        return {name: tuple(map(str, places.get(name, (name,)))) for name in self._metadata.state_dict_metadata}

    @property
    def processes(self) -> int:
        """How many wrote it."""
        names = {info.relative_path for info in self._metadata.storage_data.values()}
        return len({name.split("_")[2] for name in names if name.startswith("__")}) or 1

    def about(self, name: str) -> TensorStorageMetadata | None:
        """Shape and type of a tensor; nothing where the value is none."""
        found = self._metadata.state_dict_metadata[name]
        return found if isinstance(found, TensorStorageMetadata) else None

    def value(self, name: str) -> Any:
        """A value, whole.

        Raises:
            CheckpointError: A part is missing or cannot be read.
        """
        about = self.about(name)
        if about is None:
            ((_, info),) = self._places[name]
            return self._read(info, f"{name} cannot be read")
        whole = torch.empty(about.size, dtype=about.properties.dtype)
        there = 0
        for index, info in self._places[name]:
            part = self._read(info, f"the part of {name} cannot be read")
            if not isinstance(part, Tensor):
                raise self._damaged(f"in {info.relative_path} the part of {name} is no tensor")
            offset = index.offset if index.offset is not None else torch.Size([0] * part.ndim)
            view = whole
            for axis, (start, length) in enumerate(zip(offset, part.shape, strict=True)):
                view = view.narrow(axis, start, length)
            view.copy_(part)
            there += part.numel()
        if there != whole.numel():
            raise self._damaged(f"of {name} there are {there:,} of {whole.numel():,} numbers")
        return whole

    def _read(self, info: Any, otherwise: str) -> Any:
        if getattr(info, "transform_descriptors", None):
            raise CheckpointError(self._path, f"is not read: {info.relative_path} is compressed")
        with (self._path / info.relative_path).open("rb") as file:
            file.seek(info.offset)
            content = file.read(info.length)
        try:
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
            raise self._damaged(f"in {info.relative_path} {otherwise}") from error

    def _refuse_short_files(self) -> None:
        ends: dict[str, int] = defaultdict(int)
        for info in self._metadata.storage_data.values():
            ends[info.relative_path] = max(ends[info.relative_path], info.offset + info.length)
        for name in ends:
            # They lie in the folder, whatever it says.
            if (self._path / name).resolve().parent != self._path.resolve():
                raise CheckpointError(self._path, f"is not read: it says that a part is outside of it, in {name}")
        if missing := sorted(name for name in ends if not (self._path / name).is_file()):
            raise self._damaged(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
        for name, end in sorted(ends.items()):
            size = (self._path / name).stat().st_size
            if size < end:
                raise self._damaged(f"{name} has {size:,} of {end:,} bytes")

    def _damaged(self, wrong: str) -> CheckpointError:
        return CheckpointError(self._path, f"is damaged: {wrong}")


class ReadWhenAsked(Mapping[str, Any]):
    """Values by name; each is read anew whenever it is asked for, and none is kept.

    Args:
        loads: What reads each.
    """

    def __init__(self, loads: Mapping[str, Callable[[], Any]]) -> None:
        self._loads = loads

    def __getitem__(self, name: str) -> Any:
        return self._loads[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._loads

    def __iter__(self) -> Iterator[str]:
        return iter(self._loads)

    def __len__(self) -> int:
        return len(self._loads)


def read_into(tensors: dict[str, Any], path: Path) -> None:
    """Fill tensors, in every process that trains; of those that are sharded each process reads its part alone.

    Args:
        tensors: In nested dictionaries, as they were written.
        path: The folder.

    Raises:
        CheckpointError: They cannot be read, or have other shapes.
    """
    try:
        load(tensors, storage_reader=_PlainReader(path))
    except CheckpointException as error:
        first, _ = next(iter(error.failures.values()))
        raise CheckpointError(path, f"cannot be read: {str(first).rstrip('.')}") from error


class _PlainReader(FileSystemReader):
    """Torch's, that runs nobody's code for ``.metadata`` either."""

    def read_metadata(self, *arguments: Any, **named: Any) -> Metadata:
        """What is where."""
        return read_metadata(Path(self.path) / METADATA)
