"""The main job as a user gets it: one command in an empty folder, and the run that it leaves there."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


class Job:
    """``fw`` in a folder, with nothing said in the environment."""

    def __init__(self, folder):
        self.folder = folder
        settings = ("MLFLOW_TRACKING_URI", "FRAMEWORK_WITHOUT_PLUGINS", "OMP_NUM_THREADS")
        self.environment = {name: value for name, value in os.environ.items() if name not in settings}

    def run(self, *words):
        return subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The README's command, run in an empty folder of a repository that has one commit."""
    job = Job(tmp_path_factory.mktemp("empty"))
    job.run("git", "init", "--quiet")
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    job.run("git", *author, "commit", "--quiet", "--allow-empty", "--message", "Nothing yet")
    job.done = job.run("fw", "train", "--model", "resnet50")
    assert job.done.returncode == 0, job.done.stderr
    job.said = dict(line.split(maxsplit=1) for line in job.done.stdout.replace("look at it", "look").splitlines())
    return job


@pytest.fixture(scope="module")
def client(job):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{job.folder / 'mlflow.db'}")


@pytest.fixture(scope="module")
def run(job, client):
    return client.get_run(job.said["run"].split()[0])


def artifacts(client, run, folder=""):
    return {entry.path for entry in client.list_artifacts(run.info.run_id, folder)}


def test_it_recognises_digits_it_has_not_seen(job):
    assert float(job.said["test/accuracy"]) >= 0.95


def test_it_names_what_it_chose_and_how_to_choose_otherwise(job):
    said = job.done.stderr
    for chosen, other in {
        "dataset    digits": "--dataset NAME",
        "optimizer  adamw": "optimizer=sgd",
        "scheduler  cosine": "scheduler=constant",
        "epochs     15 ": "trainer.max_epochs=30",
        "tracking   sqlite:///mlflow.db": "mlops.tracking.uri=",
    }.items():
        (line,) = (line for line in said.splitlines() if chosen in line)
        assert f"else: {other}" in line.replace("else: another: ", "else: ")


def test_results_are_on_stdout_and_the_rest_is_not(job):
    assert {"run", "test/accuracy", "test/loss", "val/accuracy", "checkpoint", "folder", "look", "predict"} <= set(
        job.said
    )
    assert "fw ui" in job.said["look"]
    assert "sqlite:///mlflow.db" in job.said["look"]
    assert (job.folder / job.said["checkpoint"] / "weights.safetensors").is_file()
    assert "epoch" not in job.done.stdout.replace("best-epoch", "")
    assert "Warning" not in job.done.stderr


def test_only_what_is_promised_is_left_in_the_folder(job):
    assert {path.name for path in job.folder.iterdir()} == {".git", "mlflow.db", "mlruns", "runs"}


def test_the_run_is_in_the_store_with_its_settings(job, run):
    assert run.info.status == "FINISHED"
    assert run.data.params["model.name"] == "resnet50"
    assert run.data.params["trainer.max_epochs"] == "15"
    saved = yaml.safe_load((job.folder / job.said["folder"] / "config.yaml").read_text())
    assert run.data.params["optimizer.lr"] == str(saved["optimizer"]["lr"])
    assert run.data.params["seed"] == str(saved["seed"])


def test_the_run_has_its_metrics_and_their_curves(job, client, run):
    assert run.data.metrics["test/accuracy"] == pytest.approx(float(job.said["test/accuracy"]), abs=1e-4)
    assert len(client.get_metric_history(run.info.run_id, "val/accuracy")) == 15
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) > 100
    assert any(name.startswith("system/") for name in run.data.metrics)
    assert any(name.startswith("lr") for name in run.data.metrics)


def test_the_run_has_its_plots(client, run):
    drawn = ("calibration", "confusion_matrix", "learning_curves", "precision_recall", "roc", "worst_mistakes")
    assert artifacts(client, run, "plots") == {f"plots/{name}.png" for name in drawn}


def test_the_run_has_a_model_card_with_intervals(job, client, run):
    assert {"model_card.md", "intervals.json"} <= artifacts(client, run)
    card = (job.folder / job.said["folder"] / "model_card.md").read_text()
    (line,) = (line for line in card.splitlines() if line.startswith("| test/accuracy |"))
    value, interval = (cell.strip() for cell in line.split("|")[2:4])
    low, high = map(float, interval.split(" to "))
    assert low <= float(value) == float(job.said["test/accuracy"]) <= high


def test_the_run_has_its_data_and_where_it_came_from(client, run):
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.name == "digits"
    assert run.data.tags["framework.data_fingerprint"].endswith(used.dataset.digest)
    assert "sklearn" in used.dataset.source


def test_the_run_has_its_code_packages_and_machine(job, client, run, tmp_path):
    commit = job.run("git", "rev-parse", "HEAD").stdout.strip()
    assert run.data.tags["mlflow.source.git.commit"] == commit
    environment = json.loads(Path(client.download_artifacts(run.info.run_id, "environment.json", tmp_path)).read_text())
    assert {"framework-core", "framework-plugins-vision", "torch"} <= set(environment["packages"])
    assert environment["machine"]["python"]


PREDICT = """
import sys, mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.metadata.signature.inputs.inputs[0].shape, model.predict(model.input_example).shape)
"""


def test_the_stored_model_predicts_in_a_program_of_its_own(job, client, run):
    (stored,) = client.search_logged_models([run.info.experiment_id])
    assert stored.source_run_id == run.info.run_id
    done = job.run(sys.executable, "-c", PREDICT, stored.artifact_location)
    assert done.stdout.strip() == "(-1, 1, 32, 32) (2, 10)", done.stderr


def test_the_command_it_printed_repeats_it(job, client, run):
    shorter = ("trainer.max_epochs=1", "trainer.limit_train_batches=2")
    done = job.run(*shlex.split(job.said["repeat"].removeprefix("it ")), *shorter, "--json")
    assert done.returncode == 0, done.stderr
    again = client.get_run(json.loads(done.stdout)["run_id"])
    changed = {name for name, value in run.data.params.items() if again.data.params[name] != value}
    assert changed == {"trainer.max_epochs", "trainer.limit_train_batches"}


def test_the_command_it_printed_predicts(job, tmp_path):
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for index in range(3):
        Image.fromarray((digits.images[index] * 15.9).astype("uint8")).save(tmp_path / f"{index}.png")
    command = shlex.split(job.said["predict"].replace("FILES", str(tmp_path)))
    done = job.run(*command)
    assert done.returncode == 0, done.stderr
    lines = (job.folder / "predictions.csv").read_text().splitlines()[1:]
    assert [line.split(",")[1] for line in lines] == ["0", "1", "2"]
