"""Checkpoints that DeepSpeed's ZeRO writes: the float32 weights are in the optimizer's files, one for each process.

ZeRO 1 and 2 lay the weights of a parameter group end to end and cut that into as many pieces as there are processes.
ZeRO 3 cuts each weight into as many, the last one filled up, and lays the pieces end to end. Rajbhandari et al., ZeRO,
https://arxiv.org/abs/1910.02054; the layout is that of DeepSpeed 0.19. DeepSpeed itself is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from framework_core.checkpoints.content import Content, Weight
from framework_core.errors import CheckpointError
from framework_core.training.plain_pickle import read_saved

OPTIMIZER, MODEL = "_optim_states.pt", "_model_states.pt"
RANK = re.compile(r"zero_pp_rank_(\d+)_")
PARTS_2, PARTS_3 = "single_partition_of_fp32_groups", "fp32_flat_groups"


def is_deepspeed(path: Path) -> bool:
    """Whether it is such a folder."""
    return any(_folder(path).glob(f"*{MODEL}"))


def read_deepspeed(path: Path) -> Content:
    """Such a folder.

    Raises:
        CheckpointError: A file is missing or not what it should be, or the model itself was cut into parts.
    """
    folder = _folder(path)
    if any(not each.name.split("mp_rank_")[-1].startswith("00_") for each in folder.glob(f"*mp_rank_*{MODEL}")):
        raise CheckpointError(path, "is not read: tensor parallelism has cut its model into parts")
    parts = _by_rank(path, folder, OPTIMIZER)
    states = _by_rank(path, folder, MODEL)
    model = states[min(states)]
    optimizer = {rank: each["optimizer_state_dict"] for rank, each in parts.items()}
    processes = _processes(optimizer, model)
    _refuse_missing(path, OPTIMIZER, parts, processes if parts else 0)
    stage = 3 if any(PARTS_3 in each for each in optimizer.values()) else int(bool(parts)) and _stage(model)
    weights = {name: Weight.of(tensor) for name, tensor in model["module"].items() if isinstance(tensor, Tensor)}
    if stage == 3:
        _refuse_missing(path, MODEL, states, processes)
        found = dict(_zero_3(path, optimizer, states))
    else:
        found = dict(_zero_2(path, optimizer, model)) if parts else {}
    weights |= found
    weights |= {one: weights[other] for one, other in _shared(model) if other in weights}
    rest = ["optimizer"] if parts else []
    rest += [key for key in ("lr_schedulers", "loops", "callbacks") if model.get(key)]
    step = model.get("global_step", model.get("global_steps"))
    detail = f"ZeRO {stage}" if parts else "without ZeRO"
    return Content(path, "deepspeed", weights, tuple(rest), processes, model.get("epoch"), step, detail)


def _folder(path: Path) -> Path:
    """Where its files are: the folder that ``latest`` names."""
    latest = path / "latest"
    tag = latest.read_text("utf-8", errors="replace").strip() if latest.is_file() else ""
    return path / tag if tag and Path(tag).name == tag else path


def _by_rank(path: Path, folder: Path, ending: str) -> dict[int, Any]:
    found = {}
    for file in sorted(folder.glob(f"*{ending}")):
        rank = RANK.search(file.name)
        content = read_saved(file)
        if not isinstance(content, dict):
            raise CheckpointError(path, f"is damaged: {file.name} has not what DeepSpeed writes")
        found[int(rank[1]) if rank else 0] = content
    return found


def _processes(optimizer: Mapping[int, Any], model: Mapping[str, Any]) -> int:
    for each in optimizer.values():
        count = each.get("partition_count", 1)
        return max(count) if isinstance(count, list) else int(count)
    return int(model.get("dp_world_size", 1))


def _refuse_missing(path: Path, ending: str, found: Mapping[int, Any], processes: int) -> None:
    missing = [f"zero_pp_rank_{rank}_mp_rank_00{ending}" for rank in range(processes) if rank not in found]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise CheckpointError(path, f"is damaged: {', '.join(missing)} {are} missing")


def _stage(model: Mapping[str, Any]) -> int:
    settings = model.get("ds_config") or {}
    return int(settings.get("zero_optimization", {}).get("stage", 1))


def _shared(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names that stand for the same weight."""
    shared = model.get("shared_params") or {}
    return list(shared.items()) if isinstance(shared, dict) else [(one, other) for one, other in shared]


def _zero_2(path: Path, optimizer: Mapping[int, Any], model: Mapping[str, Any]) -> Iterator[tuple[str, Weight]]:
    fillings = optimizer[0].get("param_alignment_paddings")
    for group, shapes in enumerate(model["param_shapes"]):
        pieces = [optimizer[rank][PARTS_2][group] for rank in sorted(optimizer)]
        filling = fillings[group] if fillings is not None else [0] * len(shapes)
        start = 0
        for (name, shape), fill in zip(shapes.items(), filling, strict=True):
            yield name, _piece(path, name, torch.Size(shape), pieces, [(start, shape.numel())])
            start += shape.numel() + fill


def _zero_3(path: Path, optimizer: Mapping[int, Any], states: Mapping[int, Any]) -> Iterator[tuple[str, Weight]]:
    ranks = sorted(optimizer)
    pieces = [torch.cat([each.flatten() for each in optimizer[rank][PARTS_3]]) for rank in ranks]
    lengths = [len(piece) for piece in pieces]
    begins = [0, *accumulate(lengths)]
    start = 0
    model = states[0]
    for shapes in model["param_shapes"]:
        for name, shape in shapes.items():
            each = -(-shape.numel() // len(ranks))
            cuts = [(begin + start, each) for begin in begins[:-1]]
            if start + each > min(lengths):
                raise CheckpointError(path, f"is damaged: of {name} not all numbers are there")
            yield name, _piece(path, name, torch.Size(shape), pieces, cuts)
            start += each
    for name, shape in (model.get("frozen_param_shapes") or {}).items():
        frozen = [states[rank]["frozen_param_fragments"][name].flatten() for rank in ranks]
        total = sum(map(len, frozen))
        yield name, _piece(path, name, torch.Size(shape), frozen, [(0, total)])


def _piece(
    path: Path, name: str, shape: torch.Size, pieces: Sequence[Tensor], cuts: Sequence[tuple[int, int]]
) -> Weight:
    """A weight that is made of cuts of what the pieces are, end to end."""

    def load() -> Tensor:
        whole = torch.cat([_cut(pieces, start, length) for start, length in cuts])
        if len(whole) < shape.numel():
            raise CheckpointError(path, f"is damaged: of {name} there are {len(whole):,} of {shape.numel():,} numbers")
        return whole[: shape.numel()].view(shape)

    return Weight(tuple(shape), str(pieces[0].dtype).removeprefix("torch."), load)


def _cut(pieces: Sequence[Tensor], start: int, length: int) -> Tensor:
    found, begin = [], 0
    for piece in pieces:
        low, high = max(start - begin, 0), min(start + length - begin, len(piece))
        if low < high:
            found.append(piece[low:high])
        begin += len(piece)
    return torch.cat(found) if found else torch.empty(0)
