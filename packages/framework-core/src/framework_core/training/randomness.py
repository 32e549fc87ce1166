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


def derived_seed(*parts: int | str) -> int:
    """A seed that follows from its parts and from nothing else: 63 bits, the same in every process."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_all(seed: int) -> None:
    """Seed the random numbers of Python, NumPy and torch on the CPU; those of a GPU stay as they are."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


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
    """A dataset that draws the same random numbers for a batch whoever loads it, and whenever.

    It stands for the dataset: everything else that is asked of it, the dataset answers.

    Args:
        dataset: The dataset.
        seed: The batch's epoch and number are added to it.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self._seed = seed

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
        epoch, batch = getattr(indices, "epoch", 0), getattr(indices, "batch", 0)
        seed_all(derived_seed(self._seed, epoch, batch))
        together = getattr(self.dataset, "__getitems__", None)
        samples = together(indices) if together else [self.dataset[index] for index in indices]
        return _Loaded(samples, before)


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
