"""A mean over tokens where processes share a batch: each has as many samples as the others, but not as many tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from framework_core import shared_sum


def shared_mean(total: Tensor, count: Tensor, *, training: bool) -> Tensor:
    """A sum over the tokens of a batch as a mean over those of all processes; 0 where there are none.

    Args:
        total: The sum of this process.
        count: How many tokens it is of, or the weights of their classes.
        training: Whether gradients are made of it.
    """
    summed, counted = shared_sum(torch.stack([total, count.detach().to(total.dtype)]), training=training).unbind()
    return summed / counted.clamp(min=torch.finfo(counted.dtype).tiny)
