"""Random numbers that can be found again: those of loading follow from the batch, those of training are saved."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, default_collate, get_worker_info

from framework_core.base.batches import TensorBatches, as_it_is
from framework_core.base.drawing import part_of_batch, seed_all, seed_of_sample
from framework_core.training.indices import Indices


def derived_seed(*parts: int | str) -> int:
    """A seed that follows from its parts and from nothing else: 63 bits, the same in every process."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def random_state() -> dict[str, Any]:
    """Where the random numbers of this process are, in plain values and tensors."""
    version, keys, gauss = random.getstate()
    kind, numbers, position, has_gauss, cached = np.random.get_state()
    state = {
        "python": [version, list(keys), gauss],
        "numpy": [kind, torch.from_numpy(np.asarray(numbers).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Go back to where they were."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    kind, numbers, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, numbers.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is drawn inside, random numbers are afterwards where they were before."""
    before = random_state()
    try:
        yield
    finally:
        set_random_state(before)


def draws_nothing(loader: DataLoader[Any]) -> bool:
    """Whether loading is the copying of tensors, which needs no random numbers and no time for seeding them."""
    dataset: Any = loader.dataset
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return type(dataset) in (TensorDataset, TensorBatches) and loader.collate_fn in (as_it_is, default_collate)


class SeededDataset(Dataset[Any]):
    """A dataset that draws the same random numbers for a sample of a batch whoever loads it, and whenever.

    It stands for the dataset: everything else that is asked of it, the dataset answers. What is drawn for single
    samples does not depend on the number of processes. A dataset that gives whole batches has to ask for that, by
    ``seed_sample`` or ``draw_samples``; whatever else it draws, each process draws for its part.

    Args:
        dataset: The dataset.
        seed: The batch's epoch and number are added to it.
        rank: The process among those that share a batch.
    """

    def __init__(self, dataset: Any, seed: int, *, rank: int = 0) -> None:
        self.dataset = dataset
        self._seed = seed
        self._rank = rank
        self._draws: bool | None = None
        """Whether samples draw, as far as it is known."""

    def __getattr__(self, name: str) -> Any:
        if name == "dataset" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[index]

    def __getitems__(self, indices: Sequence[Any]) -> _Loaded:
        """Called by torch's loader for each batch."""
        before = host_state() if get_worker_info() is None else None
        batch = indices if isinstance(indices, Indices) else Indices(indices)
        seed = derived_seed(self._seed, batch.epoch, batch.batch)
        own = derived_seed(seed, self._rank)
        together = getattr(self.dataset, "__getitems__", None)
        if together:
            seed_all(own)
            with part_of_batch(seed, first=batch.first, whole=batch.whole):
                samples = together(indices)
        else:
            samples = self._one_by_one(batch, seed)
            seed_all(own)  # of what is drawn when a batch is made of them
        return _Loaded(samples, before)

    def _one_by_one(self, batch: Indices, seed: int) -> list[Any]:
        """The samples, each with random numbers of its own, which takes time, so those that draw nothing have none.

        When one draws all the same, the batch is read again: what a sample is like must not depend on those before.
        """
        if self._draws is False:
            seed_all(seed)
            samples = [self.dataset[index] for index in batch]
            self._draws = _have_moved(seed)
            if not self._draws:
                return samples
        samples = []
        for place, index in enumerate(batch, batch.first):
            own = seed_of_sample(seed, place)
            seed_all(own)
            with part_of_batch(seed, first=place, whole=batch.whole):  # it may be one of a dataset of batches
                samples.append(self.dataset[index])
            if not self._draws:
                self._draws = _have_moved(own)
        return samples


def _have_moved(seed: int) -> bool:
    """Whether anything was drawn since random numbers were seeded: what comes next is not what came first then."""
    now = _next()
    seed_all(seed)
    return now != _next()


def _next() -> tuple[float, float, int]:
    return random.random(), float(np.random.random_sample()), int(torch.randint(2**62, ()))


class SeededLoading:
    """Makes a batch of the samples of a ``SeededDataset``, and puts the random numbers of training back.

    Args:
        collate: What makes the batch.
    """

    def __init__(self, collate: Callable[[Any], Any]) -> None:
        self._collate = collate

    def __call__(self, loaded: Any) -> Any:
        """Called by torch's loader with what the dataset gave."""
        if not isinstance(loaded, _Loaded):
            return self._collate(loaded)
        batch = self._collate(loaded.samples)
        if loaded.before is not None:
            set_host_state(loaded.before)
        return batch


class _Loaded:
    """Samples, and where the random numbers of this process were before."""

    def __init__(self, samples: Any, before: Any) -> None:
        self.samples = samples
        self.before = before


def host_state() -> Any:
    """Where the random numbers of this process are that do not belong to a GPU; quicker than ``random_state``."""
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def set_host_state(state: Any) -> None:
    """Go back to where they were."""
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
