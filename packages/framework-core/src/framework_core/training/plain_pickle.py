"""Reading what torch has pickled without running anybody's code."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch.distributed.checkpoint import filesystem, metadata

from framework_core.errors import CheckpointError

_METADATA = (
    "BytesStorageMetadata",
    "ChunkStorageMetadata",
    "Metadata",
    "MetadataIndex",
    "StorageMeta",
    "TensorProperties",
    "TensorStorageMetadata",
    "_MEM_FORMAT_ENCODING",
)
_PATHS = ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
_LOSS_SCALERS = "deepspeed.runtime.fp16.loss_scaler"
_DEEPSPEED = (
    "deepspeed.runtime.zero.config.ZeroStageEnum",
    "deepspeed.utils.tensor_fragment.fragment_address",
    *(f"{_LOSS_SCALERS}.{name}" for name in ("LossScaler", "DynamicLossScaler", "LossScalerBase")),
)


class Inert:
    """Stands for an object whose class is not wanted."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments


def read_metadata(path: Path) -> metadata.Metadata:
    """The ``.metadata`` of a sharded checkpoint of torch's.

    Raises:
        CheckpointError: It cannot be read, or has something in it that such a file has not.
    """
    try:
        found: Any = _Unpickler(path.read_bytes()).load()
    except _ForbiddenError as error:
        raise refused(path, str(error)) from error
    except Exception as error:  # bytes that are no pickle fail in any way
        raise CheckpointError(path.parent, f"is damaged: {path.name} cannot be read") from error
    if not isinstance(found, metadata.Metadata) or not found.storage_data:
        raise CheckpointError(path.parent, f"is damaged: {path.name} does not say where the weights are")
    return found


def read_saved(path: Path) -> Any:
    """What ``torch.save`` wrote, tensors mapped from the file.

    Raises:
        CheckpointError: It cannot be read, or has objects in it that only code of theirs could make.
    """
    stubs: list[Any] = [(type("Inert", (Inert,), {}), name) for name in _DEEPSPEED]
    try:
        with torch.serialization.safe_globals(stubs):
            try:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:
                # Files from before torch 1.6 cannot be mapped.
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = str(error).partition("GLOBAL ")[2].split(" ")[0]
        if not named:
            raise CheckpointError(path, "is damaged: it cannot be read") from error
        raise refused(path, named) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(path, f"is damaged: {str(error).partition(chr(10))[0].rstrip('.')}") from error


def refused(path: Path, named: str) -> CheckpointError:
    """The error of a file that could run code."""
    return CheckpointError(
        path,
        f"is not read: it has a {named} in it, and making one would run code",
        possible="Tensors, numbers, texts, lists and dictionaries are read.",
        next_step="Where you trust it, save it again with these alone: torch.save(torch.load(OLD)['state_dict'], NEW)",
    )


class _ForbiddenError(Exception):
    """A name that such a file has no use for."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))

    def find_class(self, module: str, name: str) -> Any:
        """Only classes that hold what is said of tensors."""
        if module == metadata.__name__ and name in _METADATA:
            return getattr(metadata, name)
        if module == filesystem.__name__ and name in ("_StorageInfo", "_StoragePrefix"):
            return getattr(filesystem, name)
        if module == "torch" and (name == "Size" or isinstance(getattr(torch, name, None), torch.dtype)):
            return getattr(torch, name)
        if (module, name) == ("torch.serialization", "_get_layout"):
            return getattr(torch.serialization, name)
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module.partition(".")[0] == "pathlib" and name in _PATHS:
            return PurePosixPath
        raise _ForbiddenError(f"{module}.{name}")
