"""Another MLflow store copied into MongoDB."""

import math
from pathlib import Path

import mlflow
import pymongo
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from framework_mlflow_mongodb.cli.app import main
from framework_mlflow_mongodb.transfer import run as transfer_module
from framework_mlflow_mongodb.transfer.run import transfer

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own file and SQL stores warn


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    """A SQL store with one of everything that is copied."""
    tmp_path = tmp_path_factory.mktemp("source")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment("one", artifact_location=(tmp_path / "a").as_uri())
    for number in range(3):
        run = client.create_run(experiment, run_name=f"r{number}").info.run_id
        points = [Metric("loss", value, 1000 + i, i) for i, value in enumerate([1.0, math.nan, math.inf, 0.5])]
        client.log_batch(run, points, [Param("lr.x", "0.1")], [RunTag("a/b", "ü")])
    dataset = Dataset("d", "1", "local", "{}", schema="s", profile="p")
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
    client.delete_run(run)
    client.delete_experiment(client.create_experiment("gone"))
    client.create_registered_model("m", tags={"k": "v"})
    client.create_model_version("m", (tmp_path / "a").as_uri())
    client.set_registered_model_alias("m", "best", 1)
    model = client.create_logged_model(experiment, name="lm", params={"p": "1"}, tags={"t": "2"})
    first = client.search_runs([experiment])[0].info.run_id
    client.log_metric(first, "acc", 0.9, model_id=model.model_id)
    log_a_trace(uri, experiment)
    return uri


def log_a_trace(uri, experiment):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_span("outer") as span:
        span.set_inputs({"x": 1})
    mlflow.flush_trace_async_logging()
    mlflow.set_tracking_uri(before)


def test_a_sql_store_is_copied_with_its_ids_and_compared(sqlite, mongo_uri, capsys):
    assert main(["import", sqlite, mongo_uri]) == 0
    out = capsys.readouterr().out
    assert "Everything equals its source." in out
    source, target = MlflowClient(sqlite, sqlite), MlflowClient(mongo_uri, mongo_uri)
    experiment = source.get_experiment_by_name("one")
    assert dict(target.get_experiment_by_name("one")) == dict(experiment)
    runs = {run.info.run_id: run.data.params for run in source.search_runs([experiment.experiment_id])}
    assert {run.info.run_id: run.data.params for run in target.search_runs([experiment.experiment_id])} == runs
    assert len(runs) == 2
    assert target.get_model_version_by_alias("m", "best").version == 1
    assert len(target.search_traces(locations=[experiment.experiment_id])) == 1
    assert len(target.search_logged_models([experiment.experiment_id])) == 1
    assert target.create_experiment("next") == "3"
    assert target.create_model_version("m", "file:///x").version == 2


def test_an_import_that_was_stopped_goes_on_where_it_was(sqlite, mongo_uri, monkeypatch):
    runs = []
    write = transfer_module._Transfer._run

    def stops(self, run):
        if runs:
            raise KeyboardInterrupt
        runs.append(run)
        write(self, run)

    monkeypatch.setattr(transfer_module._Transfer, "_run", stops)
    with pytest.raises(KeyboardInterrupt):
        transfer(sqlite, mongo_uri, print)
    monkeypatch.setattr(transfer_module._Transfer, "_run", write)
    report = transfer(sqlite, mongo_uri, print)
    assert (report.known["run"], report.copied["run"], report.differences) == (1, 2, [])
    again = transfer(sqlite, mongo_uri, print)
    assert (again.known["run"], again.copied["run"]) == (3, 0)


def test_a_copy_that_differs_is_named(sqlite, mongo_uri, monkeypatch, capsys):
    original = transfer_module.documents.run

    def forgets_parameters(*args):
        return {**original(*args), "p": {}}

    monkeypatch.setattr(transfer_module.documents, "run", forgets_parameters)
    assert main(["import", sqlite, mongo_uri]) == 1
    assert "differs from its source: run " in capsys.readouterr().out


def test_a_database_with_data_of_its_own_is_not_written_to(sqlite, mongo_uri, tracking, capsys):
    tracking.create_experiment("mine")
    assert main(["import", sqlite, mongo_uri]) == 1
    assert "holds data of its own" in capsys.readouterr().err
    with pymongo.MongoClient(mongo_uri) as client:
        assert client.get_default_database()["runs"].count_documents({}) == 0


def test_a_source_that_does_not_exist_is_a_bad_request(mongo_uri, tmp_path, capsys):
    assert main(["import", f"sqlite:///{tmp_path}/none.db", mongo_uri]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not Path(tmp_path, "none.db").exists()
    assert main(["import", str(tmp_path), mongo_uri]) == 2
