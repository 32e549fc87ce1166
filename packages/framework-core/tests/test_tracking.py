"""What MLflow holds of a run."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from framework_core.tracking.cuts import cut
from framework_core.tracking.journal import Journal
from framework_core.tracking.sender import Sender


@pytest.fixture
def tracked(train, project):
    """A tracked run as the client sees it."""

    def run(*words):
        found = train("--json", *words).json
        client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
        return client, client.get_run(found["run_id"]), found

    return run


def test_a_step_of_several_batches_is_recorded_with_their_mean_loss(train):
    """Not with that mean divided by their number, as Lightning hands it on."""
    still = ("optimizer=sgd", "optimizer.lr=1e-12", "trainer.log_every_n_steps=1", "trainer.max_epochs=1")
    points = []
    for words in (["dataset.batch_size=16"], ["dataset.batch_size=8", "trainer.accumulate_grad_batches=2"]):
        found = train(*still, *words, "--json").json
        history = MlflowClient(found["tracking_uri"]).get_metric_history(found["run_id"], "train/loss")
        points.append([point.value for point in history])
    # The last batch of an epoch is cut short.
    assert points[0][:-1] == pytest.approx(points[1][:-1], rel=1e-4)


def test_every_setting_is_a_parameter(tracked):
    _, run, found = tracked("model.width=7")
    params = run.data.params
    assert params["model.width"] == "7"
    assert params["trainer.max_epochs"] == "2"
    assert params["optimizer.betas"] == "[0.9, 0.999]"
    assert params["trainer.precision"] == "null"
    assert params["seed"] == "42"
    assert len(params) > 80
    assert run.info.run_name == found["name"]


def test_metrics_learning_rate_and_curves_are_there(tracked):
    client, run, found = tracked("trainer.max_epochs=5")
    assert run.data.metrics["test/accuracy"] == pytest.approx(found["metrics"]["test/accuracy"])
    losses = client.get_metric_history(run.info.run_id, "train/loss")
    assert [point.step for point in losses] == list(range(1, 31))
    rates = [point.value for point in client.get_metric_history(run.info.run_id, "lr")]
    assert rates[0] < max(rates)
    assert rates[-1] < max(rates)
    assert [point.step for point in client.get_metric_history(run.info.run_id, "val/loss")] == [5, 11, 17, 23, 29]


def test_the_interval_of_a_curve_can_be_set(tracked):
    client, run, _ = tracked("trainer.log_every_n_steps=5")
    points = client.get_metric_history(run.info.run_id, "train/loss")
    assert [point.step for point in points] == [5, 10, 12]


def test_the_status_is_finished_and_the_page_shows_it_as_training(tracked):
    client, run, _ = tracked()
    assert run.info.status == "FINISHED"
    assert run.data.tags["framework.status"] == "finished"
    assert run.data.tags["mlflow.user"]
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.name == "Net_Iris"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_the_data_is_there_with_its_fingerprint(tracked):
    _, run, _ = tracked()
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.name == "mine.py:Iris"
    assert run.data.tags["framework.data_fingerprint"] == f"content:{data.dataset.digest}"
    assert json.loads(data.dataset.profile)["splits"] == {"train": 90, "val": 30, "test": 30}
    assert data.tags[0].value == "training"


@pytest.mark.drawn
def test_settings_environment_and_plots_are_artifacts(tracked):
    client, run, found = tracked("mlops.report=true")
    assert [item.path for item in client.list_artifacts(run.info.run_id, "plots")] == ["plots/learning_curves.png"]
    names = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"config.yaml", "data.json", "environment.json", "plots"} <= names
    config = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/config.yaml")
    assert config == (Path(found["directory"]) / "config.yaml").read_text()
    environment = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/environment.json"))
    assert environment["packages"]["torch"]
    assert environment["packages"]["framework-core"]
    assert environment["machine"]["python"]


def git(*words):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], check=True)


def test_the_commit_and_what_differs_from_it_are_there(tracked, components):
    git("init", "-q")
    git("add", "mine.py")
    git("commit", "-qm", "first")
    Path("mine.py").write_text(Path("mine.py").read_text() + "\n# a change\n")
    Path("new.py").write_text("new")
    _, run, _ = tracked()
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert run.data.tags["mlflow.source.git.commit"] == head
    assert "+# a change" in mlflow.artifacts.load_text(f"{run.info.artifact_uri}/code/uncommitted.diff")
    assert "new.py" in mlflow.artifacts.load_text(f"{run.info.artifact_uri}/code/untracked-files.txt")


@pytest.mark.drawn
def test_the_model_is_there_with_signature_and_example_and_answers_as_trained(tracked, fw, monkeypatch):
    client, run, _ = tracked("trainer.max_epochs=20", "mlops.tracking.log_model=true")
    # MLflow keeps the store of a relative path for the process, wherever that has gone since.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", client.tracking_uri)
    (logged,) = client.search_logged_models([run.info.experiment_id])
    assert logged.source_run_id == run.info.run_id
    (tested,) = [metric for metric in logged.metrics if metric.key == "test/loss" and metric.dataset_name]
    (point,) = client.get_metric_history(run.info.run_id, "test/loss")
    assert (tested.value, tested.step, tested.timestamp) == (point.value, point.step, point.timestamp)
    model = mlflow.pyfunc.load_model(logged.model_uri)
    assert model.metadata.signature.inputs.inputs[0].shape == (-1, 4)
    assert model.metadata.signature.outputs.inputs[0].shape == (-1, 3)
    example = model.input_example
    assert example.shape == (2, 4)
    files = list(Path(logged.artifact_location.removeprefix("file://")).rglob("*"))
    assert any(path.suffix == ".safetensors" for path in files)
    assert not [path for path in files if path.suffix in (".pkl", ".pth", ".pt", ".ckpt")]
    flower = np.array([[5.1, 3.5, 1.4, 0.2]], dtype=np.float32)
    Path("flower.txt").write_text("5.1 3.5 1.4 0.2")
    answer = fw("predict", "last", "flower.txt", "--json").json[0]["label"]
    assert ("setosa", "versicolor", "virginica")[int(model.predict(flower).argmax())] == answer
    assert model.metadata.metadata["class_names"] == ["setosa", "versicolor", "virginica"]


def test_the_model_can_be_left_out(tracked):
    client, run, _ = tracked("mlops.tracking.log_model=false")
    assert client.search_logged_models([run.info.experiment_id]) == []


@pytest.mark.drawn
def test_the_use_of_the_machine_is_there(tracked):
    _, run, _ = tracked("mlops.tracking.system_metrics=true", "trainer.max_epochs=150")
    assert run.data.metrics["system/cpu_utilization_percentage"] > 0, run.data.metrics
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 0


def test_tags_and_description_of_the_user_are_there(tracked):
    _, run, _ = tracked("experiment.tags.team=red", "experiment.description='a try'")
    assert run.data.tags["team"] == "red"
    assert run.data.tags["mlflow.note.content"] == "a try"


def test_experiment_and_run_of_the_program_around_it_stay_what_they_are(tracked, monkeypatch):
    from mlflow.tracking import fluent
    from mlflow.tracking._tracking_service import utils

    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    monkeypatch.setattr(utils, "_tracking_uri", f"sqlite:///{Path.cwd()}/mlflow.db")
    chosen = mlflow.set_experiment("mine")
    with mlflow.start_run() as outer:
        _, run, _ = tracked("experiment.name=trained")
        assert run.info.status == "FINISHED"
        assert mlflow.active_run().info.run_id == outer.info.run_id
        mlflow.log_metric("mine", 3.0)
    assert fluent._active_experiment_id == chosen.experiment_id
    after = MlflowClient().get_run(outer.info.run_id)
    assert (after.info.experiment_id, after.info.status) == (chosen.experiment_id, "FINISHED")
    assert set(after.data.metrics) == {"mine"}


@pytest.mark.drawn
def test_the_store_of_the_environment_is_taken(train, project, empty_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/other.db")
    assert train("--json").json["tracking_uri"].endswith("other.db")
    assert (project / "other.db").is_file()
    assert (project / "mlflow.db").read_bytes() == empty_store.read_bytes()


@pytest.mark.parametrize("before", ["", "sqlite:///mine.db"])
def test_a_run_leaves_the_program_around_it_the_store_that_it_had(train, project, monkeypatch, before):
    from mlflow.tracking._tracking_service import utils

    monkeypatch.setattr(utils, "_tracking_uri", None)
    if before:
        mlflow.set_tracking_uri(before)
    assert train(f"mlops.tracking.uri=sqlite:///{project}/other.db").code == 0
    assert (project / "other.db").is_file()
    assert os.environ.get("MLFLOW_TRACKING_URI", "") == before
    assert mlflow.get_tracking_uri() == (before or f"sqlite:///{project}/mlflow.db")


FAILS = """
from framework_core import BaseModel
from torch import nn

