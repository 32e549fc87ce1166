"""Splits by class and seed."""

from collections import Counter

import pytest

from framework_plugins_vision.splits import stratified_split

LABELS = [0] * 100 + [1] * 50 + [2] * 10


def split(labels=LABELS, *, val=0.2, test=0.1, seed=0):
    return stratified_split(labels, val_fraction=val, test_fraction=test, seed=seed)


def test_every_sample_is_in_exactly_one_split():
    found = split()
    assert sorted(index for indices in found.values() for index in indices) == list(range(len(LABELS)))


def test_each_class_has_its_share_in_each_split():
    counts = {name: Counter(LABELS[index] for index in indices) for name, indices in split().items()}
    assert counts == {"train": {0: 70, 1: 35, 2: 7}, "val": {0: 20, 1: 10, 2: 2}, "test": {0: 10, 1: 5, 2: 1}}


def test_the_same_seed_gives_the_same_split_and_another_does_not():
    assert split(seed=5) == split(seed=5)
    assert split(seed=5) != split(seed=6)


def test_the_split_is_the_same_on_every_machine():
    assert split([0, 1] * 5, val=0.2, test=0.2, seed=1) == {"train": [2, 3, 4, 5, 6, 9], "val": [0, 1], "test": [7, 8]}


def test_indices_are_plain_and_in_order():
    for indices in split().values():
        assert indices == sorted(indices)
        assert all(type(index) is int for index in indices)


@pytest.mark.parametrize(("val", "test"), [(0, 0), (0.5, 0), (0, 0.5), (0.4, 0.4)])
def test_a_share_of_nothing_is_an_empty_split(val, test):
    found = split(val=val, test=test)
    assert bool(found["val"]) == bool(val)
    assert bool(found["test"]) == bool(test)
    assert len(found["train"]) == pytest.approx(len(LABELS) * (1 - val - test))


@pytest.mark.parametrize("seed", range(5))
def test_every_class_is_trained_however_few_samples_it_has(seed):
    labels = [0, 1, 1, 2, 2, 2]
    found = split(labels, val=0.49, test=0.49, seed=seed)
    assert {labels[index] for index in found["train"]} == {0, 1, 2}


def test_no_samples_give_empty_splits():
    assert split([]) == {"train": [], "val": [], "test": []}
