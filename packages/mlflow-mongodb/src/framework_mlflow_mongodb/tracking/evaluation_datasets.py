"""Datasets for evaluation: their tags and experiments; their records are an area of their own."""

from __future__ import annotations

import hashlib
import logging
import uuid
from typing import Any

from mlflow.entities import EvaluationDataset, ViewType
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.mlflow_tags import MLFLOW_USER
from mlflow.utils.search_utils import SearchEvaluationDatasetsUtils
from mlflow.utils.time import get_current_time_millis
from pymongo.client_session import ClientSession

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.keys import escape, escaped, unescaped
from framework_mlflow_mongodb.search.conditions import Condition, all_of, comparison
from framework_mlflow_mongodb.search.paging import Page, SortKey, values_of
from framework_mlflow_mongodb.tracking.experiment_ids import parse_experiment_id
from framework_mlflow_mongodb.tracking.experiments import ExperimentArea, check_max_results

_FIELDS = {
    "name": "name",
    "created_time": "created",
    "last_update_time": "updated",
    "created_by": "created_by",
    "last_updated_by": "updated_by",
}
_TEXT_COMPARATORS = ("=", "!=", "LIKE", "ILIKE")
_logger = logging.getLogger(__name__)


class EvaluationDatasetArea(ExperimentArea):
    """Datasets for evaluation."""

    def create_dataset(
        self, name: str, tags: dict[str, str] | None = None, experiment_ids: list[str] | None = None
    ) -> EvaluationDataset:
        """Create an empty dataset; several may have the same name."""
        now, user = get_current_time_millis(), (tags or {}).get(MLFLOW_USER)
        document: Document = {
            "_id": f"d-{uuid.uuid4().hex}",
            "ws": self._workspace,
            "name": name,
            "digest": digest(name, now),
            "created": now,
            "updated": now,
            "created_by": user,
            "updated_by": user,
            "tags": escaped(tags or {}),
            "experiments": [str(experiment_id) for experiment_id in experiment_ids or []],
            "schema": None,
            "profile": None,
        }
        self._collection("eval_datasets").insert_one(document)
        dataset = _dataset(document)
        dataset.experiment_ids = experiment_ids or []
        dataset._tracking_store = self
        return dataset

    def get_dataset(self, dataset_id: str) -> EvaluationDataset:
        """Return a dataset; it loads its records when asked for them."""
        found = self._find_dataset(dataset_id)
        if found is None:
            raise not_found(f"Evaluation dataset with id '{dataset_id}' not found")
        return _dataset(found)

    def _find_dataset(self, dataset_id: str, session: ClientSession | None = None) -> Document | None:
        condition = {"_id": dataset_id, "ws": self._workspace}
        return self._collection("eval_datasets").find_one(condition, session=session)

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a dataset and its records, if it is there."""

        def delete(session: ClientSession | None) -> int:
            if self._find_dataset(dataset_id, session) is None:
                return 0
            self._collection("eval_records").delete_many({"dataset": dataset_id}, session=session)
            return self._collection("eval_datasets").delete_one({"_id": dataset_id}, session=session).deleted_count

        if not self._transaction(delete):
            _logger.warning("Evaluation dataset with id '%s' not found.", dataset_id)

    def search_datasets(
        self,
        experiment_ids: list[str] | None = None,
        filter_string: str | None = None,
        max_results: int = 1000,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[EvaluationDataset]:
        """Return a page of datasets."""
        check_max_results(max_results)
        page, keys = Page.parse(page_token), _order(order_by)
        parsed = SearchEvaluationDatasetsUtils.parse_search_filter(filter_string) if filter_string else []
        conditions: list[Condition] = [{"ws": self._workspace}, *map(_condition, parsed)]
        if experiment_ids:
            conditions.append({"experiments": {"$in": [str(experiment_id) for experiment_id in experiment_ids]}})
        stages = [{"$match": all_of(conditions)}, *page.stages(keys, max_results)]
        rows = list(self._collection("eval_datasets").aggregate(stages))
        token = None
        if len(rows) > max_results:
            token = page.token(max_results, values_of(rows[max_results - 1], keys))
        return PagedList([_dataset(row) for row in rows[:max_results]], token)

    def set_dataset_tags(self, dataset_id: str, tags: dict[str, Any]) -> None:
        """Set tags of a dataset; None leaves one as it is."""
        fields = {f"tags.{escape(key)}": str(value) for key, value in tags.items() if value is not None}
        if self._find_dataset(dataset_id) is None:
            raise not_found(f"Could not find evaluation dataset with ID {dataset_id}")
        if fields:
            self._collection("eval_datasets").update_one({"_id": dataset_id}, {"$set": fields})

    def delete_dataset_tag(self, dataset_id: str, key: str) -> None:
        """Remove a tag of a dataset, if it is there."""
        condition = {"_id": dataset_id, "ws": self._workspace}
        self._collection("eval_datasets").update_one(condition, {"$unset": {f"tags.{escape(key)}": ""}})

    def get_dataset_experiment_ids(self, dataset_id: str) -> list[str]:
        """Return the experiments that a dataset belongs to."""
        found = self._find_dataset(dataset_id)
        return list(found["experiments"]) if found else []

    def add_dataset_to_experiments(self, dataset_id: str, experiment_ids: list[str]) -> EvaluationDataset:
        """Make a dataset part of more experiments."""
        self._check_dataset(dataset_id)
        wanted = [str(experiment_id) for experiment_id in experiment_ids]
        present = self._collection("experiments").distinct(
            "_id", {"_id": {"$in": [parse_experiment_id(key) for key in wanted]}, "ws": self._workspace}
        )
        for key in wanted:
            if int(key) not in present:
                raise not_found(f"No Experiment with id={key}")
        change = {"$addToSet": {"experiments": {"$each": wanted}}, "$set": {"updated": get_current_time_millis()}}
        self._collection("eval_datasets").update_one({"_id": dataset_id}, change)
        return self.get_dataset(dataset_id)

    def remove_dataset_from_experiments(self, dataset_id: str, experiment_ids: list[str]) -> EvaluationDataset:
        """Take a dataset out of experiments."""
        present = self._check_dataset(dataset_id)["experiments"]
        gone = [str(key) for key in experiment_ids if str(key) in present]
        for key in experiment_ids:
            if str(key) not in gone:
                _logger.warning("Dataset '%s' was not associated with experiment '%s'", dataset_id, key)
        if gone:
            change = {"$pull": {"experiments": {"$in": gone}}, "$set": {"updated": get_current_time_millis()}}
            self._collection("eval_datasets").update_one({"_id": dataset_id}, change)
        return self.get_dataset(dataset_id)

    def _check_dataset(self, dataset_id: str, session: ClientSession | None = None) -> Document:
        found = self._find_dataset(dataset_id, session)
        if found is None:
            raise not_found(f"Dataset '{dataset_id}' not found")
        return found

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        key = str(self._find_experiment(experiment_id, ViewType.DELETED_ONLY)["_id"])
        self._collection("eval_datasets").update_many({"experiments": key}, {"$pull": {"experiments": key}})
        super()._hard_delete_experiment(experiment_id)


def digest(name: str, updated: int) -> str:
    """Return what tells two states of a dataset apart."""
    return hashlib.sha256(f"{name}:{updated}".encode()).hexdigest()[:8]


def _dataset(document: Document) -> EvaluationDataset:
    return EvaluationDataset(
        dataset_id=document["_id"],
        name=document["name"],
        tags=unescaped(document["tags"]),
        schema=document["schema"],
        profile=document["profile"],
        digest=document["digest"],
        created_time=document["created"],
        last_update_time=document["updated"],
        created_by=document["created_by"],
        last_updated_by=document["updated_by"],
    )


def _condition(parsed: dict[str, Any]) -> Condition:
    kind, key, comparator, value = parsed["type"], parsed["key"], parsed["comparator"], parsed["value"]
    if kind == "tag":
        if comparator not in _TEXT_COMPARATORS:
            raise invalid(f"Invalid comparator for tag: {comparator}")
        return comparison(f"tags.{escape(key)}", comparator, value)
    if kind != "attribute":
        raise invalid(f"Invalid token type: {kind}")
    if key not in SearchEvaluationDatasetsUtils.NUMERIC_ATTRIBUTES:
        if comparator not in _TEXT_COMPARATORS and not (key == "name" and comparator == "IN"):
            raise invalid(f"Invalid comparator for string attribute: {comparator}")
        return comparison(_FIELDS[key], comparator, value)
    if comparator not in SearchEvaluationDatasetsUtils.VALID_NUMERIC_ATTRIBUTE_COMPARATORS:
        raise invalid(f"Invalid comparator for numeric attribute: {comparator}")
    try:
        number = int(str(value))
    except ValueError:
        raise invalid(f"Invalid value for numeric attribute '{key}': {str(value)!r}") from None
    return comparison(_FIELDS[key], comparator, number)


def _order(order_by: list[str] | None) -> list[SortKey]:
    keys: list[SortKey] = []
    for clause in order_by or ["created_time DESC"]:
        kind, key, ascending = SearchEvaluationDatasetsUtils.parse_order_by_for_search_evaluation_datasets(clause)
        if kind != "attribute":
            raise invalid(f"Invalid order_by entity: {kind}")
        if _FIELDS[key] not in {known.field for known in keys}:
            keys.append(SortKey(_FIELDS[key], ascending, never_missing=True))
    return [*keys, SortKey("_id", ascending=False, never_missing=True)]
