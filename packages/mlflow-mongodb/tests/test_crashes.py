"""The server or a writer killed at random moments: nothing acknowledged is lost, nothing is there twice."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pymongo
import pytest
from mlflow.entities import Metric, ViewType
from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

ROUNDS = [1, pytest.param(100, marks=pytest.mark.thorough)]

# Logs one point, one small and one large batch per step, and says which steps were acknowledged.
WRITER = """
import sys, time
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore
uri, run, step = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = MongoTrackingStore(uri)
print("ready", flush=True)
while True:
    try:
        store.log_metric(run, Metric("one", step, step, step))
        store.log_batch(run, [Metric(f"small{i}", step, step, step) for i in range(3)], [Param(f"p{step}", "1")], [])
        store.log_batch(run, [Metric(f"large{i % 4}", step, step, 100 * step + i) for i in range(80)], [], [])
    except MlflowException:
        time.sleep(0.05)
        continue  # the same step again: what was written of it must not come twice
    print(step, flush=True)
    step += 1
"""


class Writer:
    """A process that logs to one run until it is killed."""

    def __init__(self, uri, run, step):
        command = [sys.executable, "-c", WRITER, uri, run, str(step)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
        assert self.process.stdout.readline() == "ready\n"

    def kill(self):
        """Kill it; return the last step that it saw acknowledged."""
        self.process.send_signal(signal.SIGKILL)
        lines = self.process.stdout.read().split("\n")
        self.process.wait()
        self.process.stdout.close()
        return max((int(line) for line in lines[:-1]), default=None)


def check(store, run, last):
    """All steps up to the last acknowledged one are there, once, and perhaps parts of the one after it."""
    steps = [metric.step for metric in store.get_metric_history(run, "one")]
    assert steps[: last + 1] == list(range(last + 1))
    assert len(steps) <= last + 2
    for key in ("small0", "small2"):
        assert [m.step for m in store.get_metric_history(run, key)][: last + 1] == list(range(last + 1))
    large = [metric.step for metric in store.get_metric_history(run, "large3")]
    expected = [100 * step + i for step in range(last + 1) for i in range(3, 80, 4)]
    assert large[: len(expected)] == expected
    assert len(large) - len(expected) in (0, 20)
    data = store.get_run(run).data
    assert data.metrics["one"] >= last
    assert set(data.params) >= {f"p{step}" for step in range(last + 1)}


@pytest.mark.drawn
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_writer_that_is_killed_leaves_what_was_acknowledged(mongo_uri, tracking, rounds):
    dice = random.Random(rounds)
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    last = -1
    for _ in range(rounds):
        writer = Writer(mongo_uri, run, last + 1)
        time.sleep(dice.uniform(0.05, 0.6))
        last = max(last, writer.kill() or last)
        check(tracking, run, last)


@pytest.mark.drawn
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_server_that_is_killed_keeps_what_it_acknowledged(tmp_path, start_mongod, rounds):
    dice = random.Random(rounds)
    server = start_mongod(tmp_path)
    try:
        store = MongoTrackingStore(server.uri())
        run = store.create_run("0", "u", 1, [], "r").info.run_id
        writer = Writer(server.uri(), run, 0)
        for _ in range(rounds):
            time.sleep(dice.uniform(0.1, 0.8))
            server.kill()
            server.start()
        time.sleep(1)
        last = writer.kill()
        assert last is not None
        check(store, run, last)
        assert len(store.search_runs(["0"], "metrics.one >= 0", ViewType.ALL)) == 1
    finally:
        server.kill()


@pytest.mark.drawn
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", ROUNDS)
def test_threads_that_share_commands_keep_what_the_killed_server_acknowledged(tmp_path, start_mongod, rounds):
    server, dice, stop = start_mongod(tmp_path), random.Random(rounds), threading.Event()

    def write(number):
        step = 0
        while not stop.is_set():
            with contextlib.suppress(MlflowException):  # the same step again: it must not come twice
                store.log_metric(runs[number % 2], Metric(f"m{number}", step, step, step))
                step += 1
        return step

    try:
        store = MongoTrackingStore(server.uri())
        runs = [store.create_run("0", "u", 1, [], f"r{number}").info.run_id for number in range(2)]
        with ThreadPoolExecutor(6) as pool:
            writers = [pool.submit(write, number) for number in range(6)]
            for _ in range(rounds):
                time.sleep(dice.uniform(0.1, 0.8))
                server.kill()
                server.start()
            time.sleep(0.5)
            stop.set()
        for number, writer in enumerate(writers):
            steps = [metric.step for metric in store.get_metric_history(runs[number % 2], f"m{number}")]
            acknowledged = writer.result()
            assert sorted(set(range(acknowledged)) - set(steps)) == []
            assert [step for step, times in Counter(steps).items() if times > 1 or step > acknowledged] == []
            assert steps == sorted(steps)
            assert steps
    finally:
        stop.set()
        server.kill()


def test_a_batch_that_was_cut_off_and_is_sent_again_is_there_once(mongo_uri, tracking):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    batch = [Metric("a", float(i), 1, i) for i in range(500)]
    tracking.log_batch(run, batch, [], [])
    with pymongo.MongoClient(mongo_uri) as client:
        # As a standalone server leaves it that stopped before the run was written.
        client.get_default_database()["runs"].update_one({"_id": run}, {"$set": {"mv": {}, "mm": {}}})
    tracking.log_batch(run, batch, [], [])
    tracking.log_batch(run, batch[:50], [], [])
    assert [m.step for m in tracking.get_metric_history(run, "a")] == list(range(500))
    assert tracking.get_run(run).data.metrics == {"a": 499.0}
