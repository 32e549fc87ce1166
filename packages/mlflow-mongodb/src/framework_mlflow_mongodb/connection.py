"""One client for each URI and process, and the transactions on it."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import pymongo
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import PyMongoError

from framework_mlflow_mongodb.combining import Combiner
from framework_mlflow_mongodb.errors import invalid, translate
from framework_mlflow_mongodb.schema import prepare
from framework_mlflow_mongodb.uri import BadUriError, StoreUri

Document = dict[str, Any]
Result = TypeVar("Result")
Topology = Literal["replica set", "sharded cluster", "standalone"]

FIRST_ANSWER_SECONDS = 10
_logger = logging.getLogger(__name__)
_connections: dict[str, Connection] = {}
_lock = threading.RLock()


@dataclass(frozen=True)
class Connection:
    """A database of a server.

    Args:
        uri: Where it is.
        client: The driver's client, shared by all stores of the process.
        topology: What stands there; a standalone server has no transactions.
        run_updates: The updates of runs that the threads of this process make at the same time.
        executor: Threads that ask the server something while the caller's own asks it something else.
        locks: What keeps several threads of this process from doing the same for one run.
    """

    uri: StoreUri
    client: pymongo.MongoClient[Document]
    topology: Topology
    run_updates: Combiner = field(default_factory=Combiner)
    executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16, "mlflow-mongodb"))
    locks: tuple[threading.Lock, ...] = field(default_factory=lambda: tuple(threading.Lock() for _ in range(16)))

    @property
    def database(self) -> Database[Document]:
        """The database of the URI."""
        return self.client[self.uri.database]

    @property
    def has_transactions(self) -> bool:
        """Whether several writes can be made at once."""
        return self.topology != "standalone"

    def lock_of(self, run_id: str) -> threading.Lock:
        """The lock of a run, which a few others may share."""
        return self.locks[hash(run_id) % len(self.locks)]

    def close(self) -> None:
        """Close the client."""
        self.executor.shutdown(wait=False)
        self.client.close()

    def transaction(self, body: Callable[[ClientSession | None], Result]) -> Result:
        """Run `body` in one transaction and return its answer.

        `body` may run several times: the transaction is tried again when another writer was faster or the primary
        changed. On a standalone server it runs once, with no session and without a transaction: it must order its
        writes so that a stop in between leaves nothing wrong.
        """
        if not self.has_transactions:
            return body(None)
        with self.client.start_session() as session:
            result: Result = session.with_transaction(body)
            return result


def connect(uri: str) -> Connection:
    """Return the process's connection to `uri`, with indexes and schema version checked when it is new.

    Raises:
        MlflowException: The URI is wrong, nobody answers, or the database is of a newer schema.
    """
    with _lock:
        connection = _connections.get(uri)
        if connection is None:
            connection = _connections[uri] = open_connection(uri)
        try:
            prepare(connection.database)
        except PyMongoError as error:
            raise translate(error, connection.uri) from None
    return connection


def open_uris() -> list[str]:
    """Return the URIs that this process is connected to, with their credentials."""
    with _lock:
        return list(_connections)


def open_connection(uri: str) -> Connection:
    """Connect without touching the database: for the commands that look before they write."""
    try:
        checked = StoreUri.parse(uri)
    except BadUriError as error:
        raise invalid(str(error)) from None
    client = None
    try:
        client = _client(checked)
        return Connection(checked, client, _topology(checked, client))
    except PyMongoError as error:
        if client is not None:
            client.close()
        raise translate(error, checked) from None


def _client(uri: StoreUri) -> pymongo.MongoClient[Document]:
    with warnings.catch_warnings():
        # A misspelt option is only a warning to the driver; here it is an error of the user.
        warnings.filterwarnings("error", category=UserWarning, message="(?i).*unknown.*option")
        try:
            return pymongo.MongoClient(uri.raw, appname=None if uri.has_option("appName") else "mlflow")
        except (UserWarning, ValueError) as error:
            raise pymongo.errors.ConfigurationError(str(error)) from None


def _topology(uri: StoreUri, client: pymongo.MongoClient[Document]) -> Topology:
    seconds = None if uri.has_option("serverSelectionTimeoutMS") else FIRST_ANSWER_SECONDS
    with pymongo.timeout(seconds):
        hello = client.admin.command("hello")
    if hello.get("msg") == "isdbgrid":
        return "sharded cluster"
    if "setName" in hello:
        return "replica set"
    _logger.warning(
        "MongoDB at %s is a standalone server: it has no transactions, so a batch that is cut off may be logged in "
        "part, and there are no live updates. Start it with --replSet rs0 and run rs.initiate() once.",
        uri,
    )
    return "standalone"


@atexit.register
def _close_connections() -> None:
    for connection in _connections.values():
        connection.close()


def _forget_connections() -> None:
    # A client of the driver must not be used on both sides of a fork.
    _connections.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)
