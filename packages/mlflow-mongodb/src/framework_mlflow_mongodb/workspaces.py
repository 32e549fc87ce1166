"""Workspaces: teams that share a server and do not see each other's experiments, models and webhooks."""

from __future__ import annotations

from mlflow.entities.workspace import Workspace, WorkspaceDeletionMode
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE, RESOURCE_ALREADY_EXISTS
from mlflow.store.workspace.abstract_store import AbstractStore, WorkspaceNameValidator
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.artifact_location import check_artifact_uri
from framework_mlflow_mongodb.base import MongoStore
from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found, unsupported
from framework_mlflow_mongodb.schema import INDEXES

# What a workspace owns; all else belongs to one of these.
_ROOTS = (
    "experiments",
    "registered_models",
    "eval_datasets",
    "webhooks",
    "gateway_secrets",
    "gateway_models",
    "gateway_endpoints",
    "gateway_budgets",
    "gateway_guardrails",
)
_NAMED_ONCE = (
    "experiments",
    "registered_models",
    "eval_datasets",
    "gateway_secrets",
    "gateway_models",
    "gateway_endpoints",
)


class MongoWorkspaceStore(MongoStore, AbstractStore):
    """MLflow's workspace store on MongoDB.

    Args:
        workspace_uri: The URI of the database, the same as the tracking store's.
    """

    def __init__(self, workspace_uri: str) -> None:
        self._open(workspace_uri)
        default = {"description": None, "artifact_root": None}
        self._collection("workspaces").update_one(
            {"_id": DEFAULT_WORKSPACE_NAME}, {"$setOnInsert": default}, upsert=True
        )

    def list_workspaces(self) -> list[Workspace]:
        """Return all workspaces by name."""
        return [_workspace(found) for found in self._collection("workspaces").find().sort("_id")]

    def get_workspace(self, workspace_name: str) -> Workspace:
        """Return the workspace."""
        found = self._collection("workspaces").find_one({"_id": workspace_name})
        if found is None:
            raise _missing(workspace_name)
        return _workspace(found)

    def get_default_workspace(self) -> Workspace:
        """Return the workspace of those who name none."""
        return self.get_workspace(DEFAULT_WORKSPACE_NAME)

    def create_workspace(self, workspace: Workspace) -> Workspace:
        """Create a workspace."""
        WorkspaceNameValidator.validate(workspace.name)
        _check(workspace)
        document = {
            "_id": workspace.name,
            "description": workspace.description,
            "artifact_root": workspace.default_artifact_root or None,
        }
        try:
            self._collection("workspaces").insert_one(document)
        except DuplicateKeyError:
            raise MlflowException(f"Workspace '{workspace.name}' already exists.", RESOURCE_ALREADY_EXISTS) from None
        return _workspace(document)

    def update_workspace(self, workspace: Workspace) -> Workspace:
        """Change what is given; an empty artifact root takes it away."""
        _check(workspace)
        change: Document = {}
        if workspace.description is not None:
            change["description"] = workspace.description
        if workspace.default_artifact_root is not None:
            change["artifact_root"] = workspace.default_artifact_root or None
        if change:
            self._collection("workspaces").update_one({"_id": workspace.name}, {"$set": change})
        return self.get_workspace(workspace.name)

    def resolve_artifact_root(self, default_artifact_root: str | None, workspace_name: str) -> tuple[str | None, bool]:
        """Return where the workspace keeps its artifacts, and whether its name must be appended."""
        found = self._collection("workspaces").find_one({"_id": workspace_name})
        if found and found["artifact_root"]:
            return found["artifact_root"], False
        return default_artifact_root, True

    def delete_workspace(
        self, workspace_name: str, mode: WorkspaceDeletionMode = WorkspaceDeletionMode.RESTRICT
    ) -> None:
        """Delete an empty workspace, or one whose content moves to the default workspace."""
        if workspace_name == DEFAULT_WORKSPACE_NAME:
            raise MlflowException(f"Cannot delete the reserved '{DEFAULT_WORKSPACE_NAME}' workspace", INVALID_STATE)
        self.get_workspace(workspace_name)
        if mode == WorkspaceDeletionMode.RESTRICT:
            self._refuse_content(workspace_name)
        elif mode == WorkspaceDeletionMode.SET_DEFAULT:
            self._move_to_default(workspace_name)
        elif mode == WorkspaceDeletionMode.CASCADE:
            raise unsupported("deleting a workspace together with its content; use RESTRICT or SET_DEFAULT")
        else:
            raise invalid(f"Invalid workspace deletion mode {mode!r}. Expected one of: RESTRICT, SET_DEFAULT.")
        self._collection("workspaces").delete_one({"_id": workspace_name})

    def _refuse_content(self, workspace_name: str) -> None:
        for name in _ROOTS:
            count = self._collection(name).count_documents({"ws": workspace_name})
            if count:
                raise MlflowException(
                    f"Cannot delete workspace '{workspace_name}': collection '{name}' still contains {count} "
                    "resource(s). Remove or reassign them before deleting the workspace.",
                    INVALID_STATE,
                )

    def _move_to_default(self, workspace_name: str) -> None:
        conflicts = [f"{name}: '{taken}'" for name in _NAMED_ONCE for taken in self._taken(name, workspace_name)]
        if conflicts:
            raise MlflowException(
                f"Cannot reassign resources from workspace '{workspace_name}' to '{DEFAULT_WORKSPACE_NAME}': these "
                f"names already exist there: {', '.join(conflicts)}. Rename or remove them before retrying.",
                INVALID_STATE,
            )
        # What belongs to something else first: after a stop in between the rest is found again.
        for name in sorted(INDEXES, key=lambda name: name in _ROOTS):
            self._collection(name).update_many({"ws": workspace_name}, {"$set": {"ws": DEFAULT_WORKSPACE_NAME}})

    def _taken(self, collection: str, workspace_name: str) -> list[str]:
        names = self._collection(collection).distinct("name", {"ws": workspace_name})
        return self._collection(collection).distinct("name", {"ws": DEFAULT_WORKSPACE_NAME, "name": {"$in": names}})


def _check(workspace: Workspace) -> None:
    if workspace.trace_archival_location or workspace.trace_archival_retention:
        raise unsupported("the archival of traces")
    check_artifact_uri(workspace.default_artifact_root or "")


def _workspace(document: Document) -> Workspace:
    return Workspace(document["_id"], document["description"], document["artifact_root"])


def _missing(name: str) -> MlflowException:
    return not_found(f"Workspace '{name}' not found")
