"""A replica set of three members whose primary steps down while clients log."""

import random
import threading
import time

import pymongo
import pytest
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.mongod import LocalMongod, find_mongod
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

pytestmark = pytest.mark.thorough
STEP_DOWNS = 5


@pytest.fixture
def three(tmp_path):
    """The URI of three mongod processes that are one replica set."""
    find_mongod()
    small = ("--wiredTigerCacheSizeGB", "0.25")
    first = LocalMongod(tmp_path / "0", options=small)
    members = [first, *(LocalMongod(tmp_path / str(i), options=small) for i in (1, 2))]
    first.start()
    for member in members[1:]:
        member.start_process()
    hosts = [f"127.0.0.1:{member.port}" for member in members]
    with pymongo.MongoClient("127.0.0.1", first.port, directConnection=True) as client:
        for number in (2, 3):
            config = client.admin.command("replSetGetConfig")["config"]
            config["version"] += 1
            config["members"] = [{"_id": i, "host": host} for i, host in enumerate(hosts[:number])]
            client.admin.command("replSetReconfig", config)
            wait_for(lambda number=number: states(client) == sorted(["PRIMARY", *["SECONDARY"] * (number - 1)]))
    yield f"mongodb://{','.join(hosts)}/mlflow?replicaSet=rs0"
    for member in members:
        member.kill()


def states(client):
    return sorted(member["stateStr"] for member in client.admin.command("replSetGetStatus")["members"])


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_primary_that_steps_down_loses_nothing_and_doubles_nothing(three):
    store = MongoTrackingStore(three)
    run = store.create_run("0", "u", 1, [], "r").info.run_id
    acknowledged, refused, stop = [], [], threading.Event()

    def write():
        while not stop.is_set():
            step = len(acknowledged)
            try:
                store.log_metric(run, Metric("one", step, step, step))
                store.log_batch(run, [Metric(f"many{i % 3}", i, step, 100 * step + i) for i in range(90)], [], [])
            except MlflowException as error:
                refused.append(error)
            else:
                acknowledged.append(step)

    writer = threading.Thread(target=write)
    writer.start()
    dice, primaries = random.Random(1), set()
    with pymongo.MongoClient(three) as client:
        for _ in range(STEP_DOWNS):
            time.sleep(dice.uniform(0.5, 2))
            primaries.add(client.primary)
            client.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=4, force=True)
            wait_for(lambda: client.primary is not None)
        time.sleep(2)
        stop.set()
        writer.join()
    assert len(primaries) > 1
    assert [metric.step for metric in store.get_metric_history(run, "one")] == acknowledged
    expected = [100 * step + i for step in acknowledged for i in range(1, 90, 3)]
    assert [metric.step for metric in store.get_metric_history(run, "many1")] == expected