class Fails(BaseModel):
    steps = 0

    def _build_model(self):
        return nn.Linear(4, 3)

    def loss(self, outputs, target):
        return nn.functional.cross_entropy(outputs, target)

    def on_train_batch_end(self, *arguments):
        self.steps += 1
        if self.steps == 3:
            raise RuntimeError("a bug of the user's")
"""


@pytest.mark.drawn
def test_a_run_that_fails_is_marked_so_and_the_bug_is_shown(fw, components, project):
    (project / "fails.py").write_text(FAILS)
    done = fw(
        "train",
        "--model",
        "fails.py:Fails",
        "--dataset",
        f"{components}:Iris",
        "mlops.tracking.system_metrics=false",
    )
    assert done.code == 1
    assert done.err.rstrip().endswith("RuntimeError: a bug of the user's")
    (run,) = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db").search_runs(["1"])
    assert (run.info.status, run.data.tags["framework.status"]) == ("FAILED", "failed")


@pytest.fixture
def server(project):
    """A real MLflow server that can be killed and started again."""
    yield from running(project)


@pytest.fixture(scope="module")
def lasting_server(tmp_path_factory):
    """A real MLflow server that stays."""
    yield from running(tmp_path_factory.mktemp("server"))


def running(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = ServerProcess(port, folder)
    found.start()
    yield found
    found.kill()


class ServerProcess:
    """An MLflow server on SQLite that can be killed."""

    def __init__(self, port, folder):
        self.uri = f"http://127.0.0.1:{port}"
        self.database = f"sqlite:///{folder}/served.db"
        self._port = port
        self._folder = folder
        self._process = None

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.database]
        command += ["--artifacts-destination", str(self._folder / "served"), "--port", str(self._port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        self._process = subprocess.Popen([*command, "--workers", "1"], cwd=self._folder, **quiet)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    break
            time.sleep(0.3)

    def kill(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.mark.drawn
@pytest.mark.long
def test_runs_that_begin_at_once_make_their_store_together(project):
    opens = "from framework_core.tracking.store_calls import client_of; client_of('sqlite:///new.db')"
    starts = f"import mlflow.store.tracking.sqlalchemy_store; print('ready', flush=True); input(); {opens}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", starts], **pipes) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert MlflowClient("sqlite:///new.db").search_experiments()


@pytest.mark.drawn
@pytest.mark.long
def test_a_run_goes_to_a_server(train, lasting_server):
    uri = lasting_server.uri
    found = train(f"mlops.tracking.uri={uri}", "mlops.tracking.log_model=true", "--json").json
    client = MlflowClient(uri)
    run = client.get_run(found["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/accuracy"] == pytest.approx(found["metrics"]["test/accuracy"])
    assert client.search_logged_models([run.info.experiment_id])


@pytest.mark.drawn
@pytest.mark.long
def test_a_server_that_cannot_remove_points_gets_no_equal_one_twice_and_its_database_removes_others(
    train, fw, lasting_server
):
    uri, log = lasting_server.uri, "trainer.log_every_n_steps=1"
    found = train(f"mlops.tracking.uri={uri}", log, "experiment.run_name=again", "--json").json
    client, run_id = MlflowClient(uri), found["run_id"]
    # As if the run had been killed six steps after its checkpoint, which made two of the points another way.
    journal = Journal(Path("runs/again/tracking"))
    late = [{"kind": "points", "step": step, "at": 5, "values": {"late": float(step)}} for step in (13, 14, 15)]
    journal.append(late)
    journal.close()
    assert fw("runs", "sync", "again").code == 0
    same = {"kind": "points", "step": 13, "at": 9, "values": {"late": 13.0}}
    send_again(uri, [same])
    send_again(uri, [same, {"kind": "points", "step": 14, "at": 9, "values": {"late": 14.5}}])

    def points():
        return sorted((each.step, each.value) for each in client.get_metric_history(run_id, "late"))

    assert points() == [(13, 13.0), (14, 14.0), (14, 14.5), (15, 15.0)]
    told = fw("runs", "sync", "again")
    assert told.code == 1
    assert "only its database can remove them" in told.err
    assert fw("runs", "sync", "again", "--uri", lasting_server.database).code == 0
    assert points() == [(13, 13.0), (14, 14.5)]


def send_again(uri, made):
    """Go on from the run's checkpoint, and send what is made then."""
    folder = Path("runs/again/tracking")
    journal = Journal(folder)
    journal.append([cut(folder, 12), *made])
    journal.close()
    Sender(folder.parent, MlflowClient(uri), uri).send()


