"""Another MLflow store copied into MongoDB."""

import json
import math
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import mlflow
import pymongo
import pytest
from cryptography.fernet import Fernet
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, IssueSeverity, Metric, Param, RunTag, ViewType
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from mlflow.genai.label_schemas.label_schemas import InputPassFail

from framework_mlflow_mongodb.cli.app import main
from framework_mlflow_mongodb.mongod import free_port
from framework_mlflow_mongodb.transfer import run as transfer_module
from framework_mlflow_mongodb.transfer.run import transfer

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own file and SQL stores warn


@pytest.fixture(scope="module")
def sqlite(sqlite_uri, tmp_path_factory):
    """A SQL store with one of everything that is copied."""
    fill(sqlite_uri, tmp_path_factory.mktemp("source"))
    return sqlite_uri


@pytest.fixture(scope="module", autouse=True)
def webhook_key():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", Fernet.generate_key().decode())
        yield


def fill(uri, folder):
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment("one", artifact_location=(folder / "a").as_uri())
    log_runs(client, experiment)
    client.delete_experiment(client.create_experiment("gone"))
    client.create_registered_model("m", tags={"k": "v"})
    client.create_model_version("m", (folder / "a").as_uri())
    client.set_registered_model_alias("m", "best", 1)
    model = client.create_logged_model(experiment, name="lm", params={"p": "1"}, tags={"t": "2"})
    first = client.search_runs([experiment])[0].info.run_id
    client.log_metric(first, "acc", 0.9, model_id=model.model_id)
    client.delete_logged_model(client.create_logged_model(experiment, name="deleted").model_id)
    log_a_trace(uri, experiment)
    add_evaluation(client, experiment, first)
    event = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
    client.create_webhook("hook", "https://8.8.8.8/hook", [event], "told", "a secret of ours")


def log_runs(client, experiment):
    for number in range(3):
        run = client.create_run(experiment, run_name=f"r{number}").info.run_id
        points = [Metric("loss", value, 1000 + i, i) for i, value in enumerate([1.0, math.nan, math.inf, 0.5])]
        client.log_batch(run, points, [Param("lr.x", "0.1")], [RunTag("a/b", "ü")])
    dataset = Dataset("d", "1", "local", "{}", schema="s", profile="p")
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
    client.delete_run(run)


def add_evaluation(client, experiment, run):
    store = client._tracking_client.store
    dataset = store.create_dataset("questions", {"t": "1"}, [experiment])
    records = [{"inputs": {"q": n}, "expectations": {"a": n}, "tags": {"mlflow.user": "me"}} for n in range(3)]
    store.upsert_dataset_records(dataset.dataset_id, records)
    for number in range(2):
        store.register_scorer(experiment, "judge", json.dumps({"name": "judge", "n": number}))
    store.upsert_online_scoring_config(experiment, "judge", 0.0)
    store.create_issue(experiment, "broken", "It is.", severity=IssueSeverity.HIGH, source_run_id=run, categories=["c"])
    store.create_label_schema(experiment, name="good?", type="feedback", input=InputPassFail("yes", "no"))


def log_a_trace(uri, experiment):
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_span("outer") as span:
        span.set_inputs({"x": 1})
    mlflow.flush_trace_async_logging()
    mlflow.set_tracking_uri(None)


@pytest.mark.drawn
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
    check_evaluation(source._tracking_client.store, target._tracking_client.store, experiment.experiment_id)
    [webhook] = target.list_webhooks()
    assert (webhook.name, webhook.secret) == ("hook", "a secret of ours")
    assert target.create_experiment("next") == "3"
    assert target.create_model_version("m", "file:///x").version == 2


def check_evaluation(source, target, experiment):
    [deleted] = target._get_deleted_logged_models()
    assert target.get_logged_model(deleted, allow_deleted=True).name == "deleted"
    [dataset] = target.search_datasets([experiment])
    records, _ = target._load_dataset_records(dataset.dataset_id)
    assert sorted(record.inputs["q"] for record in records) == [0, 1, 2]
    assert target.upsert_dataset_records(dataset.dataset_id, [{"inputs": {"q": 1}}]) == {"inserted": 0, "updated": 1}
    assert [one.scorer_version for one in target.list_scorer_versions(experiment, "judge")] == [1, 2]
    assert target.register_scorer(experiment, "judge", "{}").scorer_version == 3
    assert [issue.name for issue in target.search_issues(experiment)] == ["broken"]
    names = {schema.name for schema in source.list_label_schemas(experiment)}
    assert {schema.name for schema in target.list_label_schemas(experiment)} == names > {"good?"}


@pytest.mark.drawn
def test_a_folder_of_runs_is_copied(tmp_path, mongo_uri, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    folder = tmp_path / "mlruns"
    client = MlflowClient(folder.as_uri(), folder.as_uri())
    log_runs(client, client.create_experiment("one"))
    client.create_registered_model("m")
    client.create_model_version("m", (tmp_path / "a").as_uri())
    assert main(["import", str(folder), mongo_uri]) == 0
    assert "Everything equals its source." in capsys.readouterr().out
    target = MlflowClient(mongo_uri, mongo_uri)
    experiment = target.get_experiment_by_name("one")
    runs = target.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    assert {run.data.params["lr.x"] for run in runs} == {"0.1"}
    assert [metric.step for metric in target.get_metric_history(runs[0].info.run_id, "loss")] == [0, 1, 2, 3]
    assert target.get_model_version("m", "1").name == "m"


@pytest.fixture
def postgresql(tmp_path):
    """A database of a PostgreSQL of its own, where its programs are installed."""
    pytest.importorskip("psycopg2", reason="psycopg2 is needed to talk to PostgreSQL")
    found = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if found is None:
        pytest.skip("PostgreSQL's programs are not on this machine")
    programs, port = Path(found).resolve().parent, free_port()
    # PostgreSQL does not run as root.
    user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, **user)
        control = [programs / "pg_ctl", "--pgdata", f"{folder}/data", "--wait"]
        run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **user}
        subprocess.run([programs / "initdb", "--auth=trust", "--username=mlflow", f"{folder}/data"], **run)
        options = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off"
        subprocess.run([*control, "--log", f"{folder}/log", "-o", options, "start"], **run)
        yield f"postgresql+psycopg2://mlflow:secret@127.0.0.1:{port}/postgres"
        subprocess.run([*control, "--mode=immediate", "stop"], **run)


@pytest.mark.thorough
def test_a_postgresql_store_is_copied_and_its_password_stays_unsaid(postgresql, mongo_uri, tmp_path, capsys):
    fill(postgresql, tmp_path)
    assert main(["import", postgresql, mongo_uri]) == 0
    out = capsys.readouterr().out
    assert "Everything equals its source." in out
    assert "secret" not in out
    source, target = MlflowClient(postgresql, postgresql), MlflowClient(mongo_uri, mongo_uri)
    experiment = source.get_experiment_by_name("one").experiment_id
    check_evaluation(source._tracking_client.store, target._tracking_client.store, experiment)


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
