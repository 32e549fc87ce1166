"""Losses of sums over a batch that several processes share."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def shared_sum(part: Tensor, *, training: bool) -> Tensor:
    """A sum over the samples of one process as the sum over those of all, so that a loss of it is that of the batch.

    It is for losses that are no mean over samples: a mean over tokens, of which each sample has another number, or a
    Dice coefficient. Each process gets the sum over all, and the gradient that makes the mean over processes the
    gradient of the whole batch. A model with such a loss says so by ``loss_counts_all_processes = True``.

    Args:
        part: The sum of this process, of any shape; the same in all.
        training: Whether gradients are made of it: a model's ``self.training``. All processes are in one step then.

    Returns:
        The sum over all; of a process that is alone, and outside training, its own.
    """
    if not (training and torch.is_grad_enabled() and distributed.is_available() and distributed.is_initialized()):
        return part
    total = part.detach().clone()
    distributed.all_reduce(total)
    # Gradients are averaged over processes, and what others have is constant here.
    own = part * distributed.get_world_size()
    return total + (own - own.detach())
