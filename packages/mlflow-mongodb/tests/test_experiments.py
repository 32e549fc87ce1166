"""Experiments and their tags."""

import subprocess
import sys

import pytest
from mlflow.entities import ExperimentTag, RunTag, ViewType
from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.tracking.store import MongoTrackingStore


def test_an_empty_database_has_the_default_experiment(tracking):
    assert tracking.get_experiment("0").name == "Default"


def test_an_experiment_keeps_tags_whose_keys_have_dots(tracking):
    key = tracking.create_experiment("one", tags=[ExperimentTag("a.b", "ü")])
    tracking.set_experiment_tag(key, ExperimentTag("a.b.c", "x"))
    assert tracking.get_experiment(key).tags == {"a.b": "ü", "a.b.c": "x"}
    tracking.delete_experiment_tag(key, "a.b")
    assert tracking.get_experiment_by_name("one").tags == {"a.b.c": "x"}


def test_a_name_is_taken_once(tracking):
    tracking.create_experiment("one")
    with pytest.raises(MlflowException, match="already exists") as error:
        tracking.create_experiment("one")
    assert error.value.error_code == "RESOURCE_ALREADY_EXISTS"


def test_a_search_is_paged_without_gaps_and_doubles(tracking):
    names = {f"e{i}" for i in range(7)}
    for name in names:
        tracking.create_experiment(name)
    found, token = [], None
    while True:
        page = tracking.search_experiments(filter_string="name LIKE 'e%'", max_results=3, page_token=token)
        found += [experiment.name for experiment in page]
        if not (token := page.token):
            break
    assert len(found) == 7
    assert set(found) == names


def test_deleted_experiments_are_found_when_asked_for(tracking):
    key = tracking.create_experiment("gone")
    tracking.delete_experiment(key)
    assert [e.name for e in tracking.search_experiments(ViewType.DELETED_ONLY)] == ["gone"]
    tracking.restore_experiment(key)
    assert tracking.search_experiments(ViewType.DELETED_ONLY) == []


def test_runs_are_refused_by_an_experiment_that_somebody_else_has_deleted(tracking, mongo_uri, tmp_path):
    key, elsewhere = tracking.create_experiment("gone"), MongoTrackingStore(mongo_uri, tmp_path.as_uri())
    made = [tracking.create_run(key, "user", 1, [], "one").info.run_id for _ in range(2)]
    elsewhere.delete_experiment(key)
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        tracking.create_run(key, "user", 1, [], "two")
    elsewhere.restore_experiment(key)
    made.append(tracking.create_run(key, "user", 1, [], "three").info.run_id)
    assert {run.info.run_id for run in elsewhere.search_runs([key], "", ViewType.ALL)} == set(made)
    elsewhere.delete_experiment(key)
    elsewhere._hard_delete_experiment(key)
    with pytest.raises(MlflowException, match="No Experiment with id="):
        tracking.create_run(key, "user", 1, [], "four")
    assert elsewhere.search_runs([key], "", ViewType.ALL) == []


def test_a_run_of_an_experiment_that_was_seen_before_is_as_the_first_one(tracking):
    key, tags = tracking.create_experiment("one"), [RunTag("a.b$", "$x"), RunTag("%", "")]
    first, second = (tracking.create_run(key, "user", 1, tags, None).info.run_id for _ in range(2))
    documents = [tracking._collection("runs").find_one({"_id": run_id}) for run_id in (first, second)]
    assert list(documents[0]) == list(documents[1])
    assert documents[1]["artifact_uri"] == documents[0]["artifact_uri"].replace(first, second)
    assert tracking.get_run(second).data.tags | {"mlflow.runName": ""} == {"a.b$": "$x", "%": "", "mlflow.runName": ""}


def test_a_run_is_made_while_the_interpreter_ends(mongo_uri, tmp_path):
    script = """
import atexit, sys
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore
store = MongoTrackingStore(sys.argv[1], sys.argv[2])
key = store.create_experiment("late")
make = lambda name: store.create_run(key, "user", 1, [], name)
atexit.register(make, "last")
make("first"), make("second")
"""
    command = [sys.executable, "-c", script, mongo_uri, tmp_path.as_uri()]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stderr == ""
    store = MongoTrackingStore(mongo_uri, tmp_path.as_uri())
    key = store.get_experiment_by_name("late").experiment_id
    assert {run.info.run_name for run in store.search_runs([key], "", ViewType.ALL)} == {"first", "second", "last"}
