"""Finding a learning rate and a batch size, and leaving no trace of it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from framework_core.config.compose import compose
from framework_core.errors import NothingFoundError
from framework_core.run import find_batch_size, find_lr, made_ready
from framework_core.run import train as run_train
from framework_core.training import finding
from framework_core.training.finding import steepest

COMMON = (
    "model=mine.py:Net",
    "dataset=mine.py:Iris",
    "mlops.tracking.backend=none",
    "mlops.report=false",
    "trainer.accelerator=cpu",
)
HUNGRY = """

class Hungry(Net):
    def forward(self, x):
        if len(x) > 20:
            torch.empty(10**15)
        return super().forward(x)
"""


@pytest.fixture
def settings(components, project):
    (project / components).write_text((project / components).read_text() + HUNGRY)
    return lambda *words: compose([*COMMON, "trainer.enable_progress_bar=false", *words]).config


def state():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_learning_rate_is_found_where_the_loss_falls(settings):
    found = find_lr(settings("optimizer=sgd", "dataset.batch_size=32"), highest=50.0, steps=60)
    assert found.rates[0] == pytest.approx(1e-6)
    assert list(found.rates) == sorted(found.rates)
    assert 1e-4 < found.suggestion < 10
    assert len(found.rates) == len(found.losses) <= 60


def test_the_steepest_fall_is_found_before_the_lowest_loss():
    rates = [10.0**power for power in range(-6, 2)]
    assert steepest(rates, [2.0, 1.99, 1.9, 1.2, 0.9, 0.85, 3.0, 9.0]) == 1e-4


def test_a_fall_from_one_batch_to_the_next_is_not_taken_for_one_of_the_rate():
    losses = [2.97, 2.79, 3.06, 2.92, 3.02, 3.07, 2.99, 3.02, 2.89, 2.94, 2.93, 2.89, 2.83, 2.8, 2.75, 2.79, 2.94, 3.27]
    rates = [10.0 ** (-6 + index / 3) for index in range(len(losses))]
    assert 1e-4 < steepest(rates, losses) < 3e-2


def test_weights_random_numbers_and_the_order_of_the_data_are_what_they_were(settings):
    config = settings("trainer.max_epochs=1")
    torch.manual_seed(5)
    prepared, config = made_ready(config)
    weights = {name: value.clone() for name, value in prepared.model.state_dict().items()}
    optimization, size = prepared.model.optimization, prepared.datamodule.batch_size
    for search in (
        lambda: finding.learning_rate(config, prepared, steps=20),
        lambda: finding.batch_size(config, prepared, first=16, most=32),
    ):
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(7)
        search()
        after = state()
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(7)
        assert after == state()
        assert all(torch.equal(value, weights[name]) for name, value in prepared.model.state_dict().items())
        assert all(parameter.grad is None for parameter in prepared.model.parameters())
        assert prepared.model.optimization is optimization
        assert prepared.datamodule.batch_size == size


@pytest.mark.thorough
def test_a_run_after_a_search_is_the_run_without_it(settings):
    plain = run_train(settings("trainer.max_epochs=1")).metrics
    find_lr(settings(), steps=10)
    find_batch_size(settings(), first=32)
    assert run_train(settings("trainer.max_epochs=1")).metrics == plain


def test_batch_sizes_are_tried_until_there_are_no_more_samples(settings):
    found = find_batch_size(settings(), first=8)
    assert [trial.batch_size for trial in found.trials] == [8, 16, 32, 64]
    assert all(trial.samples_per_second > 0 for trial in found.trials)
    assert found.largest == 64
    assert found.ended == "there are no more samples"


def test_a_batch_that_does_not_fit_ends_the_search(settings):
    found = find_batch_size(hungry(settings), first=5)
    assert [trial.batch_size for trial in found.trials] == [5, 10, 20, 40]
    assert found.trials[-1].samples_per_second is None
    assert (found.largest, found.ended) == (20, "40 does not fit into memory")


def hungry(settings):
    config = settings()
    return config.model_copy(update={"model": config.model.model_copy(update={"name": "mine.py:Hungry"})})


def test_not_even_the_first_batch_may_fit(settings):
    with pytest.raises(NothingFoundError, match="not even a batch of 32 fits"):
        find_batch_size(hungry(settings), first=32)


def test_the_commands_print_what_was_found_and_what_to_type(settings, fw, project):
    files = {path.name for path in project.iterdir()}
    done = fw("find", "lr", *COMMON, "--steps", "20", "--to", "5")
    assert done.code == 0, done.err
    assert "Take it: optimizer.lr=" in done.err
    assert done.out.split()[:2] == ["lr", "loss"]
    done = fw("find", "batch-size", *COMMON, "--from", "16", "--to", "32", "--json")
    assert [trial["batch_size"] for trial in done.json["trials"]] == [16, 32]
    assert done.json["ended"] == "no larger one was asked for"
    done = fw("find", "batch-size", *COMMON, "--from", "32")
    assert "Take it: dataset.batch_size=" in done.err
    assert {path.name for path in project.iterdir()} - {"__pycache__"} == files - {"__pycache__"}


def test_a_slip_in_a_setting_is_refused_before_anything_is_tried(settings, fw):
    done = fw("find", "lr", *COMMON, "trainer.precison=32")
    assert done.code == 2
    assert "Did you mean trainer.precision" in done.err


def test_a_loss_that_runs_away_at_once_is_told(settings, fw):
    done = fw("find", "lr", *COMMON, "optimizer=sgd", "--from", "1e30", "--to", "1e38", "--steps", "30")
    assert done.code == 2
    assert "ran away at once" in done.err


TOGETHER = ("distributed.enabled=true", "distributed.devices=2", "trainer.accelerator=cpu")


@pytest.mark.ddp
@pytest.mark.drawn
@pytest.mark.parametrize("hungry", ["0", "1"])
def test_processes_that_train_together_find_one_batch_size_whichever_runs_out_of_memory(hungry, components, fresh):
    text = Path(components).read_text() + HUNGRY.replace("len(x) > 20", f"len(x) > 10 and self.global_rank == {hungry}")
    Path(components).write_text(text)
    words = ("-m", "mine.py:Hungry", "-d", "mine.py:Iris", "preflight=false", *TOGETHER, "--json")
    done = fresh("find", "batch-size", *words)
    assert done.code == 0, done.err
    assert (done.json["largest"], done.json["ended"]) == (16, "32 does not fit into memory")


@pytest.mark.ddp
@pytest.mark.drawn
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_processes_that_train_together_find_the_learning_rate_that_one_finds(strategy, settings, fresh):
    alone = find_lr(settings("optimizer=sgd"), highest=50.0, steps=30)
    words = ("-m", "mine.py:Net", "-d", "mine.py:Iris", "optimizer=sgd", "--to", "50", "--steps", "30", "--json")
    two = fresh("find", "lr", *words, *TOGETHER, f"strategy={strategy}")
    assert two.code == 0, two.err
    assert two.json["losses"] == pytest.approx(alone.losses, rel=1e-4)
    assert two.json["suggestion"] == alone.suggestion
