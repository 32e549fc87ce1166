"""Splitting samples into train, validation and test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stratified_split(
    labels: Sequence[int], *, val_fraction: float, test_fraction: float, seed: int
) -> dict[str, list[int]]:
    """Split samples so that each class has the same share in each split, as nearly as whole samples allow.

    The same labels and seed give the same split on every machine.

    Args:
        labels: The class of each sample.
        val_fraction: The share kept for validation.
        test_fraction: The share kept for the test.
        seed: Decides which samples go where.

    Returns:
        The indices of ``train``, ``val`` and ``test``, each in ascending order. Every class keeps at least one
        training sample.
    """
    generator = np.random.default_rng(seed)
    found: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    array = np.asarray(labels)
    for label in np.unique(array):
        order = generator.permutation(np.flatnonzero(array == label))
        held_out = min(len(order) - 1, round((val_fraction + test_fraction) * len(order)))
        total = val_fraction + test_fraction
        for_test = round(held_out * test_fraction / total) if total else 0
        found["test"] += order[:for_test].tolist()
        found["val"] += order[for_test:held_out].tolist()
        found["train"] += order[held_out:].tolist()
    return {split: sorted(indices) for split, indices in found.items()}


def random_split(count: int, *, val_fraction: float, test_fraction: float, seed: int) -> dict[str, list[int]]:
    """Split samples that have no single class, by share alone.

    Args:
        count: How many samples there are.
        val_fraction: The share kept for validation.
        test_fraction: The share kept for the test.
        seed: Decides which samples go where.

    Returns:
        The indices of ``train``, ``val`` and ``test``, each in ascending order; training keeps one at least.
    """
    return stratified_split([0] * count, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)


def spread(size: int, count: int) -> list[int]:
    """At most so many numbers below ``size``, evenly over it: where samples are in the order of classes, of many."""
    count = min(size, count)
    return [index * size // count for index in range(count)]
