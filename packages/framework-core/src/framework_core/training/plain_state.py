"""State in plain values: what ``torch.load`` reads without running code."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor

PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.layout)


class NotPlainError(Exception):
    """A value that is none of these."""


def plain(value: Any, *, copied: bool, left_out: list[str], path: str = "") -> Any:
    """The same in plain values, tensors on the CPU.

    Args:
        value: The value.
        copied: Whether tensors are copied, so that training may go on while they are written.
        left_out: Gets the path of everything that has no plain form; it is left out.
        path: Where the value stands.
    """
    if isinstance(value, Tensor):
        tensor = value.detach()
        return tensor.to("cpu", copy=True) if copied else tensor.cpu()
    if type(value) in PLAIN:
        return value
    if isinstance(value, Mapping):
        return _mapping(value, copied, left_out, path)
    if isinstance(value, list | tuple | set | frozenset):
        return _sequence(value, copied, left_out, path)
    return _simple(value)


def _mapping(value: Mapping[Any, Any], copied: bool, left_out: list[str], path: str) -> dict[Any, Any]:
    found: dict[Any, Any] = OrderedDict() if type(value) is OrderedDict else {}
    for key, each in value.items():
        where = f"{path}.{key}" if path else str(key)
        try:
            found[_simple(key)] = plain(each, copied=copied, left_out=left_out, path=where)
        except NotPlainError:
            left_out.append(where)
    return found


def _sequence(value: Any, copied: bool, left_out: list[str], path: str) -> Any:
    found = [plain(each, copied=copied, left_out=left_out, path=f"{path}[{n}]") for n, each in enumerate(value)]
    if isinstance(value, torch.Size):
        return torch.Size(found)
    if isinstance(value, tuple):
        return tuple(found)
    return set(found) if isinstance(value, set | frozenset) else found


def _simple(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, PurePath):
        return str(value)
    kinds: tuple[Any, ...] = (bool, int, float, complex, str, bytes)
    for kind in kinds:
        if isinstance(value, kind):
            return kind(value)
    if type(value) in PLAIN or isinstance(value, tuple):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return torch.from_numpy(np.ascontiguousarray(value))
    if type(value).__module__.startswith("omegaconf"):
        from omegaconf import OmegaConf

        return OmegaConf.to_container(value)
    raise NotPlainError
