"""Artifacts in GridFS."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import mlflow
import pymongo
import pytest
from bson import ObjectId
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from framework_mlflow_mongodb.artifact_location import VARIABLE, check_artifact_uri, locate
from framework_mlflow_mongodb.artifacts import CHUNK_BYTES, GridFsArtifactRepository, remove_abandoned_files
from framework_mlflow_mongodb.cli.app import main
from framework_mlflow_mongodb.mongod import LocalMongod, LocalServerError


@pytest.fixture
def database(mongo_uri):
    with pymongo.MongoClient(mongo_uri) as client:
        yield client.get_default_database()


@pytest.fixture
def artifacts(mongo_uri):
    return GridFsArtifactRepository("mongodb-gridfs:/artifacts/1/run", mongo_uri)


def listing(artifacts, path=None):
    return [(found.path, found.is_dir, found.file_size) for found in artifacts.list_artifacts(path)]


def log(artifacts, name, content, path=None):
    artifacts.log_artifact_from_stream(io.BytesIO(content), name, path)


def read(artifacts, path, tmp_path):
    return Path(artifacts.download_artifacts(path, str(tmp_path))).read_bytes()


def test_mlflow_finds_the_repository_by_its_scheme(mongo_uri):
    assert isinstance(get_artifact_repository("mongodb-gridfs:/a", mongo_uri), GridFsArtifactRepository)


def test_a_folder_comes_back_as_it_was(artifacts, tmp_path):
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "empty.txt").write_bytes(b"")
    (source / "deep" / "größe.bin").write_bytes(os.urandom(3 * CHUNK_BYTES + 7))
    (source / "deep" / "er" / "one.txt").write_text("1")
    artifacts.log_artifacts(source, "model")
    assert listing(artifacts) == [("model", True, None)]
    assert listing(artifacts, "model") == [("model/deep", True, None), ("model/empty.txt", False, 0)]
    assert listing(artifacts, "model/deep") == [
        ("model/deep/er", True, None),
        ("model/deep/größe.bin", False, 3 * CHUNK_BYTES + 7),
    ]
    target = tmp_path / "target"
    target.mkdir()
    artifacts.download_artifacts("", str(target))
    for name in ("empty.txt", "deep/größe.bin", "deep/er/one.txt"):
        assert (target / "model" / name).read_bytes() == (source / name).read_bytes()


def test_a_file_has_no_listing_and_a_missing_one_is_told(artifacts, tmp_path):
    log(artifacts, "a.txt", b"a")
    assert listing(artifacts, "a.txt") == []
    assert listing(artifacts, "nothing") == []
    with pytest.raises(MlflowException, match=r"No such artifact: 'b\.txt'") as error:
        artifacts.download_artifacts("b.txt", str(tmp_path))
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_name_that_starts_like_a_folder_is_not_in_it(artifacts):
    log(artifacts, "model2", b"x")
    log(artifacts, "a", b"x", "model")
    assert listing(artifacts, "model") == [("model/a", False, 1)]
    artifacts.delete_artifacts("model")
    assert listing(artifacts) == [("model2", False, 1)]


def test_overwriting_leaves_one_file(artifacts, database, tmp_path):
    for content in (b"first", b"second", b"third one"):
        log(artifacts, "a.txt", content)
    assert read(artifacts, "a.txt", tmp_path) == b"third one"
    assert listing(artifacts) == [("a.txt", False, 9)]
    assert database["artifacts.files"].count_documents({}) == 1
    assert database["artifacts.chunks"].count_documents({}) == 1


class BrokenStream(io.BytesIO):
    def read(self, size=-1):
        found = super().read(size)
        if not found:
            raise ConnectionResetError("the client has gone")
        return found


def test_a_broken_upload_is_never_seen_and_leaves_the_old_file(artifacts, database, tmp_path):
    log(artifacts, "a.txt", b"old")
    for name in ("a.txt", "b.txt"):
        with pytest.raises(ConnectionResetError):
            artifacts.log_artifact_from_stream(BrokenStream(os.urandom(40 * CHUNK_BYTES)), name)
    assert listing(artifacts) == [("a.txt", False, 3)]
    assert read(artifacts, "a.txt", tmp_path) == b"old"
    assert database["artifacts.chunks"].count_documents({}) == 1


UPLOAD_UNTIL_KILLED = """
import io, os, sys
from framework_mlflow_mongodb.artifacts import GridFsArtifactRepository

class Endless(io.RawIOBase):
    sent = 0
    def read(self, size=-1):
        self.sent += 1
        if self.sent == 80:
            print("in the middle", flush=True)
        return os.urandom(2**20)

