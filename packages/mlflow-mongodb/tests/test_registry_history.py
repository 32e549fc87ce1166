"""The history of a registered model: records that can be added, and neither changed nor written twice."""

import threading

import pymongo
import pytest
from mlflow.entities import Param
from mlflow.exceptions import MlflowException


@pytest.fixture
def run(tracking):
    return tracking.create_run("0", "me", 0, [], "history of net").info.run_id


def record(number, value):
    return Param(f"framework.history.{number:06d}", value)


def test_a_record_is_kept_in_a_collection_of_its_own_and_read_as_a_parameter(tracking, run, mongo_uri):
    tracking.log_param(run, Param("lr", "0.1"))
    tracking.log_param(run, record(1, "first"))
    expected = {"lr": "0.1", "framework.history.000001": "first"}
    assert tracking.get_run(run).data.params == expected
    assert tracking.search_runs(["0"], "", 1, 10)[0].data.params == expected
    with pymongo.MongoClient(mongo_uri) as client:
        database = client.get_default_database()
        (document,) = database["registry_history"].find()
        assert (document["r"], document["v"]) == (run, "first")
        assert list(database["runs"].find_one({"_id": run})["p"].values()) == ["0.1"]


def test_a_record_cannot_be_changed_and_may_be_written_again_as_it_is(tracking, run):
    tracking.log_param(run, record(1, "first"))
    tracking.log_param(run, record(1, "first"))
    with pytest.raises(MlflowException, match="is written already") as error:
        tracking.log_param(run, record(1, "another"))
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"
    assert tracking.get_run(run).data.params == {"framework.history.000001": "first"}


def test_of_many_who_write_a_record_at_once_one_does(tracking, run):
    barrier, written = threading.Barrier(8), []

    def write(name):
        barrier.wait()
        try:
            tracking.log_param(run, record(1, name))
        except MlflowException:
            return
        written.append(name)

    threads = [threading.Thread(target=write, args=(f"number {each}",)) for each in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(written) == 1
    assert tracking.get_run(run).data.params == {"framework.history.000001": written[0]}


def test_nothing_is_added_to_a_run_that_was_deleted(tracking, run):
    tracking.delete_run(run)
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        tracking.log_param(run, record(1, "first"))
