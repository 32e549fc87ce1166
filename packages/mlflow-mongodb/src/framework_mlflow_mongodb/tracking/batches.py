"""Parameters, tags, and whole batches of them with metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlflow.entities import LifecycleStage, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_MODELS, MLFLOW_RUN_NAME
from mlflow.utils.validation import (
    _validate_batch_log_data,
    _validate_batch_log_limits,
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
from framework_mlflow_mongodb.tracking import entities
from framework_mlflow_mongodb.tracking.metrics import MetricArea, is_repeat, latest, newer
from framework_mlflow_mongodb.tracking.points import Point, chunks
from framework_mlflow_mongodb.tracking.runs import RUN_NAME_FIELD

# Above this many keys the whole maps of a run are read; naming each field costs more.
_NAMED_FIELDS = 50


@dataclass(frozen=True)
class Batch:
    """A checked batch of one run, with its metrics in chunks."""

    run_id: str
    metrics: list[Metric]
    latest: dict[str, Point]
    chunks: list[Document]
    params: dict[str, str]
    tags: dict[str, str]

    @classmethod
    def of(cls, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> Batch:
        """Put the parts of a batch together."""
        points, newest = latest(metrics)
        documents = [document for key, found in points.items() for document in chunks(run_id, key, found)]
        return cls(
            run_id,
            [metric for metric in metrics if metric.model_id is not None],
            newest,
            documents,
            {param.key: param.value for param in params},
            {tag.key: tag.value for tag in tags},
        )

    @property
    def fields(self) -> Document:
        """Which fields of the run decide what the batch changes."""
        fields = [f"mm.{escape(key)}" for key in self.latest]
        fields += [f"p.{escape(key)}" for key in self.params]
        if len(fields) > _NAMED_FIELDS:
            return {"exp": 1, "mm": 1, "p": 1}
        return {"exp": 1, **dict.fromkeys(fields, 1)}


class BatchArea(MetricArea):
    """Parameters, tags, and whole batches of them with metrics."""

    def log_param(self, run_id: str, param: Param) -> None:
        """Log a parameter; its value cannot be changed afterwards."""
        param = _validate_param(param.key, param.value)
        field = f"p.{escape(param.key)}"
        if self._update_active_run(run_id, {"$set": {field: param.value}}, **{field: {"$exists": False}}):
            return
        known = self._find_run(run_id, {field: 1})["p"][escape(param.key)]
        if known != param.value:
            raise invalid(
                f"Changing param values is not allowed. Param with key='{param.key}' was already"
                f" logged with value='{known}' for run ID='{run_id}'. Attempted logging new value"
                f" '{param.value}'."
            )

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set a tag of an active run."""
        tag = _validate_tag(tag.key, tag.value)
        if changes := _tag_changes({tag.key: tag.value}):
            self._update_active_run(run_id, {"$set": changes})
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
        metrics, params, tags = _validate_batch_log_data(metrics, params, tags)
        _validate_batch_log_limits(metrics, params, tags)
        _validate_param_keys_unique(params)
        batch = Batch.of(run_id, metrics, params, tags)
        try:
            self._transaction(lambda session: self._write(batch, session, repeated=False))
        except (DuplicateKeyError, BulkWriteError) as error:
            if not is_repeat(error):
                raise
            self._transaction(lambda session: self._write(batch, session, repeated=True))

    def _write(self, batch: Batch, session: ClientSession | None, *, repeated: bool) -> None:
        run = self._find_active_run(batch.run_id, batch.fields, session)
        changes = newer(batch.latest, run.get("mm", {}))
        new_params = _new_params(batch, run.get("p", {}))
        changes |= new_params | _tag_changes(batch.tags)
        self._insert_chunks(batch.chunks, session, repeated=repeated)
        self._log_model_metrics(batch.run_id, batch.metrics, run["exp"], session)
        if changes:
            # The guard matters without a transaction: somebody else may have logged the same parameter since.
            guard: Document = {field: {"$exists": False} for field in new_params} if session is None else {}
            condition = {"_id": batch.run_id, "life": LifecycleStage.ACTIVE, **guard}
            updated = self._collection("runs").update_one(condition, {"$set": changes}, session=session)
            if not updated.matched_count:
                _new_params(batch, self._find_active_run(batch.run_id, batch.fields, session).get("p", {}))

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


def _tag_changes(tags: dict[str, str]) -> Document:
    changes: Document = {f"t.{escape(key)}": value for key, value in tags.items() if key != MLFLOW_RUN_NAME}
    if name := tags.get(MLFLOW_RUN_NAME):
        changes |= {"name": name, RUN_NAME_FIELD: name}
    return changes


def _new_params(batch: Batch, known: dict[str, str]) -> Document:
    """Return the fields of the parameters that a run has not; refuse those that it has otherwise."""
    changed = [
        {"key": key, "old_value": known[escape(key)], "new_value": value}
        for key, value in batch.params.items()
        if known.get(escape(key), value) != value
    ]
    if changed:
        raise invalid(
            f"Changing param values is not allowed. Params were already logged='{changed}' for run ID='{batch.run_id}'."
        )
    return {f"p.{escape(key)}": value for key, value in batch.params.items() if escape(key) not in known}
