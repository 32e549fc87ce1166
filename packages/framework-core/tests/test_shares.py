"""How processes share a batch, and a split that a model is measured on."""

import itertools

import pytest
from torch.utils.data import BatchSampler

from framework_core.training.sampling import ResumableBatches
from framework_core.training.shares import EachSampleOnce, share

CASES = list(itertools.product((1, 2, 3, 4, 7, 8), (1, 2, 5, 16, 33)))


@pytest.mark.parametrize(("world_size", "batch_size"), CASES)
def test_a_weighted_mean_over_processes_is_the_mean_of_the_batch(world_size, batch_size):
    for samples in range(1, batch_size + 1):
        parts = [share(samples, batch_size=batch_size, rank=rank, world_size=world_size) for rank in range(world_size)]
        means = [sum(range(each.first, each.end)) / (each.end - each.first) * each.weight for each in parts]
        assert sum(means) / world_size == pytest.approx((samples - 1) / 2)


def test_no_process_is_without_samples_or_has_one_alone_where_whole_batches_give_it_more():
    for samples in range(2, 17):
        parts = [share(samples, batch_size=16, rank=rank, world_size=4) for rank in range(4)]
        assert min(each.end - each.first for each in parts) >= 2


def test_parts_in_order_are_the_batch():
    batches = [ResumableBatches(range(100), batch_size=16, seed=3, rank=rank, world_size=3) for rank in range(3)]
    alone = ResumableBatches(range(100), batch_size=16, seed=3)
    assert len(batches[0]) == len(alone) == 7
    for number in range(6):
        whole = [index for each in batches for index in each.indices(2, number)]
        assert whole == alone.indices(2, number) == batches[0].whole(2, number)


def test_a_batch_of_each_device_makes_a_larger_one_of_all():
    batches = [ResumableBatches(range(100), batch_size=8, rank=rank, world_size=2, together=2) for rank in range(2)]
    assert [len(each.indices(0, 0)) for each in batches] == [8, 8]
    assert len(batches[0]) == 7


@pytest.mark.parametrize(("world_size", "batch_size"), [case for case in CASES if case[0] > 1])
def test_each_sample_is_measured_once_and_no_process_waits_for_another(world_size, batch_size):
    for samples in range(world_size, 60):
        plain = BatchSampler(range(samples), batch_size, drop_last=False)
        parts = [list(EachSampleOnce(plain, rank=rank, world_size=world_size)) for rank in range(world_size)]
        assert len({len(each) for each in parts}) == 1
        assert all(batch for each in parts for batch in each)
        assert sorted(index for each in parts for batch in each for index in batch) == list(range(samples))
        # Datasets that tell by the number of a sample which it is go by this.
        assert [index for batch in parts[1] for index in batch] == list(range(samples))[1::world_size]


def test_of_fewer_samples_than_processes_each_measures_all():
    plain = BatchSampler(range(3), 2, drop_last=False)
    assert [list(EachSampleOnce(plain, rank=rank, world_size=4)) for rank in range(4)] == [[[0, 1, 2]]] * 4
