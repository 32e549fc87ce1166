"""What a run records is on disk first, and in the store once, in order."""

import json
import math
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from framework_core.tracking import cuts
from framework_core.tracking.heartbeat import Process
from framework_core.tracking.journal import FOLDER, Journal, read
from framework_core.tracking.sender import Sender

pytestmark = pytest.mark.drawn

NAME = "one"


@pytest.fixture
def uri(project, empty_store):
    """A store that was used before."""
    shutil.copy(empty_store, project)
    return f"sqlite:///{project}/mlflow.db"


@pytest.fixture
def directory(project):
    """The folder of a run with a journal that says what it is."""
    folder = project / "runs" / NAME
    append(folder, {"kind": "run", "experiment": "x", "name": NAME, "started": 1000, "tags": {}, "journal": "abc"})
    return folder


def append(directory, *bodies):
    journal = Journal(directory / FOLDER)
    journal.append(bodies)
    journal.close()


def points(step, **values):
    return {"kind": "points", "step": step, "at": 1000 + step, "values": values}


def history(uri, sender, key):
    return [(each.step, each.value) for each in MlflowClient(uri).get_metric_history(sender.progress.run_id, key)]


def test_a_line_that_was_cut_off_is_passed_over_and_numbers_go_on(directory):
    append(directory, points(1, a=1.0), points(2, a=2.0))
    file = directory / FOLDER / "journal.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    assert [each.number for each in read(directory / FOLDER)] == [1, 2]
    append(directory, points(3, a=3.0))
    assert [(each.number, each.body.get("step")) for each in read(directory / FOLDER)] == [(1, None), (2, 1), (3, 3)]


class Losing:
    """A store whose answers to some calls are lost: it takes a batch, and the caller hears of a failure."""

    def __init__(self, client, lost):
        self._client = client
        self._lost = lost

    def __getattr__(self, name):
        return getattr(self._client, name)

    def log_batch(self, *arguments, **named):
        self._client.log_batch(*arguments, **named)
        if self._lost and self._lost.pop(0):
            raise ConnectionError("the answer is lost")


def test_a_batch_whose_answer_was_lost_is_not_doubled(directory, uri):
    values = [0.5, math.nan, math.inf, -math.inf, 1e-300]
    append(directory, *(points(step, a=value) for step, value in enumerate(values)))
    sender = Sender(directory, Losing(MlflowClient(uri), [True]), uri)
    with pytest.raises(ConnectionError):
        sender.send()
    append(directory, points(5, a=5.0, b=1.0))
    sender.send()
    found = history(uri, sender, "a")
    assert [step for step, _ in found] == [0, 1, 2, 3, 4, 5]
    assert math.isnan(found[1][1])
    assert [value for _, value in found if abs(value) < 1e300] == [0.5, 1e-300, 5.0]
    assert not sender.left()


def test_a_process_that_ends_before_it_hears_the_answer_leaves_nothing_to_double(directory, uri):
    first = Sender(directory, MlflowClient(uri), uri)
    first.send()
    before = (directory / FOLDER / "sent.json").read_text()
    append(directory, *(points(step, a=float(step)) for step in range(1500)))
    first.send()
    (directory / FOLDER / "sent.json").write_text(before)
    again = Sender(directory, MlflowClient(uri), uri)
    again.send()
    assert history(uri, again, "a") == [(step, float(step)) for step in range(1500)]


def test_a_run_whose_making_was_not_heard_of_is_found_again(directory, uri):
    first, second = (Sender(directory, MlflowClient(uri), uri) for _ in range(2))
    first.send()
    second.send()
    assert first.progress.run_id == second.progress.run_id
    assert MlflowClient(uri).get_run(first.progress.run_id).info.start_time == 1000


def test_a_point_that_the_store_refuses_costs_no_other(directory, uri, caplog):
    append(directory, *(points(step, **{"a": 1.0, "b?": 2.0}) for step in range(3)))
    sender = Sender(directory, MlflowClient(uri), uri)
    sender.send()
    assert history(uri, sender, "a") == [(0, 1.0), (1, 1.0), (2, 1.0)]
    assert not sender.left()
    assert "The tracking store refuses b?" in caplog.text


def go_on(directory, from_step):
    append(directory, cuts.cut(directory / FOLDER, from_step))


def test_points_after_the_checkpoint_are_taken_back_and_the_use_of_the_machine_is_not(directory, uri):
    append(directory, points(1, a=1.0), points(2, a=2.0), {"kind": "checkpoint", "step": 2})
    append(directory, points(3, a=3.0), points(0, **{"system/cpu": 9.0}), points(1, late=7.0))
    Sender(directory, MlflowClient(uri), uri).send()
    go_on(directory, 2)
    append(directory, points(3, a=3.5), points(1, **{"system/cpu": 8.0}))
    sender = Sender(directory, MlflowClient(uri), uri)
    sender.send()
    assert history(uri, sender, "a") == [(1, 1.0), (2, 2.0), (3, 3.5)]
    assert history(uri, sender, "system/cpu") == [(0, 9.0), (1, 8.0)]
    assert history(uri, sender, "late") == []
    assert "late" not in MlflowClient(uri).get_run(sender.progress.run_id).data.metrics


def test_a_point_of_the_checkpoints_own_step_that_is_made_again_is_the_same(directory, uri):
    append(directory, points(1, val=0.5), points(2, a=2.0), {"kind": "checkpoint", "step": 2})
    go_on(directory, 2)
    append(directory, points(1, val=0.5), points(3, a=3.0))
    sender = Sender(directory, MlflowClient(uri), uri)
    sender.send()
    assert history(uri, sender, "val") == [(1, 0.5)]


