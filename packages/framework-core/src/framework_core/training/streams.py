"""Training data that is iterated and not indexed, and goes on inside an epoch where its dataset says how.

A stream has no arithmetic of its own: only its author knows how to get to the thousandth sample without the 999 before
it. So the author gives the dataset a method ``resume(epoch, samples)``, and the rest is done here: which of the loading
processes had given how many samples, whose turn it is, and random numbers that follow from the batch.
"""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, get_worker_info
from torch.utils.data._utils import worker as torch_worker

from framework_core.base.drawing import seed_all
from framework_core.contracts.protocols import IResumable
from framework_core.errors import ConfigError, ConfigProblem
from framework_core.training.randomness import derived_seed, host_state, set_host_state

ENDLESS = 2**62
"""The batches of a loading process whose end is not known."""


class ResumableStream(IterableDataset[Any]):
    """A stream that begins at any batch, whoever loads it.

    Torch's loader takes a batch of each process in turn, and leaves out those that have ended. So what each of them has
    given follows from the number of batches, and from where those ended that have.

    Args:
        dataset: What the author wrote.
        batch_size: Samples in a batch; 1 where the dataset gives whole batches.
        drop_last: Whether an incomplete last batch is left out.
        workers: How many processes load.
        seed: Of what loading draws.
    """

    def __init__(self, dataset: Any, *, batch_size: int, drop_last: bool, workers: int, seed: int) -> None:
        self.dataset = dataset
        self._batch_size = batch_size
        self._drop_last = drop_last
        self._seed = seed
        self._number: int | None = None
        self._before: Any = None
        # Loading processes that last for several epochs have a copy of this object, and share its tensors.
        self._place = _shared(torch.zeros(2, dtype=torch.int64))
        self._ends = _shared(torch.full((max(1, workers), 2), -1, dtype=torch.int64))

    def __getattr__(self, name: str) -> Any:
        if name == "dataset" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def place(self) -> tuple[int, int]:
        """The epoch and the batch that come next."""
        epoch, batch = self._place.tolist()
        return epoch, batch

    @property
    def ends(self) -> list[int]:
        """For each loading process the batches that it has in this epoch; ``ENDLESS`` where it has not ended."""
        epoch = int(self._place[0])
        return [count if ended == epoch else ENDLESS for ended, count in self._ends.tolist()]

    def set_epoch(self, epoch: int) -> None:
        """Go to the first batch of an epoch, unless it is the one in hand."""
        if epoch != int(self._place[0]):
            self.seek(epoch)

    def seek(self, epoch: int, batch: int = 0, ends: Sequence[int] = ()) -> None:
        """Start at a batch.

        Args:
            epoch: The epoch, from 0.
            batch: The batch in it, from 0.
            ends: Where loading processes had ended before it.
        """
        self._ends.fill_(-1)
        for worker, count in enumerate(ends):
            if count < ENDLESS:
                self._ends[worker] = torch.tensor([epoch, count])
        self._place.copy_(torch.tensor([epoch, batch]))

    def __iter__(self) -> Iterator[Any]:
        epoch, batch = self.place
        turn, given = turns(batch, self.ends)
        part = self._take_on(turn)
        self._seed_for(epoch, part)
        self.dataset.resume(epoch, given[part] * self._batch_size)
        samples = iter(self.dataset)
        self.settle()
        for number in itertools.count(given[part]):
            self._seed_for(epoch, part, number)
            found = list(itertools.islice(samples, self._batch_size))
            if len(found) == self._batch_size:
                yield from found
                continue
            whole = bool(found) and not self._drop_last
            self._ends[part] = torch.tensor([epoch, number + whole])
            if whole:
                yield from found
            else:
                self.settle()
            return

    def _seed_for(self, *place: int) -> None:
        """Let random numbers follow from the place, until a batch is made of what is drawn now."""
        if get_worker_info() is None:
            self._before = host_state()
        seed_all(derived_seed(self._seed, *place))

    def settle(self) -> None:
        """Put the random numbers of training back, where they are those of this process."""
        if self._before is not None:
            set_host_state(self._before)
            self._before = None

    def _take_on(self, turn: int) -> int:
        """Take on the part of another loading process, and tell which.

        The loader begins with the first process, and the part whose turn it is may be another's.
        """
        info = get_worker_info()
        if info is None:
            return 0
        if self._number is None:
            self._number = info.id
        part = (self._number + turn) % info.num_workers
        facts = ("num_workers", "seed", "dataset", "rng", "worker_method")
        same = {name: getattr(info, name) for name in facts if hasattr(info, name)}
        vars(torch_worker)["_worker_info"] = SimpleNamespace(id=part, **same)
        return part


