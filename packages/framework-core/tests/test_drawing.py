"""Random numbers of loading: those of a sample, on any number of devices."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from framework_core import BatchDataset, draw_samples, seed_sample
from framework_core.training.sampling import place_in, resumable_loader

SAMPLES, BATCH = 26, 8


class Shaken(Dataset):
    """Samples that draw in each of three ways, from some number on."""

    def __init__(self, begin: int = 0):
        self.begin, self.read = begin, 0

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        self.read += 1
        if index < self.begin:
            return torch.tensor([index, 0.0, 0.0, 0.0])
        return torch.tensor([index, float(torch.rand(())), np.random.random_sample(), random.random()])


class Together(BatchDataset):
    """A batch at once, drawn for all and one after another."""

    def __len__(self):
        return SAMPLES

    def batch(self, indices):
        moved = draw_samples(lambda size: torch.rand(size, 2), len(indices))
        mirrored = draw_samples(torch.rand, len(indices)) < 0.5
        rows = []
        for place, index in enumerate(indices.tolist()):
            seed_sample(place)
            rows.append(torch.tensor([index, float(torch.rand(())), random.random(), float(mirrored[place])]))
        return (torch.cat([torch.stack(rows), moved], dim=1),)


class Wrapped(Dataset):
    """A dataset of batches, asked for one sample at a time."""

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        return Together()[index][0]


def epoch(dataset, *, processes=1, begin=0, workers=0):
    """What all processes have in an epoch, batch by batch, in the order of the whole batch."""
    parts = []
    for rank in range(processes):
        collate = {"collate_fn": lambda batch: batch[0]} if isinstance(dataset, BatchDataset) else {}
        loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=workers, **collate)
        loader = resumable_loader(loader, seed=3, rank=rank, world_size=processes, sharded=processes > 1)
        place_in(loader).seek(1, begin)
        parts.append(list(loader))
    whole = []
    for batches in zip(*parts, strict=True):
        rows = torch.cat(batches)
        # Several processes take the same part of a batch that is too small to divide.
        whole.append(rows[[number for number, row in enumerate(rows) if row[0] not in rows[:number, 0]]])
    return whole


def same(one, other):
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=0)


@pytest.mark.parametrize("dataset", [Shaken(), Together()], ids=["one by one", "batches"])
@pytest.mark.parametrize("processes", [2, 4])
def test_a_sample_has_the_same_random_numbers_on_any_number_of_devices(dataset, processes):
    alone = epoch(dataset)
    same(epoch(dataset, processes=processes), alone)
    drawn = torch.cat(alone)[:, 1:]
    assert all(len(column.unique()) > SAMPLES - 3 for column in drawn.T if len(column.unique()) > 2)


def test_a_dataset_of_batches_draws_the_same_where_another_asks_it_for_samples():
    alone = epoch(Together())
    same(epoch(Wrapped()), alone)
    same(epoch(Wrapped(), processes=2), alone)


def test_what_a_sample_is_like_does_not_depend_on_what_was_read_before():
    late = epoch(Shaken(begin=20))
    for begin in range(4):
        same(epoch(Shaken(begin=20), begin=begin), late[begin:])
    same(epoch(Shaken(begin=20), workers=2), late)


def test_samples_that_draw_nothing_are_read_once():
    dataset = Shaken(begin=SAMPLES)
    epoch(dataset)
    assert dataset.read == SAMPLES


def test_outside_of_a_training_the_random_numbers_are_those_of_torch():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    seed_sample(7)
    torch.testing.assert_close(draw_samples(torch.rand, 3), wanted)


def test_loading_in_the_process_that_trains_leaves_its_random_numbers_alone():
    torch.manual_seed(1)
    random.seed(1)
    wanted = float(torch.rand(())), random.random()
    torch.manual_seed(1)
    random.seed(1)
    epoch(Shaken())
    epoch(Together())
    assert (float(torch.rand(())), random.random()) == wanted
