"""One answer of processes that try something together, whichever of them finds that it cannot be done."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import distributed
from torch.distributed.distributed_c10d import Store

RAN_OUT = "framework/memory-ran-out"
"""What a process whose memory ran out leaves in the store through which they all met."""


def are_several() -> bool:
    """Whether this process trains with others."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def summed(*values: float, device: torch.device) -> list[float]:
    """The sum over all processes.

    Args:
        *values: Those of this process.
        device: Where tensors are that processes exchange.
    """
    return _reduced(values, distributed.ReduceOp.SUM, device)


def highest(*values: float, device: torch.device) -> list[float]:
    """The highest of all processes.

    Args:
        *values: Those of this process.
        device: Where tensors are that processes exchange.
    """
    return _reduced(values, distributed.ReduceOp.MAX, device)


def _reduced(values: tuple[float, ...], how: Any, device: torch.device) -> list[float]:
    if not are_several():
        return list(values)
    found = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(found, how)
    return [float(each) for each in found]


def tell_memory_ran_out() -> None:
    """Let the others know, who wait for this process until it ends: nothing can be exchanged with them any more."""
    if are_several():
        with suppress(RuntimeError):
            _store().set(RAN_OUT, "1")


def memory_ran_out_elsewhere() -> bool:
    """Whether another process is gone because its memory ran out; the first one has the store, and says it itself."""
    if not are_several():
        return False
    try:
        return bool(_store().check([RAN_OUT]))
    except RuntimeError:
        return distributed.get_rank() > 0


def _store() -> Store:
    return distributed.distributed_c10d._get_default_store()
