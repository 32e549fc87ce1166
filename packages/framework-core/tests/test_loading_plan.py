"""How many processes load data: chosen by a short trial, said, kept, and without any effect on what is learned."""

from __future__ import annotations

import time

import pytest

from framework_core.training.loading import chosen

SLOW = """
import time
import torch
from mine import Iris
from framework_core import BatchDataset
from torch.utils.data import TensorDataset

class Slow(BatchDataset):
    def __init__(self, whole, wait):
        self.whole, self.wait = whole, wait

    def __len__(self):
        return len(self.whole)

    def batch(self, indices):
        time.sleep(self.wait * len(indices))
        return tuple(each[indices] for each in self.whole.tensors)

class SlowIris(Iris):
    in_memory = False

    def __init__(self, wait: float = 0.01, **kwargs):
        super().__init__(**kwargs)
        self.wait = wait

    def setup(self, stage=None):
        super().setup(stage)
        for split in ("train", "val", "test"):
            dataset = getattr(self, f"{split}_dataset")
            setattr(self, f"{split}_dataset", Slow(TensorDataset(*dataset[:]), self.wait))
"""


@pytest.mark.parametrize(
    ("load", "slowest", "step", "cores", "workers", "ahead"),
    [
        (0.01, 0.01, 1.0, 8, 0, 2),  # next to nothing
        (0.3, 0.3, 1.0, 8, 2, 2),
        (2.5, 2.5, 1.0, 16, 4, 2),
        (50.0, 50.0, 1.0, 4, 4, 2),  # no more than there are cores
        (50.0, 50.0, 1.0, 64, 8, 2),
        (0.3, 0.9, 1.0, 8, 2, 4),  # uneven
        (9.0, 9.0, 1.0, 1, 0, 2),  # nobody else to load
    ],
)
def test_the_choice_follows_from_what_was_measured(load, slowest, step, cores, workers, ahead):
    plan = chosen(load, slowest, step, cores)
    assert (plan.workers, plan.ahead) == (workers, ahead)


@pytest.fixture
def slow(fw, components, project):
    (project / "slow.py").write_text(SLOW)

    def run(*words):
        quiet = ("trainer.accelerator=cpu", "mlops.tracking.backend=none", "mlops.report=false", "scheduler=constant")
        quiet = (*quiet, "trainer.max_epochs=1", "trainer.enable_progress_bar=false", "--json")
        return fw("train", "--model", "mine.py:Net", "--dataset", "slow.py:SlowIris", *quiet, *words)

    return run


@pytest.mark.drawn
def test_it_is_said_why_and_kept(slow):
    began = time.monotonic()
    first = slow("--dry-run", "dataset.wait=0.02")
    assert first.code == 0, first.err
    (line,) = [each for each in first.err.splitlines() if each.startswith("loading ")]
    assert "batches ahead each: a batch loads in" in line
    assert line.endswith("else: dataset.num_workers=N")
    assert time.monotonic() - began < 20
    again = slow("--dry-run", "dataset.wait=0.02")
    assert line in again.err  # not measured anew: the numbers are the same


@pytest.mark.thorough
def test_loading_that_costs_nothing_starts_no_process_and_what_is_asked_for_is_done(slow, monkeypatch):
    monkeypatch.setattr("framework_core.training.loading.NOTHING", 1e9)
    measured = slow("dataset.wait=0")
    assert "loading   in the process that trains: a batch loads in" in measured.err
    asked = slow("dataset.wait=0", "dataset.num_workers=0")
    assert "loading " not in asked.err
    assert asked.json["metrics"] == measured.json["metrics"]
