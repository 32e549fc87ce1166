"""What runs used and made: datasets and logged models."""

from __future__ import annotations

import uuid

from mlflow.entities import DatasetInput, LoggedModelInput, LoggedModelOutput
from mlflow.entities import _DatasetSummary as DatasetSummary
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from mlflow.utils.validation import _validate_dataset_inputs, _validate_run_id
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.tracking.entities import packed
from framework_mlflow_mongodb.tracking.runs import RunArea

_MAX_SUMMARIES = 1000


class InputArea(RunArea):
    """What runs used and made: datasets and logged models."""

    def log_inputs(
        self, run_id: str, datasets: list[DatasetInput] | None = None, models: list[LoggedModelInput] | None = None
    ) -> None:
        """Add datasets and models to what an active run used."""
        _validate_run_id(run_id)
        if datasets is not None:
            if not isinstance(datasets, list):
                raise TypeError(f"Argument 'datasets' should be a list, got '{type(datasets)}'")
            _validate_dataset_inputs(datasets)
        run = self._find_active_run(run_id, {"exp": 1, "in.id": 1})
        known = {used["id"] for used in run["in"]}
        for used in _distinct(datasets or []):
            dataset_id = self._dataset_id(run["exp"], used)
            if dataset_id not in known:
                known.add(dataset_id)
                # Guarded, as two clients may log the same dataset at once.
                self._update_active_run(
                    run_id, {"$push": {"in": _input(dataset_id, used)}}, **{"in.id": {"$ne": dataset_id}}
                )
        if models:
            self._update_active_run(run_id, {"$push": {"model_in": {"$each": [model.model_id for model in models]}}})

    def _dataset_id(self, experiment: int, used: DatasetInput) -> str:
        """Return the id of a dataset of the experiment; it is stored when it is new."""
        dataset, datasets = used.dataset, self._collection("datasets")
        key = {"exp": experiment, "name": dataset.name, "digest": dataset.digest}
        if found := datasets.find_one(key, {"_id": 1}):
            return str(found["_id"])
        document = {
            "_id": uuid.uuid4().hex,
            **key,
            "source_type": dataset.source_type,
            "source": dataset.source,
            "schema": packed(dataset.schema),
            "profile": packed(dataset.profile),
        }
        try:
            datasets.insert_one(document)
        except DuplicateKeyError:
            return self._dataset_id(experiment, used)
        return str(document["_id"])

    def dataset_input(self, experiment: int, used: DatasetInput) -> Document:
        """Return a dataset as a run keeps it; the dataset itself is stored."""
        return _input(self._dataset_id(experiment, used), used)

    def log_outputs(self, run_id: str, models: list[LoggedModelOutput]) -> None:
        """Add models to what an active run made."""
        made = [{"id": model.model_id, "step": model.step} for model in models]
        self._update_active_run(run_id, {"$push": {"model_out": {"$each": made}}})

    def _search_datasets(self, experiment_ids: list[str]) -> list[DatasetSummary]:
        used = self._collection("runs").aggregate(
            [
                {"$match": {"exp": {"$in": self._own_experiment_ids(experiment_ids)}, "in.0": {"$exists": True}}},
                {"$unwind": "$in"},
                {
                    "$group": {
                        "_id": {"exp": "$exp", "name": "$in.name", "digest": "$in.digest", "context": "$in.context"}
                    }
                },
                {"$limit": _MAX_SUMMARIES},
            ]
        )
        return [
            DatasetSummary(
                experiment_id=str(row["_id"]["exp"]),
                name=row["_id"]["name"],
                digest=row["_id"]["digest"],
                context=row["_id"].get("context"),
            )
            for row in used
        ]


def _distinct(datasets: list[DatasetInput]) -> list[DatasetInput]:
    found: dict[tuple[str, str], DatasetInput] = {}
    for used in datasets:
        if used.dataset is None:
            raise MlflowException("Dataset input must have a dataset associated with it.", INTERNAL_ERROR)
        found.setdefault((used.dataset.name, used.dataset.digest), used)
    return list(found.values())


def _input(dataset_id: str, used: DatasetInput) -> Document:
    tags = used.tags or []
    context = next((tag.value for tag in tags if tag.key == MLFLOW_DATASET_CONTEXT), None)
    return {
        "id": dataset_id,
        "name": used.dataset.name,
        "digest": used.dataset.digest,
        "context": context,
        "tags": [{"k": tag.key, "v": tag.value} for tag in tags],
    }
