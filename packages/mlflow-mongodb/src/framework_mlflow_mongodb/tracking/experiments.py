"""Experiments and their tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow.entities import Experiment, ExperimentTag, LifecycleStage, ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_STATE,
    RESOURCE_ALREADY_EXISTS,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT, SEARCH_MAX_RESULTS_THRESHOLD
from mlflow.utils.search_utils import SearchExperimentsUtils
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.uri import append_to_uri_path, resolve_uri_if_local
from mlflow.utils.validation import (
    _validate_experiment_artifact_location_length,
    _validate_experiment_name,
    _validate_experiment_tag,
)
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.artifact_location import check_artifact_uri
from framework_mlflow_mongodb.base import MongoStore
from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.keys import escape, escaped, unescaped
from framework_mlflow_mongodb.search.conditions import Condition, all_of, comparison
from framework_mlflow_mongodb.search.paging import Page, SortKey, values_of
from framework_mlflow_mongodb.single import find_by_key
from framework_mlflow_mongodb.tracking.experiment_ids import parse_experiment_id, parse_experiment_ids

DEFAULT_EXPERIMENT_ID = 0

_FIELDS = {"experiment_id": "_id", "name": "name", "creation_time": "created", "last_update_time": "updated"}
_DEFAULT_ORDER = ["creation_time DESC", "experiment_id ASC"]
_RANGE_COMPARATORS = ("=", "!=", "<", "<=", ">", ">=")
_TEXT_COMPARATORS = ("=", "!=", "LIKE", "ILIKE")


class ExperimentArea(MongoStore):
    """Experiments and their tags."""

    artifact_root_uri: str

    def _create_default_experiment(self) -> None:
        now = get_current_time_millis()
        self._collection("experiments").update_one(
            {"_id": DEFAULT_EXPERIMENT_ID},
            {
                "$setOnInsert": {
                    "ws": DEFAULT_WORKSPACE_NAME,
                    "name": Experiment.DEFAULT_EXPERIMENT_NAME,
                    "artifact_location": self._default_artifact_location(DEFAULT_EXPERIMENT_ID, DEFAULT_WORKSPACE_NAME),
                    "life": LifecycleStage.ACTIVE,
                    "created": now,
                    "updated": now,
                    "tags": {},
                }
            },
            upsert=True,
        )

    def _default_artifact_location(self, experiment_id: int, workspace: str) -> str:
        found = self._collection("workspaces").find_one({"_id": workspace}) if self.supports_workspaces else None
        if found and found["artifact_root"]:
            return str(append_to_uri_path(found["artifact_root"], str(experiment_id)))
        if workspace == DEFAULT_WORKSPACE_NAME:
            return str(append_to_uri_path(self.artifact_root_uri, str(experiment_id)))
        return str(append_to_uri_path(self.artifact_root_uri, "workspaces", workspace, str(experiment_id)))

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: list[ExperimentTag] | None = None
    ) -> str:
        """Create an experiment and return its id."""
        _validate_experiment_name(name)
        if artifact_location:
            check_artifact_uri(artifact_location)
            artifact_location = resolve_uri_if_local(artifact_location)
            _validate_experiment_artifact_location_length(artifact_location)
        for tag in tags or []:
            _validate_experiment_tag(tag.key, tag.value)
        workspace, now = self._workspace, get_current_time_millis()
        experiments = self._collection("experiments")
        if experiments.find_one({"ws": workspace, "name": name}, {"_id": 1}):
            raise _exists(name)
        experiment_id = self._next("experiment_id")
        try:
            experiments.insert_one(
                {
                    "_id": experiment_id,
                    "ws": workspace,
                    "name": name,
                    "artifact_location": artifact_location or self._default_artifact_location(experiment_id, workspace),
                    "life": LifecycleStage.ACTIVE,
                    "created": now,
                    "updated": now,
                    "tags": escaped({tag.key: str(tag.value) for tag in tags or []}),
                }
            )
        except DuplicateKeyError:
            raise _exists(name) from None
        return str(experiment_id)

    def _next(self, counter: str) -> int:
        found: Document = self._collection("counters").find_one_and_update(  # type: ignore[assignment]
            {"_id": counter}, {"$inc": {"seq": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        return int(found["seq"])

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return the experiment, active or deleted."""
        return _experiment(self._find_experiment(experiment_id))

    def get_experiment_by_name(self, experiment_name: str) -> Experiment | None:
        """Return the experiment of that name, active or deleted, or None."""
        found = self._collection("experiments").find_one({"ws": self._workspace, "name": experiment_name})
        return _experiment(found) if found else None

    def _find_experiment(
        self, experiment_id: str | None, view_type: int = ViewType.ALL, session: ClientSession | None = None
    ) -> Document:
        key = parse_experiment_id(experiment_id or DEFAULT_EXPERIMENT_ID)
        experiments, condition = self._collection("experiments"), {"_id": key, "ws": self._workspace}
        found = experiments.find_one(condition, session=session) if session else find_by_key(experiments, condition)
        if found is None or found["life"] not in LifecycleStage.view_type_to_stages(view_type):
            raise not_found(f"No Experiment with id={key} exists")
        return found

    def _find_active_experiment(self, experiment_id: str, session: ClientSession | None = None) -> Document:
        found = self._find_experiment(experiment_id, session=session)
        if found["life"] != LifecycleStage.ACTIVE:
            raise invalid(
                f"The experiment {found['_id']} must be in the 'active' state. Current state is {found['life']}."
            )
        return found

    def _own_experiment_ids(self, experiment_ids: Sequence[str | int]) -> list[int]:
        """Return those of `experiment_ids` that the workspace has; without workspaces, all of them."""
        keys: list[int] = parse_experiment_ids(experiment_ids)
        if not self.supports_workspaces:
            return keys
        found = self._collection("experiments").find({"_id": {"$in": keys}, "ws": self._workspace}, {"_id": 1})
        return [row["_id"] for row in found]

    def filter_active_experiment_ids(self, experiment_ids: list[str]) -> list[str]:
        """Return those of `experiment_ids` that are active."""
        if not experiment_ids:
            return []
        keys = parse_experiment_ids(experiment_ids)
        condition = {"_id": {"$in": keys}, "ws": self._workspace, "life": LifecycleStage.ACTIVE}
        return [str(row["_id"]) for row in self._collection("experiments").find(condition, {"_id": 1})]

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an active experiment another name."""
        _validate_experiment_name(new_name)
        found = self._find_experiment(experiment_id)
        if found["life"] != LifecycleStage.ACTIVE:
            raise MlflowException("Cannot rename a non-active experiment.", INVALID_STATE)
        try:
            self._collection("experiments").update_one(
                {"_id": found["_id"]}, {"$set": {"name": new_name, "updated": get_current_time_millis()}}
            )
        except DuplicateKeyError:
            raise _exists(new_name) from None

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark the experiment and all its runs as deleted."""
        self._move_experiment(experiment_id, ViewType.ACTIVE_ONLY, LifecycleStage.DELETED)

    def restore_experiment(self, experiment_id: str) -> None:
        """Bring a deleted experiment back, with all its runs."""
        self._move_experiment(experiment_id, ViewType.DELETED_ONLY, LifecycleStage.ACTIVE)

    def _move_experiment(self, experiment_id: str, view_type: int, life: str) -> None:
        now = get_current_time_millis()
        deleted = now if life == LifecycleStage.DELETED else None

        def move(session: ClientSession | None) -> None:
            key = self._find_experiment(experiment_id, view_type, session)["_id"]
            runs = self._collection("runs")
            if deleted is not None:
                run_ids = [run["_id"] for run in runs.find({"exp": key}, {"_id": 1}, session=session)]
                self._forget_assessments_of_runs(run_ids, session)
            # The runs first: without a transaction a stop in between is mended by asking again.
            runs.update_many({"exp": key}, {"$set": {"life": life, "deleted": deleted}}, session=session)
            self._collection("experiments").update_one(
                {"_id": key}, {"$set": {"life": life, "updated": now}}, session=session
            )

        self._transaction(move)

    def _forget_assessments_of_runs(self, run_ids: list[str], session: ClientSession | None) -> None:
        """Remove the assessments that deleted runs have made; the area of assessments knows how."""

    def set_experiment_tag(self, experiment_id: str, tag: ExperimentTag) -> None:
        """Set a tag of an active experiment."""
        _validate_experiment_tag(tag.key, tag.value)
        key = self._find_active_experiment(experiment_id)["_id"]
        self._collection("experiments").update_one({"_id": key}, {"$set": {f"tags.{escape(tag.key)}": str(tag.value)}})

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an active experiment."""
        found = self._find_active_experiment(experiment_id)
        if escape(key) not in found["tags"]:
            raise not_found(f"No tag with name: {key} in experiment with id {experiment_id}")
        self._collection("experiments").update_one({"_id": found["_id"]}, {"$unset": {f"tags.{escape(key)}": ""}})

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = SEARCH_MAX_RESULTS_DEFAULT,
        filter_string: str | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Return a page of experiments."""
        check_max_results(max_results)
        conditions = [_condition(parsed) for parsed in SearchExperimentsUtils.parse_search_filter(filter_string)]
        keys = _order(order_by)
        page = Page.parse(page_token)
        base = {"ws": self._workspace, "life": {"$in": list(LifecycleStage.view_type_to_stages(view_type))}}
        stages = [{"$match": all_of([base, *conditions])}, *page.stages(keys, max_results)]
        rows = list(self._collection("experiments").aggregate(stages))
        token = None
        if len(rows) > max_results:
            token = page.token(max_results, values_of(rows[max_results - 1], keys))
        return PagedList([_experiment(row) for row in rows[:max_results]], token)

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        """Remove a deleted experiment for good; each area removes what it has of it before."""
        key = self._find_experiment(experiment_id, ViewType.DELETED_ONLY)["_id"]
        self._collection("experiments").delete_one({"_id": key})


