"""Points that a run takes back are gone as if they had never been logged, whichever store it is."""

import math

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from framework_core.tracking.journal import Point
from framework_core.tracking.removal import remove


@pytest.fixture(params=["MongoDB", "SQLite"])
def client(request):
    name = {"MongoDB": "mongo_uri", "SQLite": "sqlite_uri"}[request.param]
    return MlflowClient(request.getfixturevalue(name))


def log(client, run, points):
    for first in range(0, len(points), 1000):
        rows = [Metric(each.key, each.value, each.timestamp, each.step) for each in points[first : first + 1000]]
        client.log_batch(run, metrics=rows)


def seen(client, run, key):
    return [(each.step, each.timestamp, repr(each.value)) for each in client.get_metric_history(run, key)]


@pytest.mark.parametrize("count", [20, 3000])
def test_points_taken_back_are_gone_and_the_latest_is_the_one_before(client, count):
    run = client.create_run(client.create_experiment(f"of {count} points")).info.run_id
    points = [Point("loss", float(step), 1000 + step, step) for step in range(count)]
    points[count - 3] = Point("loss", math.nan, 1000 + count - 3, count - 3)
    points[count - 2] = Point("loss", math.inf, 1000 + count - 2, count - 2)
    log(client, run, [*points, Point("other", 1.0, 5, 7), Point("gone", 2.0, 6, 8)])
    half = count // 2
    void = [*points[half:], Point("gone", 2.0, 6, 8)]
    for _ in range(2):
        assert remove(client, run, void)
        assert seen(client, run, "loss") == [(step, 1000 + step, repr(float(step))) for step in range(half)]
        assert seen(client, run, "gone") == []
        assert client.get_run(run).data.metrics == {"loss": half - 1, "other": 1.0}
    log(client, run, points[half:])
    assert len(seen(client, run, "loss")) == count
    assert client.get_run(run).data.metrics["loss"] == count - 1
