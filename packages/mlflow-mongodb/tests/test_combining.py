"""Writers that are threads of one process share commands, and each hears of its own write."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from pymongo.monitoring import CommandListener

from framework_mlflow_mongodb.combining import Combiner
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

WRITERS, STEPS = 8, 40


class Commands(CommandListener):
    """How many updates each command has brought."""

    def __init__(self):
        self.sizes = []

    def started(self, event):
        if event.command_name == "update":
            self.sizes.append(len(event.command["updates"]))

    def succeeded(self, event):
        pass

    failed = succeeded


def new_run(store):
    return store.create_run("0", "u", 1, [], "r").info.run_id


@pytest.mark.parametrize("runs", [1, WRITERS])
def test_every_point_of_many_writers_is_there_once(tracking, runs):
    names = [new_run(tracking) for _ in range(runs)]

    def write(number):
        for step in range(STEPS):
            tracking.log_metric(names[number % runs], Metric(f"w{number}", step, step, step))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    for number in range(WRITERS):
        run = names[number % runs]
        assert [point.step for point in tracking.get_metric_history(run, f"w{number}")] == list(range(STEPS))
        assert tracking.get_run(run).data.metrics[f"w{number}"] == STEPS - 1


def test_the_writer_to_a_deleted_run_hears_of_it_and_no_other(tracking):
    alive, deleted = [new_run(tracking) for _ in range(WRITERS)], new_run(tracking)
    tracking.delete_run(deleted)
    together = threading.Barrier(WRITERS + 1)

    def write(run):
        together.wait()
        for step in range(STEPS):
            tracking.log_metric(run, Metric("m", step, step, step))

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        refused, *others = [pool.submit(write, run) for run in (deleted, *alive)]
    assert isinstance(refused.exception(), MlflowException)
    assert "must be in the 'active' state" in refused.exception().message
    assert [other.exception() for other in others] == [None] * WRITERS
    assert [tracking.get_run(run).data.metrics["m"] for run in alive] == [STEPS - 1] * WRITERS


def test_writes_that_come_while_others_are_under_way_share_a_command(mongo_uri):
    from pymongo import MongoClient

    commands, combiner = Commands(), Combiner()
    with MongoClient(mongo_uri, event_listeners=[commands]) as client:
        collection = client.get_default_database()["combined"]
        collection.insert_many([{"_id": number, "n": 0} for number in range(WRITERS)])

        def write(number):
            change = {"$inc": {"n": 1}}
            return [combiner.update(collection, {"_id": number}, change) for _ in range(STEPS)]

        with ThreadPoolExecutor(WRITERS) as pool:
            made = list(pool.map(write, range(WRITERS)))
        assert made == [[True] * STEPS] * WRITERS
        assert [document["n"] for document in collection.find()] == [STEPS] * WRITERS
        assert sum(commands.sizes) == WRITERS * STEPS
        assert max(commands.sizes) > 1
        assert combiner.update(collection, {"_id": "none"}, {"$inc": {"n": 1}}) is False


@pytest.fixture
def interruptible():
    """SIGINT as in a shell; what runs in its background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_writer_that_is_interrupted_while_it_waits_for_others_does_not_stop_them(tracking):
    runs, combiner = tracking._collection("runs"), Combiner(company_seconds=60)
    named, change = {"_id": new_run(tracking)}, {"$set": {"name": "another"}}
    combiner._expected = 2
    threading.Timer(0.2, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        combiner.update(runs, named, change)
    assert combiner.update(runs, named, change) is True


def test_a_full_tail_is_emptied_by_whoever_meets_it(tracking, mongo_uri):
    run, others = new_run(tracking), MongoTrackingStore(mongo_uri)
    for step in range(150):
        (tracking if step % 2 else others).log_metric(run, Metric("m", step, step, step))
    kept = tracking._collection("runs").find_one({"_id": run})["tail"]
    assert len(kept) == 150 - 128
    assert [point.step for point in tracking.get_metric_history(run, "m")] == list(range(150))
