"""A mean over tokens where processes share a batch: each has as many samples as the others, but not as many tokens."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def shared_mean(total: Tensor, count: Tensor, *, training: bool) -> Tensor:
    """A sum over the tokens of a batch as a mean; 0 where there are none.

    Processes that train together average their gradients. Each divides by the mean number of tokens here, so that the
    average is the gradient of the whole batch, whichever process has which of its tokens. Weights of classes are the
    same case.

    Args:
        total: The sum of this process.
        count: How many tokens it is of, or their weights.
        training: Whether gradients are made of it.
    """
    count = count.detach().to(total.dtype)
    if training and torch.is_grad_enabled() and distributed.is_available() and distributed.is_initialized():
        count = count.clone()
        distributed.all_reduce(count)
        count /= distributed.get_world_size()
    return total / count.clamp(min=torch.finfo(count.dtype).tiny)
