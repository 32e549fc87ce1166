"""Repeated augmentation: Hoffer et al., https://arxiv.org/abs/1901.09335, as in DeiT."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler


class RepeatedSampler(Sampler[int]):
    """Each sample several times in a row, augmented anew each time; an epoch is as long as without.

    So an epoch sees a share of the samples only, others in each epoch.

    Args:
        size: The number of samples.
        repeats: How many times each is taken.
    """

    def __init__(self, size: int, repeats: int) -> None:
        self._size = size
        self._repeats = repeats

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(self._size).repeat_interleave(self._repeats)
        yield from order[: self._size].tolist()
