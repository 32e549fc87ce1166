"""Random numbers of loading that belong to a sample: the same whichever process loads it, on any number of devices."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_ODD = 0x9E3779B97F4A7C15
"""2**64 by the golden ratio: its multiples lie far apart and differ in their low bits (Knuth, TAOCP 3, section 6.4)."""


@dataclass
class _Part:
    """The part of a batch that is being loaded."""

    seed: int
    first: int
    whole: int
    draws: int = 0


_part: ContextVar[_Part | None] = ContextVar("part", default=None)


def seed_all(seed: int) -> None:
    """Seed the random numbers of Python, NumPy and torch on the CPU; those of a GPU stay as they are."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


@contextmanager
def part_of_batch(seed: int, *, first: int, whole: int) -> Iterator[None]:
    """Say which samples are loaded inside.

    Args:
        seed: Of the batch, the same in all processes that share it.
        first: The place of the first of them in the whole batch.
        whole: How many samples that has.
    """
    token = _part.set(_Part(seed, first, whole))
    try:
        yield
    finally:
        _part.reset(token)


def seed_of_sample(seed: int, place: int) -> int:
    """The seed of a sample.

    Args:
        seed: Of its batch.
        place: Its place in the whole batch.
    """
    return (seed ^ (place + 1) * _ODD) % 2**63


def seed_sample(place: int) -> None:
    """Let what is drawn next be the random numbers of one sample, those of Python, NumPy and torch.

    A dataset that gives whole batches calls this before it draws for a sample, so that the sample is changed in the
    same way on any number of devices. Where nobody trains it does nothing.

    Args:
        place: The place of the sample in the batch that the dataset was asked for.
    """
    part = _part.get()
    if part is not None:
        seed_all(seed_of_sample(part.seed, part.first + place))


def draw_samples(draw: Callable[[int], Tensor], count: int) -> Tensor:
    """Draw for all samples of a batch at once, so that each has the same numbers on any number of devices.

    Args:
        draw: Gives random numbers of torch for so many samples, the sample axis first.
        count: How many samples the dataset was asked for.

    Returns:
        Those for the samples that it was asked for.
    """
    part = _part.get()
    if part is None:
        return draw(count)
    part.draws += 1
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed_of_sample(part.seed, -part.draws))
    try:
        return draw(part.whole)[part.first : part.first + count]
    finally:
        torch.set_rng_state(before)
