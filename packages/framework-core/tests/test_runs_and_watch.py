"""Runs are listed by MLflow's filters and followed while they last."""

import os
import pty
import re
import shutil
import threading
import time

import pytest
from mlflow import MlflowClient

from framework_core.cli.curves import curve


@pytest.fixture
def store(empty_store, project, monkeypatch):
    """A store of three runs, logged by MLflow alone."""
    own = shutil.copy(empty_store, project.parent / "runs.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own}")
    client = MlflowClient(f"sqlite:///{own}")
    experiment = client.create_experiment(f"of {project.parent.name}")
    for name, accuracy, lr in (("first", 0.7, "0.1"), ("second", 0.9, "0.01"), ("third", 0.8, "0.001")):
        run = client.create_run(experiment, run_name=name).info.run_id
        client.log_metric(run, "test/accuracy", accuracy)
        client.log_param(run, "optimizer.lr", lr)
        client.set_terminated(run, "FAILED" if name == "third" else "FINISHED")
    return client, client.get_experiment(experiment)


def names(done):
    assert done.code == 0, done.err
    return [line.split()[0] for line in done.out.splitlines()[1:]]


def test_runs_are_listed_newest_first_with_what_tells_them_apart(fw, store):
    done = fw("runs", "list", "-e", store[1].name)
    assert names(done) == ["third", "second", "first"]
    head, third, *_ = done.out.splitlines()
    assert head.split()[-1] == "test/accuracy"
    assert "failed" in third
    assert third.split()[-1] == "0.8000"


def test_runs_are_filtered_and_sorted_as_mlflow_does(fw, store):
    of = ("-e", store[1].name)
    assert names(fw("runs", "list", *of, "--sort", "-test/accuracy")) == ["second", "third", "first"]
    assert names(fw("runs", "list", *of, "--sort", "params.optimizer.lr")) == ["third", "second", "first"]
    assert names(fw("runs", "list", *of, "--sort", "started", "-n", "1")) == ["first"]
    assert names(fw("runs", "list", *of, "--filter", "metrics.`test/accuracy` > 0.75 and status = 'FINISHED'")) == [
        "second"
    ]
    shown = fw("runs", "list", *of, "--columns", "optimizer.lr", "-n", "1").out
    assert shown.splitlines()[1].split()[-1] == "0.001"
    row = fw("runs", "list", *of, "--sort", "started", "--json").json[0]
    assert (row["name"], row["metrics"], row["params"]) == ("first", {"test/accuracy": 0.7}, {"optimizer.lr": "0.1"})


def test_an_experiment_that_is_none_is_told_with_what_was_meant(fw, store):
    done = fw("runs", "list", "-e", store[1].name[:-1])
    assert done.code == 2
    assert f"Near it: {store[1].name}" in done.err


def test_a_store_that_is_not_there_is_not_made(fw, project):
    done = fw("runs", "list")
    assert (done.code, done.out) == (2, "")
    assert "there is no such file, so no run was recorded there" in done.err
    assert not (project / "mlflow.db").exists()


@pytest.fixture
def lasting(store):
    """A run that logs for a second and ends."""
    client, experiment = store
    run = client.create_run(experiment.experiment_id, run_name="lasting").info.run_id
    client.log_metric(run, "train/loss", 5.0, step=0)

    def log():
        for step in range(1, 4):
            time.sleep(0.4)
            client.log_metric(run, "train/loss", 5.0 - step, step=step)
        client.log_metric(run, "val/accuracy", 0.5, step=3)
        client.set_terminated(run)

    thread = threading.Thread(target=log)
    thread.start()
    yield run
    thread.join()


def test_a_run_is_followed_to_its_end(fw, lasting):
    done = fw("watch", "lasting", "--every", "0.1")
    assert done.code == 0, done.err
    first, *_, last = done.out.splitlines()
    assert re.match(r"lasting  running  step \d  ", first)
    assert last.startswith("lasting  finished  step 3")
    assert "train/loss 2  val/accuracy 0.5" in last


def test_without_a_name_what_is_running_is_followed(fw, lasting):
    done = fw("watch", "--every", "0.1")
    assert done.code == 0
    assert "lasting  finished" in done.out
    again = fw("watch")
    assert (again.code, again.out) == (0, "")
    assert "No run is running in sqlite:///" in again.err


def test_a_run_that_failed_ends_the_watching_with_1(fw, store):
    done = fw("watch", "third")
    assert done.code == 1
    assert done.out.startswith("third  failed")


def test_a_run_that_is_none_is_told(fw, store):
    done = fw("watch", "forth")
    assert done.code == 2
    assert "There is no run 'forth': none in the tracking store." in done.err


@pytest.mark.drawn
def test_a_terminal_shows_curves_until_the_run_ends(program, lasting):
    inside, outside = pty.openpty()
    process = program("watch", "lasting", "--every", "0.2", stdout=outside)
    os.close(outside)
    shown = b""
    while True:
        try:
            got = os.read(inside, 4096)
        except OSError:
            break
        if not got:
            break
        shown += got
    os.close(inside)
    assert process.wait(30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "lasting  finished  step 3" in text
    assert re.search(r"train/loss +█\S*▁ +2\r?\n", text)


def test_a_curve_is_as_wide_as_asked_and_has_its_ends():
    points = [(step, float(step)) for step in range(100)]
    assert curve(points, 8) == "▁▂▃▄▅▆▇█"
    assert curve(points[:3], 8) == "▁▅█" or curve(points[:3], 8) == "▁▄█"
    assert curve([(0, 1.0), (1, float("nan")), (2, 1.0)], 8) == "▁▁"
    assert curve([], 8) == ""
