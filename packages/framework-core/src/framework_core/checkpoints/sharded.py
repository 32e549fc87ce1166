"""Checkpoints that FSDP and FSDP2 write in shards: a folder of torch.distributed.checkpoint's.

Its ``.metadata`` says which part of which tensor is where; a part is what ``torch.save`` made of it.
"""

from __future__ import annotations

import io
import pickle
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex, TensorStorageMetadata

from framework_core.checkpoints.content import Content, Weight
from framework_core.checkpoints.plain_pickle import read_metadata, read_saved
from framework_core.errors import CheckpointError

METADATA, LIGHTNING = ".metadata", "meta.pt"
MODEL = ("state_dict", "model")
"""Under which key Lightning, and others, put the weights."""


def is_sharded(path: Path) -> bool:
    """Whether it is such a folder."""
    return (path / METADATA).is_file() or any(path.glob("*.distcp"))


def read_sharded(path: Path) -> Content:
    """Such a folder.

    Raises:
        CheckpointError: A file is missing, short, or not what it should be.
    """
    if not (path / METADATA).is_file():
        raise CheckpointError(path, f"is damaged: {METADATA} is missing, which says where each weight is")
    metadata = read_metadata(path / METADATA)
    parts = _parts(path, metadata)
    places: Mapping[str, Sequence[Any]] = metadata.planner_data or {}
    keys = {name: tuple(map(str, places.get(name, (name,)))) for name in metadata.state_dict_metadata}
    tops = {each[0] for each in keys.values() if len(each) > 1}
    top = next((each for each in MODEL if each in tops), "")
    weights = {}
    for name, key in keys.items():
        about = metadata.state_dict_metadata[name]
        if not isinstance(about, TensorStorageMetadata) or (top and key[0] != top):
            continue
        if not top and key[0].startswith("optim"):
            continue
        weights[".".join(key[1:] if top else key)] = _weight(path, name, about, parts[name])
    beside = read_saved(path / LIGHTNING) if (path / LIGHTNING).is_file() else {}
    others = sorted({"optimizer" if each.startswith("optim") else each for each in tops - {top}})
    return Content(
        path,
        "torch-sharded",
        weights,
        (*others, *(key for key in ("lr_schedulers", "loops", "callbacks") if beside.get(key))),
        len({file.name.split("_")[2] for file in _files(path, metadata) if file.name.startswith("__")}) or 1,
        beside.get("epoch"),
        beside.get("global_step"),
        detail="by Lightning" if beside else "",
    )


def _files(path: Path, metadata: Metadata) -> set[Path]:
    """The files of the parts; they lie in the folder, whatever it says."""
    found = set()
    for info in metadata.storage_data.values():
        file = path / info.relative_path
        if file.resolve().parent != path.resolve():
            raise CheckpointError(path, f"is not read: it says that a part is outside of it, in {info.relative_path}")
        found.add(file)
    return found


def _parts(path: Path, metadata: Metadata) -> dict[str, list[tuple[MetadataIndex, Any]]]:
    """Where each tensor's parts are, when every file has all of them."""
    files = _files(path, metadata)
    if missing := sorted(file.name for file in files if not file.is_file()):
        are = "is" if len(missing) == 1 else "are"
        raise CheckpointError(path, f"is damaged: {', '.join(missing)} {are} missing")
    found = defaultdict(list)
    ends: dict[str, int] = defaultdict(int)
    for index, info in metadata.storage_data.items():
        found[index.fqn].append((index, info))
        ends[info.relative_path] = max(ends[info.relative_path], info.offset + info.length)
    for name, end in sorted(ends.items()):
        size = (path / name).stat().st_size
        if size < end:
            raise CheckpointError(path, f"is damaged: {name} has {size:,} of {end:,} bytes")
    return found


def _weight(path: Path, name: str, about: TensorStorageMetadata, parts: Sequence[tuple[MetadataIndex, Any]]) -> Weight:
    dtype = about.properties.dtype

    def load() -> Tensor:
        whole = torch.empty(about.size, dtype=dtype)
        there = 0
        for index, info in parts:
            part = _read(path, name, info)
            offset = index.offset if index.offset is not None else torch.Size([0] * part.ndim)
            view = whole
            for axis, (start, length) in enumerate(zip(offset, part.shape, strict=True)):
                view = view.narrow(axis, start, length)
            view.copy_(part)
            there += part.numel()
        if there != whole.numel():
            raise CheckpointError(path, f"is damaged: of {name} there are {there:,} of {whole.numel():,} numbers")
        return whole

    return Weight(tuple(about.size), str(dtype).removeprefix("torch."), load)


def _read(path: Path, name: str, info: Any) -> Tensor:
    if getattr(info, "transform_descriptors", None):
        raise CheckpointError(path, f"is not read: {info.relative_path} is compressed")
    with (path / info.relative_path).open("rb") as file:
        file.seek(info.offset)
        content = file.read(info.length)
    try:
        part = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise CheckpointError(path, f"is damaged: in {info.relative_path} the part of {name} cannot be read") from error
    if not isinstance(part, Tensor):
        raise CheckpointError(path, f"is damaged: in {info.relative_path} the part of {name} is no tensor")
    return part


def optimizer_states(path: Path) -> list[dict[str, Any]]:
    """The states of the optimizers as one process has them: by the number of the parameter, and not by its name.

    Raises:
        CheckpointError: A part is missing or cannot be read.
    """
    metadata = read_metadata(path / METADATA)
    parts = _parts(path, metadata)
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"state": defaultdict(dict), "groups": defaultdict(dict)})
    for name, key in (metadata.planner_data or {}).items():
        if not str(key[0]).startswith("optimizer_"):
            continue
        if len(key) != 4:
            raise CheckpointError(path, f"is not converted: the optimizer's {name} has a form that is not known")
        about = metadata.state_dict_metadata[name]
        if isinstance(about, TensorStorageMetadata):
            value: Any = _weight(path, name, about, parts[name]).load()
        else:
            value = _plain(path, name, parts[name])
        kind, which, what = key[1:4]
        found[str(key[0])]["groups" if kind == "param_groups" else "state"][which][what] = value
    return [_by_number(found[each]) for each in sorted(found, key=lambda name: int(name.rpartition("_")[2]))]


def _by_number(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    groups = [dict(optimizer["groups"][number]) for number in sorted(optimizer["groups"])]
    numbers = {name: number for number, name in enumerate(name for group in groups for name in group["params"])}
    state = {numbers[name]: dict(values) for name, values in optimizer["state"].items()}
    groups = [{**group, "params": [numbers[name] for name in group["params"]]} for group in groups]
    return {"state": dict(sorted(state.items())), "param_groups": groups}


def _plain(path: Path, name: str, parts: Sequence[tuple[MetadataIndex, Any]]) -> Any:
    ((_, info),) = parts
    with (path / info.relative_path).open("rb") as file:
        file.seek(info.offset)
        content = file.read(info.length)
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise CheckpointError(path, f"is damaged: in {info.relative_path} {name} cannot be read") from error
