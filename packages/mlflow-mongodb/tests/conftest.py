"""A real mongod for the session, a replica set of one member; an empty database for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest
from hypothesis import settings

from framework_mlflow_mongodb.mongod import LocalMongod, LocalServerError

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# The same examples each time, unless more of them are asked for: a new find belongs to nobody's change.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("default" if "MONGODB_EXAMPLES" in os.environ else "fixed")
SMALL = ("--wiredTigerCacheSizeGB", "0.25")


def start_mongod(directory: Path, *options: str, replica_set: str | None = "rs0") -> LocalMongod:
    """Start a mongod in `directory`; a machine without one skips the test."""
    server = LocalMongod(directory, replica_set=replica_set, options=(*SMALL, *options))
    try:
        server.start()
    except LocalServerError as error:
        if "No mongod here" in str(error):
            pytest.skip(str(error))
        raise
    return server


@pytest.fixture(scope="session", name="start_mongod")
def mongod_starter():
    """The function that starts a mongod of a test's own."""
    return start_mongod


@pytest.fixture(scope="session")
def mongod() -> Iterator[LocalMongod]:
    """The server of the session."""
    # In memory where the system has it: the tests of durability start servers of their own, on the disk.
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None, prefix="mongod-") as directory:
        server = start_mongod(Path(directory))
        yield server
        server.kill()


@pytest.fixture
def mongo_uri(mongod: LocalMongod) -> str:
    """A URI to an empty database, truncated rather than made anew: indexes are slow to build."""
    uri = mongod.uri(f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    with pymongo.MongoClient(uri) as client:
        database = client.get_default_database()
        for collection in database.list_collection_names():
            database[collection].delete_many({})
    return uri


@pytest.fixture
def new_uri(mongod: LocalMongod, request: pytest.FixtureRequest) -> Iterator[str]:
    """A URI to a database that does not exist yet."""
    uri = mongod.uri(f"new_{abs(hash(request.node.nodeid)) % 10**12}")
    yield uri
    with pymongo.MongoClient(uri) as client:
        client.drop_database(client.get_default_database().name)


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow's SQL stores without content, whose tables take MLflow seconds to make."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file = tmp_path_factory.mktemp("sqlite") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{file}", "/artifacts")._dispose_engine()
    return file


@pytest.fixture(scope="module")
def sqlite_uri(empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of such a database for one module."""
    return f"sqlite:///{shutil.copy(empty_sqlite, tmp_path_factory.mktemp('sqlite'))}"


@pytest.fixture
def tracking(mongo_uri: str, tmp_path: Path):
    """The tracking store of an empty database."""
    from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

    return MongoTrackingStore(mongo_uri, (tmp_path / "artifacts").as_uri())
