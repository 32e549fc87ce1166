"""Parameters, tags, and whole batches of them with metrics."""

from __future__ import annotations

from typing import Any

from mlflow.entities import LifecycleStage, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_MODELS
from mlflow.utils.validation import (
    _validate_batch_log_data,
    _validate_batch_log_limits,
    _validate_metric,
    _validate_param,
    _validate_param_keys_unique,
    _validate_run_id,
    _validate_tag,
)
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.marks import forms
from framework_mlflow_mongodb.tracking import entities
from framework_mlflow_mongodb.tracking.batch import Batch, tag_changes
from framework_mlflow_mongodb.tracking.metrics import TAIL_POINTS, MetricArea
from framework_mlflow_mongodb.tracking.points import chunks

_REPEATED = 11000


class BatchArea(MetricArea):
    """Parameters, tags, and whole batches of them with metrics."""

    def log_param(self, run_id: str, param: Param) -> None:
        """Log a parameter; its value cannot be changed afterwards."""
        param = _validate_param(param.key, param.value)
        field = f"p.{escape(param.key)}"
        change, is_new = {"$set": {field: param.value}}, {field: {"$exists": False}}
        if self._with_room(run_id, lambda: self._update_active_run(run_id, change, **is_new)):
            return
        known = self._find_run(run_id, {field: 1})["p"][escape(param.key)]
        if known not in forms(param.value):
            raise invalid(
                f"Changing param values is not allowed. Param with key='{param.key}' was already"
                f" logged with value='{known}' for run ID='{run_id}'. Attempted logging new value"
                f" '{param.value}'."
            )

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set a tag of an active run."""
        tag = _validate_tag(tag.key, tag.value)
        if changes := tag_changes({tag.key: tag.value}):
            self._with_room(run_id, lambda: self._update_active_run(run_id, {"$set": changes}))
        else:
            self._find_active_run(run_id, {"_id": 1})

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of an active run."""
        field = f"t.{escape(key)}"
        if not self._update_active_run(run_id, {"$unset": {field: ""}}, **{field: {"$exists": True}}):
            raise not_found(f"No tag with name: {key} in run with id {run_id}")

    def log_batch(self, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> None:
        """Log metrics, parameters and tags of an active run: all of them, or none when something is wrong."""
        _validate_run_id(run_id)
        _validate_metrics(metrics)
        _, params, tags = _validate_batch_log_data([], params, tags)
        _validate_batch_log_limits(metrics, params, tags)
        _validate_param_keys_unique(params)
        batch = Batch.of(run_id, metrics, params, tags)
        if len(metrics) <= TAIL_POINTS // 2 and not batch.model_metrics:
            self._write_at_once(batch)
            return
        self._with_room(run_id, lambda: self._write_whole(batch))
        self._gather_where_many(run_id, batch.points)

    def _write_whole(self, batch: Batch) -> None:
        """Write a large batch in one transaction."""
        try:
            self._transaction(lambda session: self._write_chunks(batch, session, repeated=False))
        except (DuplicateKeyError, BulkWriteError) as error:
            if not _is_repeat(error):
                raise
            self._transaction(lambda session: self._write_chunks(batch, session, repeated=True))

    def _write_chunks(self, batch: Batch, session: ClientSession | None, *, repeated: bool) -> None:
        """Write a batch whose points go to chunks; the run last, for a server without transactions.

        In a transaction the run is read only where it does not take the batch as the latest of it.
        """
        run: Document | None = None
        if session is None or batch.model_metrics:
            run = self._find_active_run(batch.run_id, batch.fields, session)
            batch.changes(run)
        documents = [chunk for key, points in batch.points.items() for chunk in chunks(batch.run_id, key, points)]
        self._insert_chunks(documents, session, repeated=repeated)
        if run:
            self._log_model_metrics(batch.run_id, batch.model_metrics, run["exp"], session)
        while True:
            changes, conditions = batch.changes(run)
            guard = {"$and": conditions} if conditions else {}
            condition = self._own(batch.run_id, life=LifecycleStage.ACTIVE, **guard)
            if not changes and run:
                return
            update = {"$set": changes}
            if changes and self._collection("runs").update_one(condition, update, session=session).matched_count:
                return
            run = self._find_active_run(batch.run_id, batch.fields, session)

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Add a model to the tag that lists the models of a run."""
        from mlflow.models import Model

        if not isinstance(mlflow_model, Model):
            raise TypeError(f"Argument 'mlflow_model' should be mlflow.models.Model, got '{type(mlflow_model)}'")
        model, field = mlflow_model.get_tags_dict(), escape(MLFLOW_LOGGED_MODELS)

        def record(session: ClientSession | None) -> None:
            run = self._find_active_run(run_id, {f"t.{field}": 1}, session)
            value = entities.logged_models_tag(run["t"].get(field), model)
            _validate_tag(MLFLOW_LOGGED_MODELS, value)
            self._collection("runs").update_one({"_id": run_id}, {"$set": {f"t.{field}": value}}, session=session)

        self._transaction(record)


def _validate_metrics(metrics: list[Metric]) -> None:
    """Check metrics as MLflow does; a plain one whose name was checked before needs no second look."""
    checked: set[str] = set()
    for index, metric in enumerate(metrics):
        key, timestamp = metric.key, metric.timestamp
        is_plain = type(metric.value) in (float, int) and type(timestamp) is int and type(metric.step) is int
        if not (is_plain and key in checked and timestamp >= 0):
            _validate_metric(key, metric.value, timestamp, metric.step, path=f"metrics[{index}]")
            checked.add(key)


def _is_repeat(error: DuplicateKeyError | BulkWriteError) -> bool:
    """Whether a batch failed because parts of it are stored already."""
    if isinstance(error, DuplicateKeyError):
        return True
    details = error.details or {}
    return any(failed.get("code") == _REPEATED for failed in details.get("writeErrors", []))
