"""Checkpoints that FSDP and FSDP2 write in shards: a folder of torch.distributed.checkpoint's."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework_core.checkpoints.content import Content, Weight
from framework_core.errors import CheckpointError
from framework_core.training.checkpoint_parts import Parts
from framework_core.training.plain_pickle import read_saved

LIGHTNING = "meta.pt"
MODEL = ("state_dict", "model")
"""Under which key Lightning, and others, put the weights."""


def read_sharded(path: Path) -> Content:
    """Such a folder.

    Raises:
        CheckpointError: A file is missing, short, or not what it should be.
    """
    parts = Parts(path)
    tops = _tops(parts)
    beside = read_saved(path / LIGHTNING) if (path / LIGHTNING).is_file() else {}
    others = sorted({"optimizer" if each.startswith("optim") else each for each in tops - {_model_in(tops)}})
    return Content(
        path,
        "torch-sharded",
        weights_in(parts),
        (*others, *(key for key in ("lr_schedulers", "loops", "callbacks") if beside.get(key))),
        parts.processes,
        beside.get("epoch"),
        beside.get("global_step"),
        detail="by Lightning" if beside else "",
    )


def weights_in(parts: Parts) -> dict[str, Weight]:
    """The tensors of the model by their names there."""
    top = _model_in(_tops(parts))
    weights = {}
    for name, key in parts.keys.items():
        about = parts.about(name)
        if about is None or (top and key[0] != top) or (not top and key[0].startswith("optim")):
            continue
        dtype = str(about.properties.dtype).removeprefix("torch.")
        load = functools.partial(parts.value, name)
        weights[".".join(key[1:] if top else key)] = Weight(tuple(about.size), dtype, load)
    return weights


def _tops(parts: Parts) -> set[str]:
    """The first keys of what is nested."""
    return {each[0] for each in parts.keys.values() if len(each) > 1}


def _model_in(tops: set[str]) -> str:
    """The key of the model; nothing where its weights stand at the top."""
    return next((each for each in MODEL if each in tops), "")


def optimizer_states(path: Path) -> list[dict[str, Any]]:
    """The states of the optimizers as one process has them: by the number of the parameter, and not by its name.

    Raises:
        CheckpointError: A part is missing or cannot be read.
    """
    parts = Parts(path)
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"state": defaultdict(dict), "groups": defaultdict(dict)})
    for name, key in parts.keys.items():
        if not key[0].startswith("optimizer_"):
            continue
        if len(key) != 4:
            raise CheckpointError(path, f"is not converted: the optimizer's {name} has a form that is not known")
        kind, which, what = key[1:]
        found[key[0]]["groups" if kind == "param_groups" else "state"][which][what] = parts.value(name)
    return [_by_number(found[each]) for each in sorted(found, key=lambda name: int(name.rpartition("_")[2]))]


def _by_number(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    groups = [dict(optimizer["groups"][number]) for number in sorted(optimizer["groups"], key=int)]
    numbers = {name: number for number, name in enumerate(name for group in groups for name in group["params"])}
    state = {numbers[name]: dict(values) for name, values in optimizer["state"].items()}
    groups = [{**group, "params": [numbers[name] for name in group["params"]]} for group in groups]
    return {"state": dict(sorted(state.items())), "param_groups": groups}
