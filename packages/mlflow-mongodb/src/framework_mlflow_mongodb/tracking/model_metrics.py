"""Metrics of logged models: every point of a model, with the run and the dataset it was measured on."""

from __future__ import annotations

from hashlib import blake2b

from mlflow.entities import Metric
from mlflow.utils.validation import _validate_metric
from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.tracking.points import Point
from framework_mlflow_mongodb.tracking.runs import RunArea


class ModelMetricArea(RunArea):
    """Metrics of logged models."""

    def _log_model_metrics(
        self, run_id: str, metrics: list[Metric], experiment_id: int, session: ClientSession | None = None
    ) -> None:
        documents = [
            _document(run_id, metric, experiment_id, path="" if len(metrics) == 1 else f"metrics[{index}]")
            for index, metric in enumerate(metrics)
            if metric.model_id is not None
        ]
        if documents:
            self._collection("model_metrics").bulk_write(
                [
                    UpdateOne({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True)
                    for document in documents
                ],
                ordered=False,
                session=session,
            )

    def copy_model_metrics(self, run_id: str, metrics: list[Metric], experiment_id: int) -> None:
        """Store points of logged models that another store has."""
        self._log_model_metrics(run_id, metrics, experiment_id)

    def _model_metrics(self, model_ids: list[str]) -> dict[str, list[Metric]]:
        found: dict[str, list[Metric]] = {model_id: [] for model_id in model_ids}
        for document in self._collection("model_metrics").find({"model": {"$in": model_ids}}).sort("_id"):
            found[document["model"]].append(
                Metric(
                    key=document["k"],
                    value=document["v"],
                    timestamp=document["ts"],
                    step=document["s"],
                    run_id=document["run"],
                    dataset_name=document["dataset"],
                    dataset_digest=document["digest"],
                    model_id=document["model"],
                )
            )
        return found


def _document(run_id: str, metric: Metric, experiment_id: int, path: str) -> Document:
    _validate_metric(metric.key, metric.value, metric.timestamp, metric.step, path=path)
    point = Point.of(metric)
    identity = repr((metric.model_id, run_id, metric.key, point.timestamp, point.step))
    return {
        "_id": blake2b(identity.encode(), digest_size=16).digest(),
        "model": metric.model_id,
        "run": run_id,
        "exp": experiment_id,
        "k": metric.key,
        "v": point.value,
        "s": point.step,
        "ts": point.timestamp,
        "dataset": metric.dataset_name,
        "digest": metric.dataset_digest,
    }
