"""What the stores of all areas share: the connection, the workspace, and errors in MLflow's words."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.utils.workspace_context import get_request_workspace
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from framework_mlflow_mongodb.connection import Connection, Document, connect
from framework_mlflow_mongodb.errors import invalid, translating

Result = TypeVar("Result")


class MongoStore:
    """The part of every store that knows MongoDB; areas are mixins below it.

    Each method that a subclass defines answers errors of the driver as `MlflowException`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, value in list(vars(cls).items()):
            if callable(value) and not isinstance(value, type) and not name.startswith("__"):
                setattr(cls, name, translating(value))

    def _open(self, uri: str) -> None:
        self._raw_uri = uri
        self._link, self._process = connect(uri), os.getpid()
        self.uri = self._link.uri

    @property
    def _connection(self) -> Connection:
        if self._process != os.getpid():  # a client of the driver must not be shared across a fork
            self._open(self._raw_uri)
        return self._link

    def _collection(self, name: str) -> Collection[Document]:
        return self._connection.database[name]

    def _transaction(self, body: Callable[[ClientSession | None], Result]) -> Result:
        return self._connection.transaction(body)

    @property
    def supports_workspaces(self) -> bool:
        """Whether the server asked for workspaces."""
        return bool(MLFLOW_ENABLE_WORKSPACES.get())

    @property
    def _workspace(self) -> str:
        if not self.supports_workspaces:
            return DEFAULT_WORKSPACE_NAME
        workspace = get_request_workspace()
        if workspace is None:
            raise invalid(
                "Active workspace is required. Configure a default workspace or call "
                "mlflow.set_workspace() before interacting with the store."
            )
        return workspace
