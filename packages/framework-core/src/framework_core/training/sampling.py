"""The order of the training samples as arithmetic: which samples make batch 1000 of epoch 7 needs no earlier batch.

A sampler of torch draws its order from the state that random numbers happen to be in, and to find a place in it
again one has to draw, or worse to read, everything before. Here the order of an epoch follows from the seed and the
epoch's number, so a run that is continued begins at any batch at once, with the samples it would have had.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, Sampler, SequentialSampler

from framework_core.base.drawing import seed_all
from framework_core.training.indices import Indices
from framework_core.training.randomness import (
    SeededDataset,
    SeededLoading,
    derived_seed,
    draws_nothing,
    undisturbed,
)
from framework_core.training.shares import EachSampleOnce, Share, share
from framework_core.training.streams import ResumableStream, loader_of_share, resumable_stream


class ResumableBatches(Sampler[list[int]]):
    """A batch sampler whose batches are a function of seed, epoch and number, and which starts at any of them.

    Args:
        sampler: What the loader had: a ``RandomSampler`` stands for a permutation, a ``SequentialSampler`` for the
            order of the data; any other sampler is asked for its indices with random numbers that follow from seed
            and epoch. A batch sampler of one's own is asked for its batches.
        batch_size: Samples in a batch; ``None`` where ``sampler`` gives whole batches.
        drop_last: Whether an incomplete last batch is left out.
        seed: Of the order.
        rank: This process among those that share each batch.
        world_size: How many share it.
        together: How many of the loader's batches they share at a time.
    """

    def __init__(
        self,
        sampler: Any,
        *,
        batch_size: int | None,
        drop_last: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        together: int = 1,
    ) -> None:
        self.sampler = sampler
        self.batch_size = batch_size and batch_size * together
        self._together = together
        self.drop_last = drop_last
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        """The epoch that is iterated next."""
        self._start = 0
        self._known: tuple[int, int, Any] = (-1, -1, None)

    def __len__(self) -> int:
        count = len(self.sampler)
        if self.batch_size is None:
            return -(-count // self._together)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Go to the first batch of an epoch, unless it is the one in hand."""
        if epoch != self.epoch:
            self.seek(epoch)

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Start at a batch. Nothing before it is drawn or read."""
        self.epoch, self._start = epoch, batch

    @property
    def place(self) -> tuple[int, int]:
        """The epoch and the batch that come next."""
        return self.epoch, self._start

    def indices(self, epoch: int, batch: int) -> list[int]:
        """The samples of one batch of this process.

        Args:
            epoch: The epoch, from 0.
            batch: The batch's number in it, from 0; beyond the last one begins a second pass in another order, as it
                is drawn for the shorter of several loaders.
        """
        whole = self.whole(epoch, batch)
        own = self._share(len(whole))
        return Indices(whole[own.first : own.end], epoch, batch, own.first, len(whole))

    def whole(self, epoch: int, batch: int) -> list[int]:
        """The samples of one batch of all processes.

        Args:
            epoch: The epoch, from 0.
            batch: The batch's number in it.
        """
        again, number = divmod(batch, len(self))
        order = self._order(epoch, again)
        if self.batch_size is None:
            return list(itertools.chain(*order[number * self._together : (number + 1) * self._together]))
        found = order[number * self.batch_size : (number + 1) * self.batch_size]
        return found.tolist() if isinstance(found, torch.Tensor) else list(found)

    def weight(self, epoch: int, batch: int) -> float:
        """What a mean over this process's samples is multiplied by, so that the mean over all is that of the batch."""
        return 1.0 if self.world_size == 1 else self._share(self._size(epoch, batch)).weight

    def _size(self, epoch: int, batch: int) -> int:
        """The samples of one batch of all processes; where batches have one size, they need not be looked up."""
        if self.batch_size is None:
            return len(self.whole(epoch, batch))
        return min(self.batch_size, len(self.sampler) - batch % len(self) * self.batch_size)

    def _share(self, samples: int) -> Share:
        size = samples if self.batch_size is None else self.batch_size
        return share(samples, batch_size=size, rank=self.rank, world_size=self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, start, length = self.epoch, self._start, len(self)
        end = (start // length + 1) * length if length else start
        for batch in range(start, end):
            yield self.indices(epoch, batch)
        if self.epoch == epoch:
            self._start = end

    def _order(self, epoch: int, again: int) -> Any:
        if self._known[:2] != (epoch, again):
            self._known = (epoch, again, self._drawn(epoch, derived_seed(self.seed, "order", epoch, again)))
        return self._known[2]

    def _drawn(self, epoch: int, seed: int) -> Any:
        """The order of the whole epoch."""
        if _is_plain(self.sampler):
            count = len(self.sampler)
            if type(self.sampler) is SequentialSampler:
                return torch.arange(count)
            return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        with undisturbed():
            seed_all(seed)
            for part in (self.sampler, getattr(self.sampler, "sampler", None)):
                _reseed(part, epoch, seed)
            return list(itertools.islice(iter(self.sampler), len(self.sampler)))


class KeyedBatches(Sampler[list[int]]):
    """Another batch sampler, whose batches know their number.

    Args:
        batches: The batch sampler.
    """

    def __init__(self, batches: Any) -> None:
        self.batches = batches
        self.sampler = getattr(batches, "sampler", None)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for number, batch in enumerate(self.batches):
            yield Indices(batch, 0, number)


def place_in(loader: object) -> ResumableBatches | ResumableStream | None:
    """What knows the place in a loader that was rebuilt; nothing in any other."""
    for part in (getattr(loader, "batch_sampler", None), getattr(loader, "dataset", None)):
        if isinstance(part, ResumableBatches | ResumableStream):
            return part
    return None


def begins_anew(loader: object) -> bool:
    """Whether a loader can only begin at the beginning of an epoch: it was not rebuilt, and keeps no place itself."""
    return place_in(loader) is None and not (hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict"))


def resumable_loader(
    loader: Any, *, seed: int, rank: int = 0, world_size: int = 1, sharded: bool = False, per_device: bool = False
) -> Any:
    """The same loader with an order that can be found again, and random numbers that follow from the batch.

    Args:
        loader: The loader; one that is not torch's, or whose stream does not say how it goes on, comes back as it is.
        seed: Of order and loading.
        rank: This process among those that train.
        world_size: How many processes train.
        sharded: Whether each batch is to be split among them; a stream shares out its samples itself.
        per_device: Whether the loader's batch is that of one process, and not of all.
    """
    if isinstance(loader, DataLoader) and isinstance(loader.dataset, IterableDataset):
        if world_size > 1 and not per_device and not hasattr(loader, "state_dict"):
            loader = loader_of_share(loader, world_size)
        stream = None if hasattr(loader, "state_dict") else resumable_stream(loader, seed=seed, rank=rank)
        return loader if stream is None else stream
    if not _is_batched(loader) or hasattr(loader, "state_dict"):
        return loader
    source = loader.sampler if type(loader.batch_sampler) is BatchSampler else loader.batch_sampler
    if not isinstance(source, Sized):
        return loader
    batches = ResumableBatches(
        source,
        batch_size=loader.batch_size,
        drop_last=loader.drop_last,
        seed=seed,
        rank=rank if sharded else 0,
        world_size=world_size if sharded else 1,
        together=world_size if sharded and per_device else 1,
    )
    # A copy keeps everything else, also of a class of one's own; torch forbids to set these one by one.
    rebuilt = copy.copy(loader)
    vars(rebuilt).update(batch_sampler=batches, _iterator=None, generator=_own_generator(seed, rank))
    if not draws_nothing(loader):
        dataset = SeededDataset(loader.dataset, derived_seed(seed, "loading"), rank=rank)
        vars(rebuilt).update(dataset=dataset, collate_fn=SeededLoading(loader.collate_fn))
    return rebuilt


def measuring_loader(loader: Any, *, rank: int, world_size: int, per_device: bool = False) -> Any:
    """The same loader for one of several processes that measure a model: each sample is seen by one of them.

    Args:
        loader: The loader; one whose batches are not made of indices comes back as it is.
        rank: This process.
        world_size: How many there are.
        per_device: Whether the loader's batch is that of one process, and not of all.
    """
    if not _is_batched(loader):
        return loader
    shared = copy.copy(loader)
    together = world_size if per_device else 1
    batches = EachSampleOnce(loader.batch_sampler, rank=rank, world_size=world_size, together=together)
    vars(shared).update(batch_sampler=batches, _iterator=None)
    return shared


def keyed_loader(loader: Any, *, seed: int, rank: int = 0) -> Any:
    """The same loader in the same order, with random numbers that follow from the number of the batch.

    Args:
        loader: The loader.
        seed: Of loading.
        rank: This process among those that take part.
    """
    if not _is_batched(loader) or draws_nothing(loader):
        return loader
    keyed = copy.copy(loader)
    dataset = SeededDataset(loader.dataset, derived_seed(seed, "validation", rank))
    vars(keyed).update(
        batch_sampler=KeyedBatches(loader.batch_sampler),
        dataset=dataset,
        collate_fn=SeededLoading(loader.collate_fn),
        _iterator=None,
    )
    return keyed


def _is_batched(loader: Any) -> bool:
    """Whether it is torch's loader, of a dataset with indices, in batches."""
    return (
        isinstance(loader, DataLoader)
        and not isinstance(loader.dataset, IterableDataset)
        and loader.batch_sampler is not None
    )


def _own_generator(seed: int, rank: int) -> torch.Generator:
    """Torch draws a number for its loading processes at each epoch: not from those of the training."""
    return torch.Generator().manual_seed(derived_seed(seed, "workers", rank))


def _is_plain(sampler: Any) -> bool:
    if type(sampler) is SequentialSampler:
        return True
    return type(sampler) is RandomSampler and not sampler.replacement and sampler._num_samples is None


def _reseed(sampler: Any, epoch: int, seed: int) -> None:
    """Let what a sampler keeps of its own follow from the epoch too."""
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)
    for name, value in list(getattr(sampler, "__dict__", {}).items()):
        if isinstance(value, torch.Generator):
            value.manual_seed(seed)
        elif isinstance(value, random.Random):
            value.seed(seed)
        elif isinstance(value, np.random.RandomState):
            value.seed(seed % 2**32)
        elif isinstance(value, np.random.Generator):
            setattr(sampler, name, np.random.default_rng(seed))
