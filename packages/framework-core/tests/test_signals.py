"""Signals at awkward moments: in a step that is long, while data is waited for, in a checkpoint, to one rank."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from framework_core.training.checkpoint_io import read

STEPS = 6
AWKWARD = """
import os
import signal
import threading
import time
from mine import Iris, Net
from torch.utils.data import Dataset

class AtStep(Net):
    wait = 0.0
    def training_step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (1, 2):
            for number in self.numbers:
                os.kill(os.getpid(), number)
            time.sleep(self.wait)
        return super().training_step(batch, batch_idx)

class Usr1(AtStep):
    numbers = (signal.SIGUSR1,)

class TwiceTerm(AtStep):
    numbers = (signal.SIGTERM, signal.SIGTERM)

class LongStep(AtStep):
    numbers = (signal.SIGTERM,)
    wait = 30.0

class InCheckpoint(Net):
    def on_save_checkpoint(self, checkpoint):
        if self.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

class SlowToSave(AtStep):
    numbers = (signal.SIGTERM,)
    def on_save_checkpoint(self, checkpoint):
        if self.current_epoch == 1:
            time.sleep(3)

class Later(Net):
    def training_step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (1, 2):
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return super().training_step(batch, batch_idx)

class Slow(Dataset):
    def __init__(self, whole):
        self.whole, self.given = whole, 0
    def __len__(self):
        return len(self.whole)
    def __getitem__(self, index):
        self.given += 1
        # A batch was looked at before training, and six were read in the first epoch.
        if self.given == 16 + 90 + 16 * 3 + 1:
            time.sleep(30)
        return self.whole[index]

class SlowIris(Iris):
    in_memory = False
    def setup(self, stage=None):
        super().setup(stage)
        self.train_dataset = Slow(self.train_dataset)
"""


@pytest.fixture
def awkward(train, project):
    (project / "awkward.py").write_text(AWKWARD)

    def run(model, *words):
        words = ("experiment.run_name=stopped", "trainer.max_epochs=3", *words)
        return train("--model", f"awkward.py:{model}", *words)

    return run


def step():
    return read(Path("runs/stopped/checkpoints/last.ckpt"))["global_step"]


def is_told(done, cause):
    assert (done.code, done.out) == (130, "")
    assert done.err.endswith(
        f"error: Stopped by {cause}.\n  There is a checkpoint, and the run is marked as interrupted.\n"
        "  Continue it: fw train --resume stopped\n"
    ), done.err
    assert json.loads(Path("runs/stopped/run.json").read_text())["status"] == "interrupted"


@pytest.mark.parametrize(("model", "cause"), [("Usr1", "SIGUSR1"), ("TwiceTerm", "SIGTERM")])
def test_every_signal_ends_the_run_after_the_step_and_only_ctrl_c_is_in_a_hurry(model, cause, awkward):
    is_told(awkward(model), cause)
    assert step() == STEPS + 3


def test_a_step_that_is_too_long_is_not_waited_for(awkward):
    begun = time.monotonic()
    is_told(awkward("LongStep", "faults.stop_seconds=0.5"), "SIGTERM")
    assert time.monotonic() - begun < 20
    assert step() == STEPS


def test_data_that_does_not_come_is_not_waited_for_and_the_last_step_is_kept(awkward):
    words = ("--dataset", "awkward.py:SlowIris", "dataset.num_workers=0", "faults.stop_seconds=0.5")
    is_told(awkward("Later", *words), "SIGTERM")
    assert step() == STEPS + 3


def test_a_checkpoint_that_is_being_written_is_finished(awkward):
    is_told(awkward("InCheckpoint"), "SIGTERM")
    assert step() == STEPS


def test_a_checkpoint_may_take_longer_than_a_step(awkward):
    is_told(awkward("SlowToSave", "faults.stop_seconds=1"), "SIGTERM")
    assert step() == STEPS + 3


@pytest.mark.ddp
@pytest.mark.parametrize(
    ("number", "rank"),
    [(signal.SIGUSR1, 1), *(pytest.param(n, r, marks=pytest.mark.thorough) for n, r in [(15, 0), (15, 1), (2, 0)])],
)
def test_a_signal_to_one_of_two_processes_ends_both_at_the_same_step(
    number, rank, program, components, project, empty_store
):
    shutil.copy(empty_store, project)
    words = ("--model", "mine.py:Net", "--dataset", "mine.py:Iris", "trainer.accelerator=cpu", "scheduler=constant")
    many = ("strategy=ddp", "trainer.devices=2", "trainer.max_epochs=100000", "experiment.run_name=stopped")
    process = program("train", *words, *many, "mlops.tracking.system_metrics=false")
    for line in process.stderr:
        if line.startswith("epoch 2/"):
            break
    children = [each for each in psutil.Process(process.pid).children() if "train" in each.cmdline()]
    os.kill([process.pid, *(each.pid for each in children)][rank], number)
    out, err = process.communicate(timeout=90)
    assert (process.returncode, out) == (130, ""), err
    assert err.count("error: Stopped by ") == 1
    assert step() >= 6
    assert json.loads(Path("runs/stopped/run.json").read_text())["status"] == "interrupted"
    psutil.wait_procs(children, timeout=20)
    assert not [each for each in children if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.ddp
@pytest.mark.drawn
def test_a_second_ctrl_c_ends_a_process_that_waits_for_one_that_does_not_move(program, components):
    two = (
        "distributed.enabled=true",
        "distributed.devices=2",
        "trainer.accelerator=cpu",
        "experiment.run_name=stopped",
    )
    words = ("-m", "mine.py:Net", "-d", "mine.py:Iris", *two, "mlops.tracking.backend=none", "trainer.max_epochs=9999")
    first = program("train", *words)
    for line in first.stderr:
        if line.startswith("epoch 3/"):
            break
    (second,) = psutil.Process(first.pid).children()
    second.suspend()
    time.sleep(1)
    try:
        for _ in range(2):
            first.send_signal(signal.SIGINT)
            time.sleep(3)
        assert first.wait(timeout=60) == 130
    finally:
        second.kill()
    assert "error: Stopped by Ctrl-C.\n" in first.communicate()[1]
    assert json.loads(Path("runs/stopped/run.json").read_text())["status"] == "interrupted"