@pytest.fixture
def offline(train):
    """A run that was recorded without a store."""

    def run(*words):
        done = train("experiment.run_name=off", "mlops.tracking.offline=true", *words)
        assert done.code == 0, done.err
        assert "Send it: fw runs sync off" in done.err

    return run


def test_a_run_without_a_store_is_watched_and_sent_later(offline, fw, project):
    offline("mlops.tracking.log_model=true")
    store = f"sqlite:///{project}/mlflow.db"
    listed = fw("runs", "list", "-e", "Net_Iris", "--columns", "model.width,train/loss")
    assert listed.out.splitlines()[1].split()[:3] == ["off", "Net_Iris", "finished"]
    assert listed.out.splitlines()[1].split()[-2] == "16"
    assert "In no store yet: off" in listed.err
    assert not MlflowClient(store).search_experiments(filter_string="name = 'Net_Iris'")
    watched = fw("watch", "off")
    assert (watched.code, watched.out.split()[:4]) == (0, ["off", "finished", "step", "12"])
    assert "train/loss" in watched.out
    row = fw("runs", "sync", "--json").json[0]
    assert (row["name"], row["state"], row["left_points"], row["left_files"]) == ("off", "complete", 0, 0)
    run = MlflowClient(store).get_run(row["run_id"])
    assert (run.info.status, run.info.run_name, run.data.params["model.width"]) == ("FINISHED", "off", "16")
    assert len(MlflowClient(store).get_metric_history(row["run_id"], "train/loss")) == 12
    assert MlflowClient(store).search_logged_models([run.info.experiment_id])
    started, ended = run.info.start_time, run.info.end_time
    assert 0 < ended - started < 1000 * (time.time() - started / 1000)
    again = fw("runs", "sync", "off", "--json").json[0]
    assert (again["points"], again["files"], again["run_id"]) == (0, 0, row["run_id"])
    assert "Every run here is in its store." in fw("runs", "sync").err
    (row,) = fw("runs", "list", "-e", "Net_Iris", "--json").json
    assert (row["name"], row["run_id"]) == ("off", again["run_id"])


def test_a_store_that_is_away_leaves_a_run_to_be_sent(offline, fw):
    offline()
    done = fw("runs", "sync", "off", "--uri", "http://127.0.0.1:9")
    assert done.code == 1
    assert "nothing answers there" in done.err
    assert done.out.splitlines()[1].split()[:2] == ["off", "incomplete"]
    assert fw("runs", "sync", "none").code == 2


def alive_elsewhere(directory, silent):
    """Make a run look as if another machine trained it and was last heard of some seconds ago."""
    beat = directory / "heartbeat.json"
    beat.write_text(json.dumps({"pid": 1, "started": 1.0, "boot": "b", "host": "elsewhere"}))
    os.utime(beat, (time.time() - silent,) * 2)


def test_a_run_of_another_machine_is_closed_only_after_a_long_silence(offline, fw):
    offline()
    directory = Path("runs/off")
    alive_elsewhere(directory, 500)
    assert fw("runs", "sync", "off", "--json").json[0]["state"] == "running"
    alive_elsewhere(directory, 700)
    done = fw("runs", "sync", "off")
    assert "killed    off, last heard of" in done.err
    assert json.loads((directory / "run.json").read_text())["status"] == "killed"


def test_a_run_that_nothing_records_says_that_it_lasts_and_is_closed_and_listed_too(train, fw):
    assert train("experiment.run_name=bare", "mlops.tracking.backend=none", "trainer.max_epochs=1").code == 0
    directory = Path("runs/bare")
    assert not (directory / "heartbeat.json").exists()
    facts = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    (directory / "heartbeat.json").write_text(json.dumps(vars(Process.this())))
    refused = fw("train", "--resume", "bare")
    assert (refused.code, f"process {os.getpid()} trains it now." in refused.err) == (2, True)
    (directory / "heartbeat.json").write_text(json.dumps(vars(Process.this()) | {"started": 1.0}))
    listed = fw("runs", "list")
    assert "killed    bare, last heard of" in listed.err
    assert listed.out.splitlines()[1].split()[:3] == ["bare", "Net_Iris", "killed"]
    assert not (directory / FOLDER).exists()
    assert not (directory / "heartbeat.json").exists()


def test_a_killed_run_is_closed_by_the_next_command_and_goes_on_without_a_double_point(
    program, fw, components, project, empty_store
):
    shutil.copy(empty_store, project)
    words = ("--model", f"{components}:Net", "--dataset", f"{components}:Iris", "experiment.run_name=dead")
    words += (
        "trainer.max_epochs=100000",
        "trainer.accelerator=cpu",
        "trainer.log_every_n_steps=1",
        "mlops.report=false",
    )
    process = program("train", *words, "mlops.tracking.log_model=false", "mlops.tracking.system_metrics=false")
    checkpoint = project / "runs" / "dead" / "checkpoints" / "last.ckpt"
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    time.sleep(1.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    listed = fw("runs", "list")
    assert "continue it: fw train --resume dead" in listed.err
    assert listed.out.splitlines()[1].split()[2] == "killed"
    (run,) = client.search_runs(["1"])
    assert (run.info.status, run.data.tags["framework.status"]) == ("KILLED", "killed")
    assert run.info.end_time
    reached = int(max(point.step for point in client.get_metric_history(run.info.run_id, "train/loss"))) // 6
    done = fw("train", "--resume", "dead", f"trainer.max_epochs={reached + 3}")
    assert done.code == 0, done.err
    last = (reached + 3) * 6
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")]
    assert steps == list(range(1, last + 1))
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "val/loss")]
    assert steps == list(range(5, last, 6))
    assert client.get_run(run.info.run_id).info.status == "FINISHED"
