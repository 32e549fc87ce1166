"""An optimizer's step on the shards of this process, without torch's dispatch of sharded tensors.

What computes each number from its own gradient and state alone gives the same on a shard as on the tensor that it is a
part of, and torch needs longer to find that out for each operation than a small shard takes to compute.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from torch.distributed.tensor import DTensor
from torch.optim import SGD, Adam, AdamW, Optimizer

NUMBER_BY_NUMBER = (Adam, AdamW, SGD)
"""Optimizers that look at no other number than the one they change."""


def steps_on_shards(optimizer: Optimizer) -> bool:
    """Whether its step may be taken on shards: on a processor, where torch computes both in the same way.

    Args:
        optimizer: The optimizer, with all its parameters.
    """
    if type(optimizer) not in NUMBER_BY_NUMBER:
        return False
    hooks = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    return not hooks and all(isinstance(each, DTensor) and each.device.type == "cpu" for each in parameters)


def step_on_shards(optimizer: Optimizer) -> None:
    """Take a step; the first one, which makes the states, as torch does.

    Args:
        optimizer: One that ``steps_on_shards``.
    """
    whole, groups = optimizer.state, [group["params"] for group in optimizer.param_groups]
    if not all(whole.get(each) for parameters in groups for each in parameters if each.grad is not None):
        optimizer.step()
        return
    state: defaultdict[Any, Any] = defaultdict(dict)
    for group, parameters in zip(optimizer.param_groups, groups, strict=True):
        group["params"] = shards = []
        for each in parameters:
            if each.grad is not None:
                shard = _part(each).detach()
                shard.grad = _part(each.grad)
                state[shard] = {name: _part(value) for name, value in whole[each].items()}
                shards.append(shard)
    optimizer.state = state
    try:
        optimizer.step()
    finally:
        optimizer.state = whole
        for group, parameters in zip(optimizer.param_groups, groups, strict=True):
            group["params"] = parameters


def _part(value: Any) -> Any:
    return value._local_tensor if isinstance(value, DTensor) else value
