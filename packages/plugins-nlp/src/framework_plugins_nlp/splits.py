"""Splitting texts into train, validation and test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
