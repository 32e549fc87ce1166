"""MLflow's entities as the documents of this store."""

from __future__ import annotations

from typing import Any

from mlflow.entities import Experiment, LifecycleStage, LoggedModel, Metric, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.keys import escape, escaped
from framework_mlflow_mongodb.tracking.points import Point, chunks


def experiment(found: Experiment) -> Document:
    """Return the document of an experiment."""
    return {
        "_id": int(found.experiment_id),
        "ws": DEFAULT_WORKSPACE_NAME,
        "name": found.name,
        "artifact_location": found.artifact_location,
        "life": found.lifecycle_stage,
        "created": found.creation_time,
        "updated": found.last_update_time,
        "tags": escaped(dict(found.tags)),
    }


def run(found: Run, deleted_at: int) -> Document:
    """Return the document of a run, without what it used."""
    info = found.info
    latest = {escape(metric.key): Point.of(metric) for metric in found.data._metric_objs}
    return {
        "_id": info.run_id,
        "exp": int(info.experiment_id),
        "ws": DEFAULT_WORKSPACE_NAME,
        "name": info.run_name,
        "user": info.user_id,
        "status": info.status,
        "start": info.start_time,
        "end": info.end_time,
        "deleted": deleted_at if info.lifecycle_stage == LifecycleStage.DELETED else None,
        "life": info.lifecycle_stage,
        "artifact_uri": info.artifact_uri,
        "mv": {field: point.number for field, point in latest.items()},
        "mm": {field: point.rank for field, point in latest.items()},
        "tail": [],
        "p": escaped(dict(found.data.params)),
        "t": escaped(dict(found.data.tags)),
        "in": [],
        "model_in": [],
        "model_out": [],
    }


def points(run_id: str, history: dict[str, list[Metric]]) -> list[Document]:
    """Return the chunks of a run."""
    return [
        chunk
        for key, metrics in history.items()
        for chunk in chunks(run_id, key, sorted({Point.of(metric) for metric in metrics}))
    ]


def logged_model(found: LoggedModel, life: str) -> Document:
    """Return the document of a logged model, without its metrics."""
    return {
        "_id": found.model_id,
        "exp": int(found.experiment_id),
        "ws": DEFAULT_WORKSPACE_NAME,
        "name": found.name,
        "artifact_location": found.artifact_location,
        "created": found.creation_timestamp,
        "updated": found.last_updated_timestamp,
        "type": found.model_type,
        "status": found.status.to_int(),
        "status_message": found.status_message,
        "life": life,
        "run": found.source_run_id,
        "p": escaped(dict(found.params or {})),
        "t": escaped(dict(found.tags or {})),
    }


def registered_model(found: RegisteredModel, last_version: int) -> Document:
    """Return the content of a registered model."""
    return {
        "ws": DEFAULT_WORKSPACE_NAME,
        "name": found.name,
        "description": found.description,
        "created": found.creation_timestamp,
        "updated": found.last_updated_timestamp,
        "tags": escaped(dict(found.tags)),
        "aliases": escaped({alias: int(version) for alias, version in found.aliases.items()}),
        "last_version": last_version,
    }


def model_version(found: ModelVersion, location: str | None) -> dict[str, Any]:
    """Return the content of a version of a registered model."""
    return {
        "ws": DEFAULT_WORKSPACE_NAME,
        "name": found.name,
        "version": int(found.version),
        "description": found.description,
        "stage": found.current_stage,
        "status": found.status,
        "source": found.source,
        "storage_location": location,
        "run_id": found.run_id,
        "run_link": found.run_link,
        "model_id": found.model_id,
        "created": found.creation_timestamp,
        "updated": found.last_updated_timestamp,
        "tags": escaped(dict(found.tags)),
    }
