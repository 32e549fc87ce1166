"""The model registry store: its areas joined."""

from __future__ import annotations

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

from framework_mlflow_mongodb.registry.search import RegistrySearchArea
from framework_mlflow_mongodb.registry.webhooks import WebhookArea


class MongoRegistryStore(RegistrySearchArea, WebhookArea, AbstractStore):
    """MLflow's model registry store on MongoDB.

    Args:
        store_uri: The URI of the database, `mongodb://` or `mongodb+srv://`.
        tracking_uri: Where logged models are looked up that become versions; MLflow's own setting by default.
    """

    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        super().__init__(store_uri, tracking_uri)  # type: ignore[no-untyped-call]
        self._tracking_uri = tracking_uri
        self._open(store_uri)
        if not self.supports_workspaces:
            self._refuse_other_workspaces()

    def _refuse_other_workspaces(self) -> None:
        other = {"ws": {"$gt": DEFAULT_WORKSPACE_NAME}}
        for collection, noun, field in (("registered_models", "model", "name"), ("webhooks", "webhook", "_id")):
            rows = self._collection(collection)
            found = rows.find_one(other) or rows.find_one({"ws": {"$lt": DEFAULT_WORKSPACE_NAME}})
            if found:
                kind = "registered models" if noun == "model" else "webhooks"
                raise MlflowException(
                    f"Cannot disable workspaces because {kind} exist outside the default workspace (for example, "
                    f"{noun} '{found[field]}' in workspace '{found['ws']}'). Either remove those {noun}s or re-enable "
                    "workspaces before starting.",
                    INVALID_STATE,
                )

    def _await_model_version_creation(self, mv: ModelVersion, await_creation_for: int) -> None:
        """Return at once: a version is ready when it is created."""
