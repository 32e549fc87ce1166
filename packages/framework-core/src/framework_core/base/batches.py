"""Data in memory, taken a batch at a time: one indexing in place of one for each sample and a stack of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset


class BatchDataset(Dataset[tuple[Tensor, ...]]):
    """A dataset that gives a whole batch at once, in the order asked for.

    One that draws random numbers for samples does so by ``framework_core.draw_samples``, or behind
    ``framework_core.seed_sample``: several processes that share a batch then change its samples as one would.
    """

    @abstractmethod
    def __len__(self) -> int:
        """The number of samples."""

    @abstractmethod
    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The samples of these indices, the batch axis first."""

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(each[0] for each in self.batch(torch.tensor([index])))

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """Called by torch's loader for each batch."""
        return self.batch(torch.tensor(indices))


class TensorBatches(BatchDataset):
    """A ``TensorDataset`` as batches.

    Args:
        dataset: The tensors.
    """

    def __init__(self, dataset: TensorDataset) -> None:
        self.tensors = dataset.tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The rows of these indices."""
        return tuple(tensor[indices] for tensor in self.tensors)


def as_it_is(batch: Any) -> Any:
    """What a loader does with a batch that is one already."""
    return batch
