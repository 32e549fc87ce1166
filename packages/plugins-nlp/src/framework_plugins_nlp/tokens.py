"""Texts as numbers in memory, a padded batch at a time.

Axes: B texts, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler

from framework_core.base.batches import BatchDataset
from framework_plugins_nlp.padding import filled_up
from framework_plugins_nlp.tokenization import Encoded

POOL = 50
"""Batches whose texts are sorted by length together."""


class TokenTexts(BatchDataset):
    """Texts of different lengths, each batch filled up to its longest.

    Args:
        encoded: The texts as numbers.
        pad_id: The number that fills up.
        labels: The class of each.
    """

    def __init__(self, encoded: Encoded, pad_id: int, labels: Sequence[int]) -> None:
        self.ids = torch.from_numpy(encoded.ids)
        self.offsets = torch.from_numpy(encoded.offsets)
        self.pad_id = pad_id
        self.labels = torch.tensor(labels, dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> Tensor:
        """The tokens of each text."""
        return self.offsets.diff()

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """Tokens ``(B, T)`` and labels ``(B)``."""
        return padded(self.ids, self.offsets, indices, self.pad_id), self.labels[indices]


class NewTexts(BatchDataset):
    """Texts to predict.

    Args:
        encoded: The texts as numbers.
        pad_id: The number that fills up.
    """

    def __init__(self, encoded: Encoded, pad_id: int) -> None:
        self.ids = torch.from_numpy(encoded.ids)
        self.offsets = torch.from_numpy(encoded.offsets)
        self.pad_id = pad_id

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """Tokens ``(B, T)`` alone."""
        return (padded(self.ids, self.offsets, indices, self.pad_id),)


def padded(ids: Tensor, offsets: Tensor, indices: Tensor, pad_id: int) -> Tensor:
    """The texts of these indices, ``(B, T)``, filled up to the longest."""
    return torch.from_numpy(filled_up(ids.numpy(), offsets.numpy(), indices.numpy(), pad_id))


class LengthBuckets(Sampler[int]):
    """A random order in which texts of one batch have nearly one length, so that little is filled up.

    Texts are shuffled, some batches' worth of them sorted by length, cut into batches, and the batches shuffled.

    Args:
        lengths: The tokens of each text.
        batch_size: How many texts make a batch.
    """

    def __init__(self, lengths: Tensor, batch_size: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(len(self.lengths))
        batches: list[Tensor] = []
        for pool in torch.split(order, POOL * self.batch_size):
            batches += torch.split(pool[self.lengths[pool].argsort(stable=True)], self.batch_size)
        # Only the last batch may be short: any other would shift the batches behind it.
        last = [batches.pop()] if batches and len(batches[-1]) < self.batch_size else []
        for batch in [*(batches[number] for number in torch.randperm(len(batches)).tolist()), *last]:
            yield from batch.tolist()
