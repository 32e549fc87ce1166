"""What users do wrong and what servers do to them: each is an MLflow error in plain words, without credentials."""

import os
import subprocess
import sys
import threading

import pymongo
import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.cli.app import main
from framework_mlflow_mongodb.mongod import free_port
from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

PASSWORD = "s3cr%2Ft"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, start_mongod):
    """A server that asks for a password; the user 'writer' may write to 'mlflow', 'reader' may only read."""
    folder = tmp_path_factory.mktemp("guarded")
    key = folder / "key"
    key.write_text("c2VjcmV0c2VjcmV0")
    key.chmod(0o600)
    server = start_mongod(folder, "--keyFile", str(key))
    with pymongo.MongoClient("127.0.0.1", server.port, directConnection=True) as client:
        # The first user may be made without a password, from the same machine.
        client.admin.command("createUser", "root", pwd="s3cr/t", roles=["root"])
    with pymongo.MongoClient(f"mongodb://root:{PASSWORD}@127.0.0.1:{server.port}/?directConnection=true") as client:
        for user, role in [("writer", "readWrite"), ("reader", "read")]:
            client.mlflow.command("createUser", user, pwd="s3cr/t", roles=[{"role": role, "db": "mlflow"}])
    yield f"127.0.0.1:{server.port}/mlflow?replicaSet=rs0"
    server.kill()


def error_of(uri):
    with pytest.raises(MlflowException) as error:
        MongoTrackingStore(uri)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
    assert "s3cr" not in str(error.value)
    return error.value


def test_no_server_there():
    error = error_of(f"mongodb://writer:{PASSWORD}@127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=300")
    assert error.error_code == "TEMPORARILY_UNAVAILABLE"
    assert "Is the server running" in error.message


def test_a_wrong_password(guarded):
    error = error_of(f"mongodb://writer:wrong-s3cret@{guarded}")
    assert error.error_code == "UNAUTHENTICATED"
    assert "authSource" in error.message


def test_a_user_without_rights(guarded):
    error = error_of(f"mongodb://reader:{PASSWORD}@{guarded}")
    assert error.error_code == "PERMISSION_DENIED"
    assert "'readWrite' on the database 'mlflow'" in error.message


def test_a_user_with_rights_works_and_doctor_shows_no_password(guarded, capsys):
    uri = f"mongodb://writer:{PASSWORD}@{guarded}"
    store = MongoTrackingStore(uri)
    assert "s3cr" not in store.get_experiment("0").artifact_location
    main(["doctor", uri])
    assert "s3cr" not in "".join(capsys.readouterr())
    assert "s3cr" not in repr(store.uri)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mongodb:/localhost", "is not a MongoDB URI"),
        ("mongodb://localhost:port", "Port"),
        ("mongodb://user:p@ss@localhost:1/", "RFC 3986"),
        ("mongodb://localhost:1/?replicaset=rs0&retryWrite=true", "retryWrite"),
        ("mongodb://localhost:1/a.b", "cannot be the name of a database"),
    ],
)
def test_a_uri_with_a_typo(uri, said):
    error = error_of(uri)
    assert error.error_code == "INVALID_PARAMETER_VALUE"
    assert said in error.message


@pytest.mark.drawn
@pytest.mark.long
def test_the_warning_of_the_server_about_jobs_shows_no_password(guarded, tmp_path):
    program = (
        "import mlflow.server, sys\n"
        "from framework_mlflow_mongodb.plugin import tracking_store\n"
        "tracking_store(sys.argv[1], './mlruns')\n"
        "from mlflow.server.jobs.utils import _check_requirements\n"
        "try: _check_requirements(sys.argv[1])\n"
        "except Exception as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, f"mongodb://writer:{PASSWORD}@{guarded}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert "jobs of the server need a SQL backend, and this is mongodb://127.0.0.1" in done.stdout
    assert "s3cr" not in done.stdout + done.stderr


@pytest.mark.drawn
def test_a_standalone_server_works_and_says_what_it_lacks(tmp_path, caplog, start_mongod):
    server = start_mongod(tmp_path, replica_set=None)
    try:
        store = MongoTrackingStore(server.uri())
        assert "standalone server" in caplog.text
        assert "rs.initiate()" in caplog.text
        run = store.create_run("0", "u", 1, [], "r").info.run_id
        many = [Metric(f"m{i}", i, 1, 1) for i in range(200)]
        for _ in range(2):
            store.log_batch(run, many, [Param("p", "1")], [RunTag("t", "1")])
        assert len(store.get_metric_history(run, "m7")) == 1
        store.delete_experiment(store.create_experiment("x"))
        assert main(["doctor", server.uri()]) == 1
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("filter_string", "said"),
    [("metrics.loss ~ 1", "Invalid"), ("nonsense", "Invalid clause"), ("params.a > '1'", "Invalid comparator")],
)
def test_an_invalid_filter_is_mlflows_own_error(tracking, filter_string, said):
    with pytest.raises(MlflowException, match=said) as error:
        tracking.search_runs(["0"], filter_string, 1)
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_deleted_run_takes_nothing(tracking):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    tracking.delete_run(run)
    for write in (
        lambda: tracking.log_metric(run, Metric("a", 1, 1, 1)),
        lambda: tracking.log_batch(run, [Metric(f"a{i}", 1, 1, 1) for i in range(100)], [], []),
        lambda: tracking.log_param(run, Param("a", "1")),
        lambda: tracking.set_tag(run, RunTag("a", "1")),
    ):
        with pytest.raises(MlflowException, match="must be in the 'active' state"):
            write()
    tracking.restore_run(run)
    assert tracking.get_metric_history(run, "a") == []
    assert tracking.get_metric_history(run, "a7") == []


def test_names_that_are_too_long(tracking):
    with pytest.raises(MlflowException, match="exceeds the maximum length"):
        tracking.create_experiment("x" * 501)
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    with pytest.raises(MlflowException, match="exceeds the maximum length"):
        tracking.log_metric(run, Metric("k" * 251, 1, 1, 1))


def test_two_clients_that_create_one_experiment_make_one(mongo_uri, tracking):
    answers = []

    def create():
        try:
            answers.append(MongoTrackingStore(mongo_uri).create_experiment("same"))
        except MlflowException as error:
            answers.append(error.error_code)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("RESOURCE_ALREADY_EXISTS") == 7
    assert len(tracking.search_experiments(filter_string="name = 'same'")) == 1


def test_concurrent_starters_of_an_empty_database_make_it_once(new_uri):
    failures = []

    def start():
        try:
            MongoTrackingStore(new_uri)
        except MlflowException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert main(["doctor", new_uri]) == 0


def test_a_clock_that_jumps_back_does_not_hide_the_last_step(tracking):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    tracking.log_metric(run, Metric("loss", 0.5, 2_000_000, 1))
    tracking.log_metric(run, Metric("loss", 0.4, 1_000_000, 2))
    assert tracking.get_run(run).data.metrics == {"loss": 0.4}


def test_numbers_outside_64_bits_are_refused(tracking):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    for metric in (Metric("a", 1, 1, 2**63), Metric("a", 1, 2**63, 1)):
        with pytest.raises(MlflowException, match="64-bit") as error:
            tracking.log_metric(run, metric)
        assert error.value.error_code == "INVALID_PARAMETER_VALUE"


def test_text_that_is_no_unicode_is_refused(tracking):
    run = tracking.create_run("0", "u", 1, [], "r").info.run_id
    with pytest.raises(MlflowException) as error:
        tracking.set_tag(run, RunTag("a", "\ud800"))
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"