def check_max_results(max_results: int | None, *, none_allowed: bool = False) -> None:
    """Refuse a page size that MLflow does not allow."""
    if max_results is None and none_allowed:
        return
    problem = f"Invalid value {max_results} for parameter 'max_results' supplied. It must be "
    if max_results is None or max_results < 1:
        raise invalid(f"{problem}a positive integer")
    if max_results > SEARCH_MAX_RESULTS_THRESHOLD:
        raise invalid(f"{problem}at most {SEARCH_MAX_RESULTS_THRESHOLD}")


def _experiment(document: Document) -> Experiment:
    return Experiment(
        experiment_id=str(document["_id"]),
        name=document["name"],
        artifact_location=document["artifact_location"],
        lifecycle_stage=document["life"],
        tags=[ExperimentTag(key, value) for key, value in sorted(unescaped(document["tags"]).items())],
        creation_time=document["created"],
        last_update_time=document["updated"],
        workspace=document["ws"],
    )


def _exists(name: str) -> MlflowException:
    return MlflowException(f"Experiment(name={name}) already exists.", RESOURCE_ALREADY_EXISTS)


def _condition(parsed: dict[str, Any]) -> Condition:
    kind, key, comparator, value = parsed["type"], parsed["key"], parsed["comparator"], parsed["value"]
    if kind == "tag":
        if comparator not in (*_TEXT_COMPARATORS, "IS NULL", "IS NOT NULL"):
            raise invalid(f"Invalid comparator for tag: {comparator}")
        return comparison(f"tags.{escape(key)}", comparator, value)
    if kind != "attribute":
        raise invalid(f"Invalid token type: {kind}")
    return comparison(_FIELDS[key], comparator, _attribute_value(key, comparator, value))


