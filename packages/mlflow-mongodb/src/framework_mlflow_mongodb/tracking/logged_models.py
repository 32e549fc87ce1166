"""Logged models: made, finished, tagged, deleted; their search has a module of its own."""

from __future__ import annotations

import uuid

from mlflow.entities import (
    LifecycleStage,
    LoggedModel,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
)
from mlflow.utils.name_utils import _generate_random_name
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import _validate_logged_model_name
from pymongo import ReturnDocument

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import not_found
from framework_mlflow_mongodb.keys import escape, escaped, unescaped
from framework_mlflow_mongodb.tracking.model_metrics import ModelMetricArea
from framework_mlflow_mongodb.tracking.runs import ARTIFACTS_FOLDER_NAME

_MODELS_FOLDER_NAME = "models"


class LoggedModelArea(ModelMetricArea):
    """Logged models: made, finished, tagged, deleted."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: list[LoggedModelTag] | None = None,
        params: list[LoggedModelParameter] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Announce a model in an active experiment; it is pending until it is finalised."""
        _validate_logged_model_name(name)
        experiment = self._find_active_experiment(experiment_id)
        model_id, now = f"m-{uuid.uuid4().hex}", get_current_time_millis()
        document: Document = {
            "_id": model_id,
            "exp": experiment["_id"],
            "ws": experiment["ws"],
            "name": name or _generate_random_name(),
            "artifact_location": append_to_uri_path(
                experiment["artifact_location"], _MODELS_FOLDER_NAME, model_id, ARTIFACTS_FOLDER_NAME
            ),
            "created": now,
            "updated": now,
            "type": model_type,
            "status": LoggedModelStatus.PENDING.to_int(),
            "status_message": None,
            "life": LifecycleStage.ACTIVE,
            "run": source_run_id,
            "p": escaped({param.key: param.value for param in params or []}),
            "t": escaped({tag.key: tag.value for tag in tags or []}),
        }
        self._collection("logged_models").insert_one(document)
        return self._model_entities([document])[0]

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel:
        """Return the model with its parameters, tags and metrics."""
        document = self._find_logged_model(model_id)
        if document["life"] == LifecycleStage.DELETED and not allow_deleted:
            raise _no_model(model_id)
        return self._model_entities([document])[0]

    def log_logged_model_params(self, model_id: str, params: list[LoggedModelParameter]) -> None:
        """Add parameters to a model."""
        self._change_logged_model(model_id, {f"p.{escape(param.key)}": param.value for param in params})

    def set_logged_model_tags(self, model_id: str, tags: list[LoggedModelTag]) -> None:
        """Set tags of a model."""
        self._change_logged_model(model_id, {f"t.{escape(tag.key)}": tag.value for tag in tags})

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag of a model."""
        field = f"t.{escape(key)}"
        if escape(key) not in self._find_logged_model(model_id)["t"]:
            raise not_found(f"No tag with key {key!r} found for model with ID {model_id!r}.")
        self._collection("logged_models").update_one({"_id": model_id}, {"$unset": {field: ""}})

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        """Set the status of a model."""
        changes = {"status": status.to_int(), "updated": get_current_time_millis()}
        return self._model_entities([self._change_logged_model(model_id, changes)])[0]

    def delete_logged_model(self, model_id: str) -> None:
        """Mark a model as deleted."""
        changes = {"life": LifecycleStage.DELETED, "updated": get_current_time_millis()}
        self._change_logged_model(model_id, changes)

    def _change_logged_model(self, model_id: str, changes: Document) -> Document:
        if not changes:
            return self._find_logged_model(model_id)
        found = self._collection("logged_models").find_one_and_update(
            self._own(model_id), {"$set": changes}, return_document=ReturnDocument.AFTER
        )
        if found is None:
            raise _no_model(model_id)
        return found

    def _find_logged_model(self, model_id: str) -> Document:
        found = self._collection("logged_models").find_one(self._own(model_id))
        if found is None:
            raise _no_model(model_id)
        return found

    def _model_entities(self, documents: list[Document]) -> list[LoggedModel]:
        metrics = self._model_metrics([document["_id"] for document in documents])
        return [
            LoggedModel(
                experiment_id=str(document["exp"]),
                model_id=document["_id"],
                name=document["name"],
                artifact_location=document["artifact_location"],
                creation_timestamp=document["created"],
                last_updated_timestamp=document["updated"],
                model_type=document["type"],
                source_run_id=document["run"],
                status=LoggedModelStatus.from_int(document["status"]),
                status_message=document["status_message"],
                tags=unescaped(document["t"]) or None,
                params=unescaped(document["p"]) or None,
                metrics=metrics[document["_id"]] or None,
            )
            for document in documents
        ]

    def _get_deleted_logged_models(self, older_than: int = 0) -> list[str]:
        condition: Document = {
            "life": LifecycleStage.DELETED,
            "updated": {"$lte": get_current_time_millis() - older_than},
        }
        if self.supports_workspaces:
            condition["ws"] = self._workspace
        return [document["_id"] for document in self._collection("logged_models").find(condition, {"_id": 1})]

    def _hard_delete_logged_model(self, model_id: str) -> None:
        self._find_logged_model(model_id)
        self._collection("model_metrics").delete_many({"model": model_id})
        self._collection("logged_models").delete_one({"_id": model_id})


def _no_model(model_id: str) -> Exception:
    return not_found(f"Logged model with ID '{model_id}' not found.")
