"""A run that is stopped from outside: it ends with a checkpoint, is marked, and goes on where it was."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lightning.pytorch import Callback
from mlflow import MlflowClient

from framework_core import run
from framework_core.config.compose import compose
from framework_core.training.checkpoint_io import read

pytestmark = pytest.mark.drawn

STEPS = 6
"""Steps of an epoch of iris."""

STOPPING = """
import signal
from mine import Net

class StopsInEpoch(Net):
    def training_step(self, batch, batch_idx):
        if self.current_epoch == 2 and batch_idx == 3:
            signal.raise_signal(signal.{name})
        return super().training_step(batch, batch_idx)

class StopsInValidation(Net):
    def validation_step(self, batch, batch_idx):
        if self.current_epoch == 2:
            signal.raise_signal(signal.{name})
        return super().validation_step(batch, batch_idx)

class StopsInTest(Net):
    def test_step(self, batch, batch_idx):
        signal.raise_signal(signal.{name})
        return super().test_step(batch, batch_idx)

class StopsTwice(Net):
    def training_step(self, batch, batch_idx):
        signal.raise_signal(signal.{name})
        signal.raise_signal(signal.{name})
        return super().training_step(batch, batch_idx)
"""
QUICK = ("trainer.accelerator=cpu", "mlops.tracking.system_metrics=false", "scheduler=constant")


def folder():
    (found,) = Path("runs").iterdir()
    return found


def checkpoint():
    return read(folder() / "checkpoints" / "last.ckpt")


def client():
    return MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")


def tracked():
    return client().get_run(json.loads((folder() / "run.json").read_text())["run_id"])


def validated_steps():
    return [point.step for point in client().get_metric_history(tracked().info.run_id, "val/loss")]


@pytest.fixture
def stopped(train, project):
    """``fw train`` with a model that is sent a signal at a certain place."""

    def run(model, *words, name="SIGINT"):
        (project / "stopping.py").write_text(STOPPING.format(name=name))
        return train("--model", f"stopping.py:{model}", "trainer.max_epochs=4", *words)

    return run


@pytest.mark.parametrize(("name", "called"), [("SIGINT", "Ctrl-C"), ("SIGTERM", "SIGTERM")])
def test_a_signal_ends_the_run_after_the_step_with_a_checkpoint(name, called, stopped):
    done = stopped("StopsInEpoch", name=name)
    assert (done.code, done.out) == (130, "")
    assert f"error: Stopped by {called}.\n" in done.err
    assert done.err.endswith(f"\n  Continue it: fw train --resume {folder().name}\n")
    assert "Traceback" not in done.err
    assert checkpoint()["global_step"] == 2 * STEPS + 4
    assert (tracked().info.status, tracked().data.tags["framework.status"]) == ("KILLED", "interrupted")


def test_a_run_that_was_stopped_inside_an_epoch_goes_on_there(stopped, fw, project):
    stopped("StopsInEpoch")
    (project / "stopping.py").write_text(STOPPING.format(name="SIGINT").replace("signal.raise_signal", "print"))
    done = fw("train", "--resume", "last", "--json")
    assert done.code == 0, done.err
    assert ", 4 batches into epoch 3" in done.err
    assert checkpoint()["global_step"] == 4 * STEPS
    assert validated_steps() == [(epoch + 1) * STEPS - 1 for epoch in range(4)]
    assert (tracked().info.status, tracked().data.tags["framework.status"]) == ("FINISHED", "finished")
    assert done.json["run_id"] == tracked().info.run_id


def test_a_run_can_be_stopped_in_its_validation(stopped):
    assert stopped("StopsInValidation").code == 130
    assert checkpoint()["global_step"] == 3 * STEPS


def test_a_run_can_be_stopped_in_its_test_and_says_how_to_go_on(stopped):
    done = stopped("StopsInTest")
    assert done.code == 130
    assert f"fw train --resume {folder().name}" in done.err
    assert checkpoint()["global_step"] == 4 * STEPS
    assert tracked().info.status == "KILLED"


def test_a_second_signal_ends_at_once(stopped):
    done = stopped("StopsTwice")
    assert (done.code, done.out) == (130, "")
    assert done.err.endswith("error: Stopped by Ctrl-C.\n"), done.err
    assert "Traceback" not in done.err
    assert not (folder() / "checkpoints" / "last.ckpt").exists()
    assert tracked().info.status == "KILLED"


def test_signals_are_as_before_when_the_run_is_over(stopped):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stopped("StopsInEpoch")
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.fixture
def started(program, components, project, empty_store):
    """``fw train`` without an end, in a process of its own."""
    shutil.copy(empty_store, project)

    def start(*words):
        names = ("--model", "mine.py:Net", "--dataset", "mine.py:Iris")
        return program("train", *names, "trainer.max_epochs=1000000", *QUICK, *words)

    return start


def until(process, text):
    """Read stderr until a line holds a text."""
    said = []
    for line in process.stderr:
        said.append(line)
        if text in line:
            return
    raise AssertionError("".join(said))


def goes_on(fw, epochs=2):
    """Continue the run for some more epochs, and see that none is missing and none is there twice."""
    end = checkpoint()["epoch"] + epochs
    done = fw("train", "--resume", "last", f"trainer.max_epochs={end}", "--json")
    assert done.code == 0, done.err
    assert done.json["name"] == folder().name
    assert f"epoch {end}/{end}" in done.err
    assert checkpoint()["global_step"] == end * STEPS
    assert tracked().info.status == "FINISHED"
    return end


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.thorough)])
def test_a_process_that_gets_a_signal_ends_with_a_checkpoint_and_can_go_on(number, started, fw):
    process = started()
    until(process, "epoch 2/")
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert re.search(rf"error: Stopped by .*\n.*\n  Continue it: fw train --resume {folder().name}\n$", err)
    assert "Traceback" not in err
    assert tracked().info.status == "KILLED"
    end = goes_on(fw)
    assert validated_steps() == [(epoch + 1) * STEPS - 1 for epoch in range(end)]


@pytest.mark.long
def test_ctrl_c_reaches_the_loading_processes_too_and_is_told_once(started):
    """A terminal sends it to every process of the command."""
    process = started("dataset.num_workers=1")
    until(process, "epoch 1/")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.count("Ctrl-C") == 1
    assert checkpoint()["global_step"] >= STEPS


@pytest.mark.long
def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(started, fw):
    process = started()
    until(process, "epoch 3/")
    process.kill()
    process.wait()
    assert checkpoint()["epoch"] >= 1
    goes_on(fw)


def test_ctrl_c_in_a_text_that_is_executed_is_told_like_any_other(program, project):
    (project / "stop.py").write_text(
        "exec('import os, signal; os.kill(os.getpid(), signal.SIGINT)\\nfor _ in range(10**7): pass')"
    )
    process = program("info", "model", "stop.py:Net")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "error: Stopped by Ctrl-C.\n"


@pytest.mark.long
def test_ctrl_c_before_training_is_one_message(started):
    process = started()
    until(process, "Chosen for you:")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("error: Stopped by Ctrl-C.\n")
    assert "Traceback" not in err


def test_a_profiler_that_ctrl_c_left_half_made_goes_in_silence(train):
    made = []

    class Looking(Callback):
        def on_fit_start(self, trainer, pl_module):
            made.append(type(trainer.profiler))

    config = compose(
        [*QUICK, "trainer.fast_dev_run=true", "mlops.report=false"], model="mine.py:Net", dataset="mine.py:Iris"
    ).config
    run.train(config, callbacks=[Looking()])
    half = made[0].__new__(made[0])
    del half


LOST = """
import os, signal, time
from framework_core.cli.program import CtrlC, _stoppable

class Goes:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)

with _stoppable():
    try:
        Goes()
        time.sleep(30)
    except CtrlC:
        print("stopped")
"""


def test_ctrl_c_is_not_lost_where_python_takes_something_down():
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr, done.returncode) == ("stopped\n", "", 0)