@pytest.mark.drawn
@pytest.mark.long
def test_a_server_that_goes_away_does_not_end_the_training_and_gets_the_rest_later(train, fw, server, project):
    def kill_it_when_training():
        while not list(project.glob("runs/*/checkpoints/last.ckpt")):
            time.sleep(0.1)
        server.kill()

    threading.Thread(target=kill_it_when_training, daemon=True).start()
    words = ("trainer.max_epochs=100000", "trainer.max_time=00:00:00:12", "trainer.log_every_n_steps=20")
    done = train(f"mlops.tracking.uri={server.uri}", *words, "--json")
    assert done.code == 0, done.err
    assert done.json["status"] == "finished"
    name = done.json["name"]
    assert f"Send the rest: fw runs sync {name}" in done.err
    assert (Path(done.json["directory"]) / "checkpoints" / "last.ckpt" / "checkpoint.json").is_file()
    assert mlflow.active_run() is None
    assert fw("runs", "sync", name).code == 1
    server.start()
    row = fw("runs", "sync", name, "--json").json[0]
    assert (row["state"], row["left_points"]) == ("complete", 0)
    client = MlflowClient(server.uri)
    steps = [point.step for point in client.get_metric_history(done.json["run_id"], "train/loss")]
    assert steps[:-1] == list(range(20, 20 * len(steps), 20))
    assert client.get_run(done.json["run_id"]).info.status == "FINISHED"
