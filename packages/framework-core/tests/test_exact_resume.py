"""A run that was stopped anywhere goes on to the state, number by number, of one that was not."""

import json
import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from framework_core import run
from framework_core.config.compose import compose
from framework_core.training.checkpoint_io import CheckpointFolders, read
from framework_core.training.sampling import resumable_loader
from framework_core.verification.witness import digest

STEPS = 6
"""Steps of an epoch of iris."""

NOISY = """
import random

import numpy as np
import torch
from mine import Iris, Net


class Noisy(torch.utils.data.Dataset):
    def __init__(self, inner):
        self.inner = inner

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        inputs, target = self.inner[index]
        return inputs + torch.randn(4) / 10 + random.random() / 10 + float(np.random.rand()) / 10, target


class NoisyIris(Iris):
    def setup(self, stage=None):
        super().setup(stage)
        self.train_dataset = Noisy(self.train_dataset)


class LogsMeans(Net):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log("train/mean", loss, on_step=False, on_epoch=True)
        return loss
"""


class BrokenOffError(Exception):
    """A run that ends without a last word."""


class BreaksOff(Callback):
    """Ends the run before a step."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.fit_loop.epoch_loop.total_batch_idx >= self.step:
            raise BrokenOffError


@pytest.fixture
def settings(project, components, accelerator):
    (project / "noisy.py").write_text(NOISY)
    fixed = (f"trainer.accelerator={accelerator}", "mlops.report=false", "mlops.tracking.backend=none")
    rest = (
        "trainer.max_epochs=3",
        "trainer.enable_progress_bar=false",
        "checkpoint.every_n_train_steps=2",
        "model.drop_rate=0.3",
    )

    def composed(name, *words):
        named = f"experiment.run_name={name}"
        return compose([*fixed, *rest, named, *words], model="noisy.py:LogsMeans", dataset="noisy.py:NoisyIris").config

    return composed


def told(result):
    """Everything that a checkpoint holds but for paths."""
    found = read(result.last_checkpoint)
    text = {key: value for key, value in found.items() if key != "callbacks"}
    return digest(text), result.metrics


@pytest.mark.drawn
@pytest.mark.parametrize(
    "words",
    [
        pytest.param((), marks=pytest.mark.thorough),
        pytest.param(("trainer.accumulate_grad_batches=4", "averaging.kind=ema"), marks=pytest.mark.thorough),
        ("trainer.val_check_interval=0.5", "scheduler=plateau", "early_stopping.patience=3"),
    ],
)
def test_weights_random_numbers_counters_and_metrics_are_those_of_a_run_without_a_stop(words, settings):
    whole = told(run.train(settings("whole", *words)))
    for step in (3, STEPS + 1) if words else (3, STEPS, 2 * STEPS + 3):
        with pytest.raises(BrokenOffError):
            run.train(settings(f"at{step}", *words), callbacks=[BreaksOff(step)])
        assert told(run.train(settings(f"at{step}", *words), resume=f"at{step}")) == whole


class BreaksOffTwice(BreaksOff):
    """And once more, while Lightning clears up."""

    def on_exception(self, trainer, module, exception):
        raise BrokenOffError from exception


@pytest.mark.drawn
def test_a_run_that_breaks_off_has_written_its_checkpoints_when_it_has_ended(settings, monkeypatch):
    write = CheckpointFolders._write

    def slowly(*arguments):
        time.sleep(0.5)
        write(*arguments)

    monkeypatch.setattr(CheckpointFolders, "_write", slowly)
    with pytest.raises(BrokenOffError):
        run.train(settings("stopped"), callbacks=[BreaksOffTwice(4)])
    assert [path.name for path in Path("runs/stopped/checkpoints").glob(".*")] == []
    assert read(Path("runs/stopped/checkpoints/last.ckpt"))["global_step"] == 4


@pytest.mark.drawn
def test_a_run_killed_between_the_two_checkpoints_of_its_end_has_the_newest_after_all(settings):
    whole = told(run.train(settings("run")))
    folder = Path("runs/run/checkpoints")
    for best in folder.glob("best-*.ckpt"):
        shutil.rmtree(best)
    (folder / "last.ckpt").rename(folder / "best-epoch2-step18.ckpt")
    (folder / "last-step16.ckpt").rename(folder / "last.ckpt")
    assert told(run.train(settings("run"), resume="run")) == whole
    assert read(folder / "last.ckpt")["global_step"] == 18


@pytest.mark.drawn
def test_auto_continues_what_did_not_end_and_else_begins(settings, caplog):
    with pytest.raises(BrokenOffError):
        run.train(settings("a"), resume="auto", callbacks=[BreaksOff(1)])
    with pytest.raises(BrokenOffError):
        run.train(settings("a"), resume="auto", callbacks=[BreaksOff(5)])
    caplog.set_level("INFO", "framework_core")
    first = run.train(settings("a"), resume="auto")
    assert "goes on   a, 4 batches into epoch 1" in caplog.text
    assert [path.name for path in Path("runs").iterdir()] == ["a"]
    assert run.train(settings("a"), resume="auto").run.name == "a-2"
    assert json.loads((first.run.directory / "run.json").read_text())["status"] == "finished"


@pytest.mark.drawn
def test_a_damaged_newest_checkpoint_is_said_and_the_one_before_is_taken(settings, caplog):
    with pytest.raises(BrokenOffError):
        run.train(settings("a"), callbacks=[BreaksOff(5)])
    (Path("runs/a/checkpoints/last.ckpt/state.pt")).write_bytes(b"")
    caplog.set_level("INFO", "framework_core")
    run.train(settings("a"), resume="a")
    assert "last.ckpt is damaged: state.pt has 0 of" in caplog.text
    assert "goes on   a, 2 batches into epoch 1" in caplog.text


class Items(Dataset):
    """Numbers that count how often they are read."""

    def __init__(self):
        self.reads = 0

    def __len__(self):
        return 23

    def __getitem__(self, index):
        self.reads += 1
        return torch.tensor([index, torch.rand(()).item()])


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": WeightedRandomSampler(torch.ones(23), 23)}])
def test_an_epoch_begins_at_any_batch_and_nothing_before_it_is_read(options):
    def batches(epoch, batch):
        items = Items()
        loader = resumable_loader(DataLoader(items, batch_size=4, **options), seed=3)
        loader.batch_sampler.seek(epoch, batch)
        found = [each.tolist() for each in loader]
        assert items.reads == sum(map(len, found))
        return found

    whole = batches(5, 0)
    assert batches(5, 4) == whole[4:]
    assert whole != batches(6, 0)


def test_the_processes_that_train_share_the_samples_of_an_epoch():
    parts = [
        resumable_loader(DataLoader(Items(), batch_size=4, shuffle=True), seed=3, rank=rank, world_size=2, sharded=True)
        for rank in (0, 1)
    ]
    seen = [index for part in parts for batch in range(len(part)) for index in part.batch_sampler.indices(2, batch)]
    assert sorted(set(seen)) == list(range(23))
    # The last batch of three is too small to divide: both take it.
    assert len(seen) == 26


def test_loading_leaves_the_random_numbers_of_training_where_they_were():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    list(resumable_loader(DataLoader(Items(), batch_size=4, shuffle=True), seed=3))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_folder_of_a_run_has_what_it_goes_on_by_from_its_first_moment(train, project):
    seen = []

    def look():
        while not seen:
            time.sleep(0.0002)
            seen.extend({each.name for each in folder.iterdir()} for folder in project.glob("runs/[!.]*"))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    assert train("trainer.fast_dev_run=true", "mlops.tracking.backend=none").code == 0
    looking.join(timeout=10)
    assert seen[0] >= {"config.yaml", "data.json", "run.json", "heartbeat.json"}
