"""The newest runs, read without MLflow: what MLflow itself says of them."""

import math
import os
import subprocess
import sys

import pytest
from mlflow.entities import ExperimentTag, Metric, Param, RunTag, ViewType

from framework_mlflow_mongodb.newest_runs import newest_runs
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

HIDDEN = "hidden.here"


@pytest.fixture
def experiments(tracking):
    """Two experiments with runs of all kinds, one that is deleted and one with a tag; returns the names of the two."""
    ids = [tracking.create_experiment(name) for name in ("one", "two", "gone")]
    tagged = tracking.create_experiment("tagged", tags=[ExperimentTag(HIDDEN, "yes")])
    for number, experiment in enumerate([*ids, tagged] * 3):
        run = tracking.create_run(experiment, "me", 1000 + number % 5, [RunTag("a.b", "$c%")], f"run{number}")
        metrics = [
            Metric("val/loss", number / 3, 5, number),
            Metric("no", math.nan, 5, 1),
            Metric("big", math.inf, 5, 2),
        ]
        tracking.log_batch(run.info.run_id, metrics, [Param("model.name", "é")], [])
        if number % 3 == 0:
            tracking.update_run_info(run.info.run_id, 3, 9000, None)
    tracking.delete_run(tracking.search_runs(ids[:1], None, ViewType.ACTIVE_ONLY)[0].info.run_id)
    tracking.delete_experiment(ids[2])
    return ["one", "two"]


def said_by_mlflow(store, experiments, most):
    ids = {store.get_experiment_by_name(name).experiment_id: name for name in experiments}
    runs = store.search_runs(list(ids), None, ViewType.ACTIVE_ONLY, most)
    return [
        {
            "run_id": run.info.run_id,
            "name": run.info.run_name,
            "experiment": ids[run.info.experiment_id],
            "status": run.info.status,
            "start": run.info.start_time,
            "end": run.info.end_time,
            "metrics": run.data.metrics,
            "steps": {metric.key: metric.step for metric in run.data._metric_objs},
            "params": run.data.params,
            "tags": run.data.tags,
        }
        for run in runs
    ]


def comparable(rows):
    return [str(sorted(row.items())) for row in rows]


@pytest.mark.parametrize(("names", "most"), [((), 100), (("two",), 100), (("tagged", "one"), 100), ((), 3)])
def test_they_are_those_of_mlflow_in_its_order(mongo_uri, tracking, experiments, names, most):
    found = newest_runs(mongo_uri, experiments=names, without_tag=HIDDEN, most=most)
    assert comparable(found) == comparable(said_by_mlflow(tracking, names or experiments, most))
    assert len(found) == min(most, {(): 5, ("two",): 3}.get(names, 5))


def test_it_leaves_to_mlflow_what_is_not_in_the_runs_themselves(mongo_uri, tracking, experiments, monkeypatch):
    def ask(uri=mongo_uri, names=()):
        return newest_runs(uri, experiments=names, without_tag=HIDDEN, most=100)

    assert ask(names=["three"]) is None
    assert ask("mongodb://127.0.0.1:1/mlflow") is None
    assert ask("mongodb://[") is None
    assert ask(f"{mongo_uri}&readPreferences=nearest") is None
    assert ask(mongo_uri.replace("/test_", "/other_")) is None
    run_id = ask()[0]["run_id"]
    tracking._collection("runs").update_one({"_id": run_id}, {"$set": {"spilled": True}})
    assert ask() is None
    assert ask(names=["tagged"])
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    assert ask(names=["tagged"]) is None


def test_a_database_of_a_newer_schema_is_left_to_mlflow_which_refuses_it(mongo_uri, tracking):
    tracking._collection("meta").update_one({"_id": "schema"}, {"$inc": {"version": 1}})
    try:
        assert newest_runs(mongo_uri, experiments=(), without_tag=HIDDEN, most=1) is None
    finally:
        tracking._collection("meta").update_one({"_id": "schema"}, {"$inc": {"version": -1}})


def test_the_command_lists_them_without_importing_mlflow(mongo_uri, tracking, experiments, tmp_path):
    pytest.importorskip("framework_core")
    program = """
import atexit, sys
atexit.register(lambda: print("mlflow" in sys.modules, file=sys.stderr))
from framework_core.cli.program import program
program()
"""
    words = ["runs", "list", "--uri", mongo_uri]

    def listed(*more):
        command = [sys.executable, "-c", program, *words, *more]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr.strip()

    quick, imported = listed()
    assert imported == "False"
    slow, imported = listed("--filter", "attributes.start_time > 0")
    assert imported == "True"
    assert [line.split()[:3] for line in quick.splitlines()] == [line.split()[:3] for line in slow.splitlines()]
    assert "run" in quick


def test_an_empty_database_is_left_to_mlflow_which_makes_it_a_store(new_uri):
    assert newest_runs(new_uri, experiments=(), without_tag=HIDDEN, most=1) is None
    MongoTrackingStore(new_uri)
    assert newest_runs(new_uri, experiments=(), without_tag=HIDDEN, most=1) == []