class SettledLoading:
    """Makes a batch of a stream's samples; what is drawn for it follows from the batch as well.

    Args:
        collate: What makes the batch.
        stream: Where the samples come from.
    """

    def __init__(self, collate: Callable[[Any], Any], stream: ResumableStream) -> None:
        self._collate = collate
        self._stream = stream

    def __call__(self, samples: Any) -> Any:
        """Called by torch's loader with the samples of a batch."""
        try:
            return self._collate(samples)
        finally:
            self._stream.settle()


def turns(batches: int, ends: Sequence[int]) -> tuple[int, list[int]]:
    """Whose turn it is after so many batches, and how many each loading process has given.

    Args:
        batches: The batches behind it.
        ends: How many each has.
    """
    rounds, left = 0, batches
    for end in [*sorted(set(ends)), ENDLESS]:
        active = sum(each > rounds for each in ends)
        whole = min(end - rounds, left // active) if active else 0
        rounds, left = rounds + whole, left - whole * active
        if not active or rounds < end:
            break
    giving = [worker for worker, end in enumerate(ends) if end > rounds]
    given = [min(end, rounds) + (worker in giving[:left]) for worker, end in enumerate(ends)]
    return (giving[left] if left < len(giving) else 0), given


def resumable_stream(loader: DataLoader[Any], *, seed: int, rank: int) -> DataLoader[Any] | None:
    """The same loader with a stream that begins at any batch; nothing where its dataset does not say how.

    Args:
        loader: Torch's loader of a stream.
        seed: Of what loading draws.
        rank: This process among those that train.
    """
    if not isinstance(loader.dataset, IResumable):
        return None
    stream = ResumableStream(
        loader.dataset,
        batch_size=loader.batch_size or 1,
        drop_last=loader.drop_last,
        workers=loader.num_workers,
        seed=derived_seed(seed, "stream", rank),
    )
    rebuilt = copy.copy(loader)
    generator = torch.Generator().manual_seed(derived_seed(seed, "workers", rank))
    collate = SettledLoading(loader.collate_fn, stream)
    vars(rebuilt).update(dataset=stream, collate_fn=collate, _iterator=None, generator=generator)
    return rebuilt


def loader_of_share(loader: DataLoader[Any], world_size: int) -> DataLoader[Any]:
    """The same loader of a stream with batches for one of several processes, which together are one batch.

    Args:
        loader: Torch's loader; one whose stream gives whole batches comes back as it is.
        world_size: How many processes share a batch.

    Raises:
        ConfigError: A batch cannot be divided among them.
    """
    if loader.batch_size is None or not isinstance(loader.batch_sampler, BatchSampler):
        return loader
    size, rest = divmod(loader.batch_size, world_size)
    if rest:
        near = max(1, round(loader.batch_size / world_size)) * world_size
        message = (
            f"a stream cannot be divided in batches of {loader.batch_size} among {world_size} processes. Possible: a "
            f"multiple of {world_size}, such as {near}, or distributed.batch=per_device"
        )
        raise ConfigError([ConfigProblem("dataset.batch_size", message)])
    smaller = copy.copy(loader)
    batches = BatchSampler(loader.sampler, size, loader.drop_last)
    vars(smaller).update(batch_size=size, batch_sampler=batches, _iterator=None)
    return smaller


def wrong_resume(loader: object) -> list[str]:
    """What is wrong with the ``resume`` of a loader's stream."""
    dataset = getattr(loader, "dataset", None)
    if not isinstance(dataset, IterableDataset) or not isinstance(dataset, IResumable):
        return []
    try:
        inspect.signature(dataset.resume).bind(0, 0)
    except TypeError:
        return [
            f"its stream {type(dataset).__name__} has a method resume{inspect.signature(dataset.resume)}, and not "
            "resume(epoch, samples)"
        ]
    return []


def _shared(tensor: Any) -> torch.Tensor:
    shared: torch.Tensor = tensor.share_memory_()
    return shared
