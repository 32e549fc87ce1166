"""Splitting recordings into train, validation and test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stratified_split(
    labels: Sequence[int], *, val_fraction: float, test_fraction: float, seed: int
) -> dict[str, list[int]]:
    """Split recordings so that each class has the same share in each split, as nearly as whole recordings allow.

    The same labels and seed give the same split on every machine.

    Args:
        labels: The class of each recording; the same for all where they have none.
        val_fraction: The share kept for validation.
        test_fraction: The share kept for the test.
        seed: Decides which recordings go where.

    Returns:
        The numbers of the recordings of ``train``, ``val`` and ``test``, in ascending order. Every class keeps at least
        one to train on.
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


def whole_groups(
    groups: Sequence[str], *, val_fraction: float, test_fraction: float, seed: int
) -> dict[str, list[int]]:
    """Split recordings so that those of one group (a speaker, a place) are in one split.

    Args:
        groups: The group of each recording.
        val_fraction: The share of the recordings kept for validation, as nearly as whole groups allow.
        test_fraction: Likewise for the test.
        seed: Decides which groups go where.

    Returns:
        The numbers of the recordings of each split, in ascending order; one group at least is left to train on, and a
        share that is not 0 takes one at least, as long as there is one.
    """
    names = sorted(set(groups))
    order = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    members = {name: [index for index, each in enumerate(groups) if each == name] for name in names}
    found: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for split, fraction in (("test", test_fraction), ("val", val_fraction)):
        wanted = fraction * len(groups)
        while len(order) > 1 and wanted and (not found[split] or _nearer(found[split], members[order[0]], wanted)):
            found[split] += members[order.pop(0)]
    found["train"] = [index for name in order for index in members[name]]
    return {split: sorted(indices) for split, indices in found.items()}


def by_folds(folds: Sequence[str], *, test: str, val: str) -> dict[str, list[int]]:
    """Split recordings by folds that others made: they are never mixed.

    Args:
        folds: The fold of each recording.
        test: The fold to test on.
        val: The fold to validate on; that of the test where there is to be no validation.
    """
    parts = dict.fromkeys(folds, "train") | {val: "val", test: "test"}
    found: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for index, fold in enumerate(folds):
        found[parts[fold]].append(index)
    return found


def _nearer(taken: Sequence[int], more: Sequence[int], wanted: float) -> bool:
    """Whether taking more comes nearer to what is wanted."""
    return abs(len(taken) + len(more) - wanted) < abs(len(taken) - wanted)
