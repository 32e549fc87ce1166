"""Splitting texts into train, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self


def stratified(labels: Sequence[int], *, sizes: dict[str, float], seed: int) -> dict[str, list[int]]:
    """Take shares of each class, as nearly as whole texts allow; the same labels and seed give the same split.

    Args:
        labels: The class of each text.
        sizes: The share of each split that is taken away from training: ``{"val": 0.1, "test": 0.2}``.
        seed: Decides which texts go where.

    Returns:
        The texts of each split and of ``train``, in ascending order; a class keeps one training text at least.
    """
    generator = np.random.default_rng(seed)
    found: dict[str, list[int]] = {"train": [], **{name: [] for name in sizes}}
    array = np.asarray(labels)
    for label in np.unique(array):
        order = generator.permutation(np.flatnonzero(array == label))
        for name, size in sizes.items():
            count = min(len(order) - 1, round(size * int((array == label).sum())))
            found[name] += order[:count].tolist()
            order = order[count:]
        found["train"] += order.tolist()
    return {name: sorted(indices) for name, indices in found.items()}


class Part(Protocol):
    """Samples of a split."""

    def __len__(self) -> int:
        """How many."""

    def only(self, indices: Sequence[int]) -> Self:
        """Some of them."""


AnyPart = TypeVar("AnyPart", bound=Part)


def divided(known: Mapping[str, AnyPart], *, sizes: Mapping[str, float], seed: int) -> dict[str, AnyPart]:
    """The splits of samples without classes; those that are missing are taken from training.

    Args:
        known: The splits that there are, ``train`` among them.
        sizes: The share of each other split: ``{"val": 0.1, "test": 0.2}``.
        seed: Decides which samples go where; the same samples and seed give the same split.
    """
    missing = {name: size for name, size in sizes.items() if name not in known and size}
    train = known["train"]
    parts = drawn(len(train), sizes=missing, seed=seed) if missing else {}
    found = {**known, **{name: train.only(indices) for name, indices in parts.items() if indices}}
    return {name: found[name] for name in ("train", "val", "test") if name in found}


def drawn(count: int, *, sizes: dict[str, float], seed: int) -> dict[str, list[int]]:
    """Take shares of samples without classes; the same count and seed give the same split.

    Args:
        count: How many samples there are.
        sizes: The share of each split that is taken away from training: ``{"val": 0.1, "test": 0.2}``.
        seed: Decides which samples go where.

    Returns:
        The samples of each split and of ``train``, in ascending order; one at least is left to train on.
    """
    return stratified([0] * count, sizes=sizes, seed=seed)
