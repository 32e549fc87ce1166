"""Samples of validation and test that training has too: found, said once, bounded in time, and refused where wanted."""

from __future__ import annotations

import hashlib
import itertools
import logging
import time
from types import SimpleNamespace

import pytest

from framework_core import DataSpec
from framework_core.contracts import DuplicatesConfig, SampleHash
from framework_core.errors import DataError
from framework_core.training import duplicates
from framework_core.training.duplicates import check, extent, find, sentences

DATA = DataSpec(task="tabular-classification", input_shape=(4,), class_names=("a", "b"), fingerprint="content:1")


def code(number: int, turned: int = 0) -> bytes:
    """A perceptual hash of 256 bits like no other, with some bits turned."""
    bits = int.from_bytes(hashlib.sha256(str(number).encode()).digest(), "big")
    for position in range(turned):
        bits ^= 1 << (position * 19 % 256)
    return bits.to_bytes(32, "big")


class Data:
    """Samples by number: each split is a list of what they are."""

    def __init__(self, train, val=(), test=(), wait=0.0):
        self.train_dataset, self.val_dataset, self.test_dataset = train, val, test
        self.wait = wait
        self.asked = 0

    def sample_hashes(self, split, indices):
        time.sleep(self.wait)
        self.asked += len(indices)
        dataset = getattr(self, f"{split}_dataset")
        found = []
        for index in indices:
            number, content, turned = dataset[index]
            found.append(SampleHash(f"{split}-{index}", content.encode(), code(number, turned)))
        return found


def own(first, count):
    return [(number, str(number), 0) for number in range(first, first + count)]


def test_what_is_the_same_and_what_is_alike_is_found_and_named():
    data = Data(own(0, 600), val=own(1000, 50), test=[(7, "7", 0), (9, "other form", 12), *own(2000, 38)])
    found = find(data)
    (overlap,) = found.found
    assert (overlap.split, overlap.exact, overlap.alike, overlap.looked_at) == ("test", 1, 1, 40)
    head, same, alike = sentences(found)
    assert head.startswith("2 of 40 test samples are in train too (1 exactly, 1 in another form)")
    assert "has 5 % of test right without having learned anything" in head
    assert (same, alike) == ("  test test-0 = train train-7", "  test test-1 ~ train train-9")
    assert extent(found).startswith("90 samples of val and test compared with 600 of train, in ")


def test_what_differs_in_more_bits_is_another_sample():
    assert find(Data(own(0, 300), val=[(9, "other", 13), *own(1000, 5)])).found == []


def test_many_pairs_are_counted_and_few_named():
    found = find(Data(own(0, 100), val=own(0, 50)))
    assert found.overlaps[0].exact == 50
    assert sentences(found)[-1] == "  ..."
    assert len(sentences(found)) == 5


@pytest.mark.parametrize("data", [Data(own(0, 10)), object(), Data([], val=own(0, 3))])
def test_nothing_is_said_where_nothing_can_be_compared(data):
    assert find(data) is None


def test_a_second_look_reads_nothing():
    data = Data(own(0, 300), val=own(0, 3))
    first = find(data, fingerprint="content:kept", seconds=5)
    asked = data.asked
    second = find(data, fingerprint="content:kept", seconds=5)
    assert data.asked == asked + 1  # whether it can be asked at all
    assert second.kept
    assert second.overlaps == first.overlaps
    assert "known from before" in extent(second)


def test_time_that_runs_out_is_said_and_more_time_looks_again():
    data = Data(own(0, 3000), val=own(0, 1000), wait=0.02)
    part = find(data, fingerprint="content:large", seconds=0.1)
    assert not part.complete
    assert part.train_looked_at < 3000
    assert f"compared with {part.train_looked_at:,} of 3,000 of train" in extent(part)
    assert find(data, fingerprint="content:large", seconds=0.1).kept
    whole = find(data, fingerprint="content:large")
    assert whole.complete
    assert whole.overlaps[0].exact == 1000


def test_comparing_ends_with_its_time_too(monkeypatch):
    """A clock that goes on by a second whenever it is looked at: all is hashed, and a part of it compared."""
    clock = itertools.count()
    monkeypatch.setattr(duplicates, "BLOCK", 16)
    monkeypatch.setattr(duplicates, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    part = find(Data(own(0, 3000), val=[(2999, "other form", 3)]), seconds=16)
    assert (part.overlaps[0].looked_at, part.train_looked_at, part.found) == (1, 96, [])


def test_training_goes_on_unless_it_was_told_not_to(caplog):
    caplog.set_level(logging.INFO, logger="framework_core")
    data = Data(own(0, 30), val=own(0, 3))
    check(data, DATA, DuplicatesConfig())
    assert "3 of 3 val samples are in train too (3 exactly)" in caplog.text
    with pytest.raises(DataError, match=r"(?s)3 of 3 val samples.*duplicates.action=report"):
        check(data, DATA, DuplicatesConfig(action="refuse"))
    asked = data.asked
    check(data, DATA, DuplicatesConfig(action="ignore"))
    assert data.asked == asked


def test_data_that_says_nothing_of_its_samples_is_not_checked_on_demand(fw, components):
    done = fw("data", "check", f"{components}:Iris")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: The dataset 'mine.py:Iris' has nothing to compare.")


def test_settings_that_are_none_of_the_dataset_are_refused(fw, components):
    done = fw("data", "check", f"{components}:Iris", "trainer.max_epochs=3", "dataset.batch_size=many")
    assert done.code == 2
    assert "trainer.max_epochs: only settings of the dataset have a meaning here" in done.err
    assert "dataset.batch_size: must be a whole number" in done.err
