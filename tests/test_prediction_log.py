"""The log of a real server: what it holds, and what a kill leaves of it."""

import json
import signal
import subprocess
import time

import pytest
from served import serving

from framework_core.serving.prediction_log import USUAL

pytestmark = [pytest.mark.long, pytest.mark.drawn("file")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, warm):
    """A run, and its export."""
    place = tmp_path_factory.mktemp("logging")
    small = ("trainer=debug", "trainer.limit_test_batches=1.0")
    words = (*small, "mlops.tracking.backend=none", "experiment.run_name=first")
    for command in (("train", "--model", "resnet20", *words), ("export", "first", "--to", "onnx", "-o", "exported")):
        done = subprocess.run([warm.command, *command], cwd=place, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    return place


def lines_of(file, count):
    """So many whole lines, when they are there."""
    end = time.monotonic() + 20
    while time.monotonic() < end and (not file.exists() or file.read_bytes().count(b"\n") < count):
        time.sleep(0.05)
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("what", ["exported", "first"])
def test_a_server_that_is_killed_leaves_whole_lines_that_fw_drift_reads(folder, warm, what):
    golden = sorted((folder / "exported" / "golden").iterdir())
    log = folder / f"{what}.jsonl"
    with serving(warm.command, what, "--log", log, folder=folder) as server:
        for _ in range(8):
            said = server.predict(*golden)
        assert server.post("/predict", json={"inputs": [[[[0.0] * 32] * 32]]}).status_code == 200
        lines = lines_of(log, 65)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(20)
    assert len(lines) == 65
    assert log.read_text().endswith("}\n")
    assert {*lines[0]} == {"time", "model", "version", "run", *USUAL}
    assert {*lines[0]["features"]} == {"brightness", "contrast", "sharpness"}
    assert {line["prediction"]["label"] for line in lines[56:64]} == {row["label"] for row in said}
    command = [warm.command, "drift", "first", log, "--json", "--fail-above", "100"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["broken"] == found["left_out"] == 0
    compared = {each["name"]: each["counts"][1] for each in found["columns"]}
    numbers = {"brightness": 65, "contrast": 65, "sharpness": 65}
    assert numbers.items() <= compared.items()
    assert compared["label"] >= 64  # prepared inputs are answered with bare outputs


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--log", "nowhere/log.jsonl"), "no such file or directory"),
        (("--log", "log.jsonl", "--log-fields", "feature"), "Near it: features"),
        (("--log", "log.jsonl", "--log-share", "2"), "--log-share"),
    ],
)
def test_a_log_that_cannot_be_is_refused(folder, warm, words, told):
    command = [warm.command, "serve", "exported", "--port", "0", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert told in done.stderr
