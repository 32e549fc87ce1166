"""What MLflow's entry points name. Light: a module that fails to import here would only be a warning to MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework_mlflow_mongodb.artifacts import GridFsArtifactRepository
    from framework_mlflow_mongodb.registry.store import MongoRegistryStore
    from framework_mlflow_mongodb.tracking.store import MongoTrackingStore
    from framework_mlflow_mongodb.workspaces import MongoWorkspaceStore


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> MongoTrackingStore:
    """Build the tracking store of a ``mongodb://`` URI."""
    from framework_mlflow_mongodb.server import hide_credentials_in_job_warning
    from framework_mlflow_mongodb.tracking.store import MongoTrackingStore

    hide_credentials_in_job_warning()
    return MongoTrackingStore(store_uri, artifact_uri)


def registry_store(store_uri: str, tracking_uri: str | None = None) -> MongoRegistryStore:
    """Build the model registry store of a ``mongodb://`` URI."""
    from framework_mlflow_mongodb.registry.store import MongoRegistryStore

    return MongoRegistryStore(store_uri, tracking_uri)


def workspace_store(workspace_uri: str) -> MongoWorkspaceStore:
    """Build the workspace store of a ``mongodb://`` URI."""
    from framework_mlflow_mongodb.workspaces import MongoWorkspaceStore

    return MongoWorkspaceStore(workspace_uri)


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> GridFsArtifactRepository:
    """Build the artifact repository of a folder in GridFS."""
    from framework_mlflow_mongodb.artifacts import GridFsArtifactRepository

    return GridFsArtifactRepository(artifact_uri, tracking_uri, registry_uri)