def _attribute_value(key: str, comparator: str, value: Any) -> Any:
    if key == "experiment_id":
        if comparator not in ("=", "!=", "IN", "NOT IN"):
            raise invalid(f"Invalid comparator for experiment_id: {comparator}")
        return tuple(map(parse_experiment_id, value)) if isinstance(value, tuple) else parse_experiment_id(value)
    if SearchExperimentsUtils.is_string_attribute("attribute", key, comparator):
        if comparator not in _TEXT_COMPARATORS:
            raise invalid(f"Invalid comparator for string attribute: {comparator}")
        return value
    if comparator not in _RANGE_COMPARATORS:
        raise invalid(f"Invalid comparator for numeric attribute: {comparator}")
    try:
        return _whole_number(value)
    except (TypeError, ValueError):
        raise invalid(f"Invalid value for numeric attribute '{key}': {value!r}") from None


def _whole_number(value: Any) -> int:
    if isinstance(value, float):
        raise TypeError
    return int(value)


def _order(order_by: list[str] | None) -> list[SortKey]:
    keys: list[SortKey] = []
    for clause in order_by or _DEFAULT_ORDER:
        kind, key, ascending = SearchExperimentsUtils.parse_order_by_for_search_experiments(clause)
        if kind != "attribute":
            raise invalid(f"Invalid order_by entity: {kind}")
        if _FIELDS[key] not in {known.field for known in keys}:
            keys.append(SortKey(_FIELDS[key], ascending))
    if "_id" not in {key.field for key in keys}:
        keys.append(SortKey("_id", ascending=False))
    return keys
