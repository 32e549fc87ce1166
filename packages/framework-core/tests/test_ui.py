"""MLflow's own page on the runs."""

import json
import shutil
import signal
import socket
import time
import urllib.request

import pytest


@pytest.fixture
def port():
    """A port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_port_that_is_used_is_told_with_the_next(fw, project, empty_store):
    shutil.copy(empty_store, project)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = fw("ui", "--port", port)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0] == f"error: Port {port} is taken."
    assert done.err.splitlines()[-1] == f"  Choose another: fw ui --port {port + 1}"


def test_a_store_that_is_not_there_is_told_and_not_made(fw, project):
    done = fw("ui")
    assert (done.code, done.out) == (2, "")
    assert "The tracking store sqlite:///mlflow.db cannot be used: it holds no runs yet." in done.err
    assert "fw train --model NAME" in done.err
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite:///no/folder/x.db", "it holds no runs yet"),
        ("http://me:secret@127.0.0.1:9", "http://127.0.0.1:9 cannot be used: it is a server, with a page of its own."),
        ("cassandra://localhost:9042", "no installed package offers MLflow a store for cassandra"),
    ],
)
def test_a_store_without_a_page_is_told(uri, said, fw):
    done = fw("ui", "--uri", uri)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "secret" not in done.err


def test_a_store_of_the_environment_is_taken(fw, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9" in fw("ui").err


def answered(address):
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read()


def is_free(port, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return True
        time.sleep(0.2)
    return False


@pytest.mark.drawn
@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 0), pytest.param(signal.SIGTERM, 128 + signal.SIGTERM, marks=pytest.mark.thorough)],
)
def test_the_page_shows_a_run_until_it_is_stopped(number, code, train, program, port):
    found = train("mlops.report=true", "--json").json
    process = program("ui", "--port", port)
    said = process.stderr.readline()
    assert said.startswith(f"MLflow on sqlite:///mlflow.db: http://127.0.0.1:{port}  (Ctrl-C ends it)"), said
    address = f"http://127.0.0.1:{port}"
    assert b"<title>MLflow</title>" in answered(address)
    known = json.loads(answered(f"{address}/api/2.0/mlflow/runs/get?run_id={found['run_id']}"))
    assert known["run"]["info"]["run_name"] == found["name"]
    assert known["run"]["info"]["status"] == "FINISHED"
    plot = answered(f"{address}/get-artifact?path=plots/learning_curves.png&run_uuid={found['run_id']}")
    assert plot.startswith(b"\x89PNG")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (code, "", "")
    assert is_free(port)
