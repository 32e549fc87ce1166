"""The filter and the order of a search for logged models, parsed by MLflow and put into MongoDB's words."""

from __future__ import annotations

from typing import Any

from mlflow.exceptions import MlflowException

from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.search.conditions import Condition, comparison

_ATTRIBUTES = {
    "model_id": "_id",
    "experiment_id": "exp",
    "name": "name",
    "artifact_location": "artifact_location",
    "creation_timestamp": "created",
    "creation_timestamp_ms": "created",
    "creation_time": "created",
    "last_updated_timestamp": "updated",
    "last_updated_timestamp_ms": "updated",
    "status": "status",
    "lifecycle_stage": "life",
    "model_type": "type",
    "source_run_id": "run",
    "status_message": "status_message",
}
Stage = dict[str, Any]


def filter_stages(filter_string: str | None, datasets: list[dict[str, Any]] | None) -> list[Stage]:
    """Return the stages that keep the models of a filter; a wrong one is MLflow's own error."""
    from mlflow.utils.search_logged_model_utils import EntityType, parse_filter_string

    prefixes = {EntityType.PARAM: "p", EntityType.TAG: "t"}
    on_datasets = [_dataset(dataset) for dataset in datasets or []]
    matches: list[Condition] = []
    lookups: list[Stage] = []
    for parsed in parse_filter_string(filter_string):
        kind, key = parsed.entity.type, parsed.entity.key
        if kind == EntityType.METRIC:
            wanted = [{"k": key}, comparison("v", parsed.op, parsed.value)]
            lookups += _measured([*wanted, {"$or": on_datasets}] if on_datasets else wanted, f"metric{len(lookups)}")
        elif kind == EntityType.ATTRIBUTE:
            matches.append(comparison(_attribute(key), parsed.op, parsed.value))
        else:
            matches.append(comparison(f"{prefixes[kind]}.{escape(key)}", parsed.op, parsed.value))
    if on_datasets and not lookups:
        lookups = _measured([{"$or": on_datasets}], "metric0")
    return [*({"$match": match} for match in matches), *lookups]


def order_stages(order_by: list[dict[str, Any]] | None) -> list[Stage]:
    """Return the stages that sort models; missing values come last in both directions."""
    computed: dict[str, Any] = {}
    lookups: list[Stage] = []
    sort: dict[str, int] = {}
    for clause in order_by or []:
        name, direction = clause["field_name"], 1 if clause.get("ascending", True) else -1
        number = len(computed)
        if "." in name:
            lookups.append(_latest(name, clause, f"latest{number}"))
            value: Any = {"$first": f"$latest{number}.v"}
        else:
            value = f"${_order_attribute(name)}"
        computed[f"rank{number}"] = {"$cond": [{"$eq": [{"$ifNull": [value, None]}, None]}, 1, 0]}
        computed[f"value{number}"] = value
        sort |= {f"rank{number}": 1, f"value{number}": direction}
    names = {_ATTRIBUTES.get(clause["field_name"]) for clause in order_by or []}
    sort |= {} if "created" in names else {"created": -1}
    sort |= {} if "_id" in names else {"_id": 1}
    return [*lookups, *([{"$set": computed}] if computed else []), {"$sort": sort}]


def _measured(wanted: list[Condition], name: str) -> list[Stage]:
    """Keep the models that have a metric like this."""
    pipeline = [{"$match": {"$and": wanted}}, {"$limit": 1}, {"$project": {"_id": 1}}]
    lookup = {"from": "model_metrics", "localField": "_id", "foreignField": "model", "pipeline": pipeline, "as": name}
    return [{"$lookup": lookup}, {"$match": {f"{name}.0": {"$exists": True}}}, {"$unset": name}]


def _latest(field_name: str, clause: dict[str, Any], name: str) -> Stage:
    """Look up the latest point of a metric."""
    entity, key = field_name.split(".", 1)
    if entity != "metrics":
        raise invalid(f"Invalid order by field name: {field_name}. Only metrics are supported.")
    match = {"k": key}
    if clause.get("dataset_name"):
        match["dataset"] = clause["dataset_name"]
    if clause.get("dataset_digest"):
        match["digest"] = clause["dataset_digest"]
    pipeline = [{"$match": match}, {"$sort": {"ts": -1, "s": -1, "run": 1}}, {"$limit": 1}, {"$project": {"v": 1}}]
    return {
        "$lookup": {
            "from": "model_metrics",
            "localField": "_id",
            "foreignField": "model",
            "pipeline": pipeline,
            "as": name,
        }
    }


def _dataset(dataset: dict[str, Any]) -> Condition:
    condition = {"dataset": dataset["dataset_name"]}
    return {**condition, "digest": dataset["dataset_digest"]} if "dataset_digest" in dataset else condition


def _attribute(key: str) -> str:
    if key not in _ATTRIBUTES:
        raise invalid(f"Invalid attribute {key!r}. Expected one of {sorted(_ATTRIBUTES)}.")
    return _ATTRIBUTES[key]


def _order_attribute(name: str) -> str:
    if name not in _ATTRIBUTES:
        raise MlflowException.invalid_parameter_value(
            f"Invalid order by field name: {name}", error_class="ATTRIBUTE_NOT_FOUND"
        )
    return _ATTRIBUTES[name]
