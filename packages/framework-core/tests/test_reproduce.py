"""A run is repeated from its record, and what differs is named."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient

from framework_core.config.compose import compose
from framework_core.run import train

pytestmark = pytest.mark.drawn("file")

QUICK = (
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "mlops.tracking.system_metrics=false",
    "mlops.report=false",
    "experiment.run_name=first",
)


def git(*words):
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost")
    subprocess.run(["git", *identity, *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, empty_store):
    """A repository with a run in it."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copy(empty_store, folder)
    shutil.copy(Path(__file__).with_name("components.py"), folder / "mine.py")
    (folder / ".gitignore").write_text("*\n!mine.py\n")
    before = Path.cwd()
    os.chdir(folder)
    try:
        git("init")
        git("add", "mine.py")
        git("commit", "-m", "a model")
        train(compose(list(QUICK), model="mine.py:Net", dataset="mine.py:Iris").config)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(recorded, monkeypatch, project):
    """That repository, to work in; what a test changes is put back."""
    monkeypatch.chdir(recorded)
    for name, module in list(sys.modules.items()):
        # As in a process of its own, which reads the file as it is.
        if (getattr(module, "__file__", None) or "").startswith(str(recorded)):
            monkeypatch.delitem(sys.modules, name)
    yield recorded
    git("checkout", "mine.py")


def artifact(name):
    (folder,) = Path("mlruns").glob(f"*/*/artifacts/{name}")
    return folder


def kinds(done):
    assert done.code == 1, done.err
    return [each["kind"] for each in done.json["changes"]]


def test_a_run_repeated_where_nothing_has_changed_is_identical(fw, here):
    done = fw("reproduce", "first")
    assert done.code == 0, done.err
    assert done.out.splitlines() == ["identical  yes", "result     the same, to the last bit"]
    assert [each.name for each in Path("runs").iterdir()] == ["first"]


def test_code_that_was_changed_is_named(fw, here):
    file = Path("mine.py")
    file.write_text(file.read_text() + "\n# A word more.\n")
    done = fw("reproduce", "first", "--json")
    assert kinds(done) == ["code"]
    assert "mine.py" in done.json["changes"][0]["what"]
    assert done.json["same_result"]


def test_data_that_was_changed_is_named_with_another_result(fw, here):
    file = Path("mine.py")
    file.write_text(file.read_text().replace("float(number)", "float(number) + 0.5"))
    done = fw("reproduce", "first", "--json")
    assert kinds(done) == ["code", "data"]
    assert not done.json["same_result"]


@pytest.mark.parametrize(
    ("part", "name", "kind"), [("packages", "torch", "packages"), ("machine", "cores", "hardware")]
)
def test_packages_and_hardware_that_are_others_are_named(part, name, kind, fw, here):
    file = artifact("environment.json")
    before = file.read_text()
    environment = json.loads(before)
    environment[part][name] = "1.0"
    file.write_text(json.dumps(environment))
    try:
        done = fw("reproduce", "first", "--json")
    finally:
        file.write_text(before)
    assert kinds(done) == [kind]
    assert done.json["changes"][0]["what"].startswith(f"{name} 1.0 then, ")


def test_another_result_without_a_reason_is_told_with_its_numbers(fw, here):
    client = MlflowClient(f"sqlite:///{here}/mlflow.db")
    run = json.loads(Path("runs/first/run.json").read_text())["run_id"]
    was = client.get_run(run).data.metrics["test/accuracy"]
    client.log_metric(run, "test/accuracy", 0.125, step=99)
    try:
        done = fw("reproduce", "first", "--json")
    finally:
        client.log_metric(run, "test/accuracy", was, step=100)
    assert kinds(done) == ["result"]
    assert done.json["changes"][0]["what"] == f"test/accuracy was 0.125, and is {was!r}"


def test_a_run_whose_record_is_not_in_the_store_is_told(fw, here):
    client = MlflowClient(f"sqlite:///{here}/mlflow.db")
    run = client.create_run("0", run_name="bare").info.run_id
    done = fw("reproduce", run, "--uri", f"sqlite:///{here}/mlflow.db")
    assert done.code == 2
    assert "The run 'bare' cannot be repeated: its store has no config.yaml" in done.err


def test_in_a_folder_that_is_not_empty_nothing_is_made(fw, here):
    done = fw("reproduce", "first", "--in", "runs")
    assert (done.code, [each.name for each in Path("runs").iterdir()]) == (2, ["first"])


def test_a_commit_that_is_not_here_is_told(fw, here):
    client = MlflowClient(f"sqlite:///{here}/mlflow.db")
    run = json.loads(Path("runs/first/run.json").read_text())["run_id"]
    was = client.get_run(run).data.tags["mlflow.source.git.commit"]
    client.set_tag(run, "mlflow.source.git.commit", "0123456789abcdef")
    try:
        done = fw("reproduce", "first", "--in", "again")
    finally:
        client.set_tag(run, "mlflow.source.git.commit", was)
        shutil.rmtree("again")
    assert done.code == 1
    assert done.err.startswith(f"error: The commit 0123456789ab of the run is not in {here}.")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_code_and_the_environment_of_a_run_are_made_again(fw, here):
    """The run was made from a commit, a change that was not committed, a file git does not know, and ignored data."""
    Path("mine.py").write_text(f"{Path('mine.py').read_text()}\n# Not committed.\n")
    Path(".gitignore").write_text("*\n!mine.py\n!loose.txt\n")
    Path("loose.txt").write_text("not known to git\n")
    train(compose([*QUICK[:-1], "experiment.run_name=second"], model="mine.py:Net", dataset="mine.py:Iris").config)
    Path("mine.py").write_text("raise SystemExit\n")
    git("commit", "-am", "broken")
    try:
        done = fw("reproduce", "second", "--in", "again", "--json")
        code = {each.name for each in Path("again/code").iterdir()}
        pinned = Path("again/requirements.txt").read_text()
    finally:
        git("reset", "--hard", "HEAD~1")
        for folder in ("again", "runs/second"):
            shutil.rmtree(folder)
        Path("loose.txt").unlink()
    assert (done.code, done.json["identical"], done.json["changes"]) == (0, True, []), f"{done.json}\n{done.err}"
    assert {"mine.py", "loose.txt", "mlflow.db"} <= code
    assert f"torch=={version('torch')}\n" in pinned