GridFsArtifactRepository("mongodb-gridfs:/artifacts/1/run", sys.argv[1]).log_artifact_from_stream(Endless(), "a.txt")
"""


@pytest.mark.drawn
def test_what_a_killed_upload_leaves_is_removed_when_it_is_old(artifacts, database, mongo_uri, tmp_path):
    log(artifacts, "a.txt", b"old")
    upload = subprocess.Popen([sys.executable, "-c", UPLOAD_UNTIL_KILLED, mongo_uri], stdout=subprocess.PIPE)
    assert upload.stdout.readline() == b"in the middle\n"
    upload.kill()
    upload.wait()
    upload.stdout.close()
    assert database["artifacts.chunks"].count_documents({}) > 1
    assert read(artifacts, "a.txt", tmp_path) == b"old"
    assert remove_abandoned_files(database, timedelta(days=1)) == 0
    assert remove_abandoned_files(database, timedelta(seconds=-10)) == 1
    assert database["artifacts.chunks"].count_documents({}) == 1
    assert read(artifacts, "a.txt", tmp_path) == b"old"


def test_readers_see_whole_files_while_they_are_replaced(mongo_uri, artifacts, database, tmp_path):
    contents = [bytes([number]) * (2 * CHUNK_BYTES + number) for number in range(6)]
    log(artifacts, "a.bin", contents[0])
    seen, failures, done = set(), [], threading.Event()

    def write(mine):
        repository = GridFsArtifactRepository("mongodb-gridfs:/artifacts/1/run", mongo_uri)
        for content in mine * 5:
            log(repository, "a.bin", content)

    def look():
        while not done.is_set():
            try:
                seen.add(read(artifacts, "a.bin", tmp_path))
            except MlflowException as error:
                failures.append(error)

    reader = threading.Thread(target=look)
    writers = [threading.Thread(target=write, args=(contents[i::2],)) for i in range(2)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert failures == []
    assert seen <= set(contents)
    assert database["artifacts.files"].count_documents({}) == 1


def test_the_command_cleans_up(artifacts, database, mongo_uri, capsys):
    log(artifacts, "a.txt", b"a")
    begun = ObjectId.from_datetime(datetime.now(timezone.utc) - timedelta(days=3))
    database["artifacts.chunks"].insert_one({"files_id": begun, "n": 0, "data": b"x"})
    assert main(["clean", mongo_uri, "--days", "4"]) == 0
    assert "0 unfinished uploads removed" in capsys.readouterr().out
    assert main(["clean", mongo_uri]) == 0
    assert "1 unfinished upload removed" in capsys.readouterr().out
    assert database["artifacts.chunks"].count_documents({}) == 1


def test_a_damaged_file_is_told(artifacts, database, tmp_path):
    log(artifacts, "a.bin", bytes(3 * CHUNK_BYTES))
    database["artifacts.chunks"].delete_one({"n": 1})
    with pytest.raises(MlflowException, match=r"'a\.bin' is damaged"):
        artifacts.download_artifacts("a.bin", str(tmp_path))


def test_deleting_the_root_leaves_nothing_of_it(artifacts, mongo_uri, database):
    other = GridFsArtifactRepository("mongodb-gridfs:/artifacts/1/run2", mongo_uri)
    for repository in (artifacts, other):
        log(repository, "a.txt", b"a")
        log(repository, "b.txt", b"b", "deep/er")
    artifacts.delete_artifacts()
    artifacts.delete_artifacts()
    assert listing(artifacts) == []
    assert listing(other) == [("a.txt", False, 1), ("deep", True, None)]
    assert database["artifacts.chunks"].count_documents({}) == 2


@pytest.mark.parametrize("path", ["../other", "a/../../b", "/etc"])
def test_paths_out_of_the_folder_are_refused(artifacts, path):
    with pytest.raises(MlflowException, match="Invalid artifact path"):
        log(artifacts, "a.txt", b"a", path)


def test_a_run_keeps_its_artifacts_in_the_database_of_the_store(mongo_uri, tmp_path):
    mlflow.set_tracking_uri(mongo_uri)
    try:
        experiment = mlflow.create_experiment("gridfs", artifact_location="mongodb-gridfs:/artifacts")
        with mlflow.start_run(experiment_id=experiment) as run:
            mlflow.log_text("hello", "notes/a.txt")
            mlflow.log_dict({"a": 1}, "b.json")
        assert run.info.artifact_uri == f"mongodb-gridfs:/artifacts/{run.info.run_id}/artifacts"
        assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/a.txt") == "hello"
        assert [found.path for found in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)] == ["b.json", "notes"]
    finally:
        mlflow.set_tracking_uri(None)


@pytest.mark.drawn
@pytest.mark.long
def test_gc_deletes_the_artifacts_of_deleted_runs(mongo_uri, database):
    client = mlflow.MlflowClient(mongo_uri)
    experiment = client.create_experiment("gone", artifact_location="mongodb-gridfs:/artifacts")
    kept, gone = (client.create_run(experiment).info.run_id for _ in range(2))
    for run in (kept, gone):
        client.log_text(run, "x", "a.txt")
    client.delete_run(gone)
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", mongo_uri, "--tracking-uri", mongo_uri]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert [row["_id"] for row in database["artifacts"].find()] == [f"artifacts/{kept}/artifacts/a.txt"]
    assert database["artifacts.chunks"].count_documents({}) == 1


def test_no_experiment_keeps_credentials(tracking):
    with pytest.raises(MlflowException, match="carries credentials"):
        tracking.create_experiment("e", "mongodb://me:secret@host/db/a")
    with pytest.raises(MlflowException, match="carries credentials"):
        type(tracking)(tracking._raw_uri, "mongodb://me:secret@host/db/a")


@pytest.fixture
def with_password(tmp_path):
    """A server that asks for a password, and the URI of a user who may write to one database."""
    server = LocalMongod(tmp_path / "auth", replica_set=None, options=("--auth", "--wiredTigerCacheSizeGB", "0.25"))
    try:
        server.start()
    except LocalServerError as error:
        pytest.skip(str(error))
    try:
        # Only the first user may be made by nobody.
        with pymongo.MongoClient("127.0.0.1", server.port) as nobody:
            nobody.admin.command("createUser", "root", pwd="root", roles=["root"])
        with pymongo.MongoClient("127.0.0.1", server.port, username="root", password="root") as root:
            root.admin.command("createUser", "ada", pwd="s3cr/et", roles=[{"role": "readWrite", "db": "mlflow"}])
        yield f"mongodb://ada:s3cr%2Fet@127.0.0.1:{server.port}/mlflow?authSource=admin"
    finally:
        server.kill()


@pytest.mark.drawn
def test_the_password_goes_into_no_run_and_no_message(with_password, tmp_path, caplog):
    client = mlflow.MlflowClient(with_password)
    experiment = client.create_experiment("private", artifact_location="mongodb-gridfs:/artifacts")
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "x", "a.txt")
    assert Path(client.download_artifacts(run.info.run_id, "a.txt", str(tmp_path))).read_text() == "x"
    repository = get_artifact_repository(run.info.artifact_uri, with_password)
    with pytest.raises(MlflowException) as error:
        repository.download_artifacts("none.txt", str(tmp_path))
    with pymongo.MongoClient(with_password) as connection:
        database = connection.get_default_database()
        content = [row for name in database.list_collection_names() for row in database[name].find()]
    for shown in (repr(repository), str(error.value), caplog.text, str(content), str(vars(run.info))):
        assert "s3cr" not in shown


class TestLocation:
    store = "mongodb://user:pass%40word@db.example:27017/mlflow?replicaSet=rs0"

    @pytest.fixture(autouse=True)
    def _without_settings(self, monkeypatch):
        monkeypatch.delenv(VARIABLE, raising=False)
        monkeypatch.setattr("framework_mlflow_mongodb.artifact_location.open_uris", lambda: [])

    def test_without_a_host_the_store_is_taken(self):
        found = locate("mongodb-gridfs:/artifacts/1", [self.store])
        assert (found.store_uri, found.folder) == (self.store, "artifacts/1")

    @pytest.mark.parametrize("scheme", ["mongodb-gridfs", "mongodb"])
    def test_a_host_selects_the_store_that_has_it(self, scheme):
        found = locate(
            f"{scheme}://DB.example/mlflow/artifacts/1?replicaSet=rs0", ["mongodb://other/mlflow", self.store]
        )
        assert (found.store_uri, found.folder) == (self.store, "artifacts/1")

    @pytest.mark.parametrize("uri", ["mongodb-gridfs://evil/mlflow/a", "mongodb-gridfs://db.example/other/a"])
    def test_no_other_server_or_database_is_connected_to(self, uri):
        with pytest.raises(MlflowException, match=r"is none that this process is set up for") as error:
            locate(uri, [self.store])
        assert "pass" not in str(error.value)

    def test_the_variable_names_a_server_of_its_own(self, monkeypatch):
        monkeypatch.setenv(VARIABLE, "mongodb://files/big")
        assert locate("mongodb-gridfs:/a", [self.store]).store_uri == "mongodb://files/big"

    def test_a_process_without_a_mongodb_says_what_to_set(self):
        with pytest.raises(MlflowException, match=rf"knows no MongoDB. Set {VARIABLE}="):
            locate("mongodb-gridfs:/a", ["http://localhost:5000", None])

    @pytest.mark.parametrize("uri", ["mongodb://me:secret@host/db/a", "mongodb-gridfs://me:secret@host/db/a"])
    def test_credentials_in_an_artifact_uri_are_refused_and_not_shown(self, uri):
        with pytest.raises(MlflowException, match="carries credentials") as error:
            locate(uri, [self.store])
        assert "secret" not in str(error.value)

    @pytest.mark.parametrize("uri", ["mongodb://localhost:27017", "mongodb://localhost:27017/", "mongodb://h/db"])
    def test_a_server_without_database_and_folder_is_refused(self, uri):
        with pytest.raises(MlflowException, match="must name a database and a folder"):
            check_artifact_uri(uri)

    @pytest.mark.parametrize("uri", ["./mlruns", "s3://a/b", "mongodb-gridfs:/a", "mongodb://h/db/a", "file:///x"])
    def test_other_roots_are_fine(self, uri):
        check_artifact_uri(uri)
