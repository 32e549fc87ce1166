"""Batches of bytes, which the device that trains makes numbers of."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from framework_core import BatchDataset


@runtime_checkable
class GivesBytes(Protocol):
    """A dataset that can leave the last step, normalisation, to others."""

    def __len__(self) -> int:
        """The number of samples."""

    def batch_of_bytes(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The samples of these indices; images are ``uint8`` where nothing before made numbers of them."""


class BytesOfBatches(BatchDataset):
    """The same samples, with images as bytes.

    Args:
        dataset: Where they come from.
    """

    def __init__(self, dataset: GivesBytes) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The samples of these indices."""
        return self.dataset.batch_of_bytes(indices)
