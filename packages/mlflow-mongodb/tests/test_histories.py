"""Histories of metrics, whose points are put together in fewer documents as they grow."""

from __future__ import annotations

from unittest.mock import patch

import pymongo
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric, RunStatus
from pymongo import monitoring

from framework_mlflow_mongodb.tracking import batches, metrics, points
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

FEW_POINTS = {
    "TAIL_POINTS": 4,
    "_TAIL_HAS_ROOM": {"tail.3": {"$exists": False}},
    "_SMALL_CHUNK": 5,
    "_SMALL_CHUNKS": 3,
}
"""As if so few points filled a document, so that they are moved and gathered all the time."""


def log(store, run, steps, *keys):
    store.log_batch(run, [Metric(key, float(step), step, step) for step in steps for key in keys], [], [])


def steps_of(store, run, key="loss"):
    return [metric.step for metric in store.get_metric_history(run, key)]


@pytest.mark.parametrize(("points", "batches"), [(100, 11), (200, 6), (250, 9), (300, 11), (499, 5)])
def test_a_run_that_ends_keeps_every_point_of_its_batches(tracking, points, batches):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    for batch in range(batches):
        log(tracking, run, range(batch * points, (batch + 1) * points), "loss")
    tracking.update_run_info(run, RunStatus.FINISHED, 1, None)
    assert steps_of(tracking, run) == list(range(points * batches))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.integers(0, 9), st.lists(st.integers(0, 60), max_size=9)), max_size=14))
def test_points_are_there_once_however_they_come(tracking, logged):
    with (
        patch.multiple(metrics, **FEW_POINTS),
        patch.object(batches, "TAIL_POINTS", 4),
        patch.object(points, "POINTS_PER_CHUNK", 10),
    ):
        run = tracking.create_run("0", "u", 1, [], "r").info.run_id
        expected = set()
        for part in logged:
            following = max(expected, default=-1) + 1
            steps = range(following, following + part) if isinstance(part, int) else part
            log(tracking, run, steps, "loss", "accuracy")
            expected |= set(steps)
            assert steps_of(tracking, run) == sorted(expected)
        tracking.update_run_info(run, RunStatus.FINISHED, 1, None)
        assert steps_of(tracking, run) == steps_of(tracking, run, "accuracy") == sorted(expected)


@pytest.mark.drawn
def test_many_metrics_that_are_logged_together_for_long_are_few_documents(mongo_uri, tracking):
    run, keys = tracking.create_run("0", "u", 1, [], "r").info.run_id, [f"m{number}" for number in range(65)]
    for step in range(620):
        log(tracking, run, [step], *keys)
    with pymongo.MongoClient(mongo_uri) as client:
        assert client.get_default_database()["points"].count_documents({"r": run, "k": "m7"}) < 510
    assert steps_of(tracking, run, "m7") == list(range(620))
    tracking.update_run_info(run, RunStatus.FINISHED, 1, None)
    assert all(steps_of(tracking, run, key) == list(range(620)) for key in keys)


class Between(monitoring.CommandListener):
    """Does something before the driver asks for the second part of an answer."""

    def __init__(self, action):
        self.action = action

    def started(self, event):
        if event.command_name == "getMore" and self.action:
            action, self.action = self.action, None
            action()

    def succeeded(self, event):
        pass

    failed = succeeded


def test_a_history_is_whole_when_its_documents_are_put_together_while_it_is_read(mongo_uri, tracking):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    for first in range(0, 98_000, 1000):
        log(tracking, run, range(first, first + 1000), "loss")
    for first in range(98_000, 99_000, 100):
        log(tracking, run, range(first, first + 100), "loss")
    between = Between(lambda: tracking.update_run_info(run, RunStatus.FINISHED, 1, None))
    monitoring.register(between)
    found = steps_of(MongoTrackingStore(f"{mongo_uri}&appName=reader"), run)
    assert between.action is None
    assert found == list(range(99_000))
