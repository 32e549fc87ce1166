"""MLflow's filters and orders for traces as conditions on documents of traces and of spans."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.tracing.constant import TraceMetadataKey, TraceTagKey
from mlflow.utils.search_utils import SearchTraceUtils

from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.search.conditions import NOTHING, Condition, all_of, comparison
from framework_mlflow_mongodb.search.paging import SortKey
from framework_mlflow_mongodb.tracking.trace_documents import (
    COST_KEYS,
    TOKEN_KEYS,
    costs,
    json_object,
    ordered_json,
    overlaid,
    token_counts,
)

Clause = dict[str, Any]
# Answers which sessions have an assessment that fulfils a condition.
SessionsWith = Callable[[Condition], list[str]]

_FIELDS = {
    "request_id": "_id",
    "experiment_id": "exp",
    "timestamp_ms": "ts",
    "execution_time_ms": "duration",
    "status": "state",
    "client_request_id": "client",
}
_NEVER_MISSING = ("_id", "exp", "ts", "state")
_END = {"$add": ["$ts", {"$ifNull": ["$duration", 0]}]}
_END_KEYS = ("end_time_ms", "end_time")
_EXPRESSIONS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", "=": "$eq", "!=": "$ne"}
_PRESENCE = {"IS NULL": False, "IS NOT NULL": True}
_ANALYTICS: dict[str, tuple[str, tuple[str, ...], Callable[[Any], Mapping[str, Any]]]] = {
    TraceMetadataKey.TOKEN_USAGE: ("tokens", TOKEN_KEYS, token_counts),
    TraceMetadataKey.COST: ("cost", COST_KEYS, costs),
}
# Clocks of the machines that make one trace may differ so much.
_CLOCK_SKEW_MS = 10_000


@dataclass(frozen=True)
class SpanCondition:
    """What one span of a trace must fulfil.

    Args:
        fields: Conditions on its fields.
        content: Conditions on the text of its content: regular expressions with their options.
    """

    fields: list[Condition]
    content: list[tuple[str, str]]

    def on_server(self) -> Condition:
        """Return it as a condition that the server can check: contents kept in parts never fulfil it."""
        texts = [{"content": {"$regex": pattern, "$options": options}} for pattern, options in self.content]
        return all_of([*self.fields, *texts])

    def fits(self, content: str) -> bool:
        """Whether a content that the server cannot search fulfils it."""
        flags = {"s": re.DOTALL, "i": re.IGNORECASE}
        return all(
            re.search(pattern, content, sum(flags[option] for option in options)) for pattern, options in self.content
        )


@dataclass
class TraceCondition:
    """What a trace must fulfil.

    Args:
        fields: Conditions on its fields.
        spans: Conditions of which each must be fulfilled by some span.
    """

    fields: list[Condition] = field(default_factory=list)
    spans: list[SpanCondition] = field(default_factory=list)

    def __add__(self, other: TraceCondition) -> TraceCondition:
        return TraceCondition(self.fields + other.fields, self.spans + other.spans)

    @classmethod
    def parse(cls, filter_string: str | None, sessions_with: SessionsWith) -> TraceCondition:
        """Read a filter with MLflow's own parser, so that its errors are MLflow's."""
        found, span = cls(), SpanCondition([], [])
        earliest: list[float] = []
        for clause in SearchTraceUtils.parse_search_filter_for_search_traces(filter_string):
            clause["comparator"] = clause["comparator"].upper()
            kind, key, comparator = clause["type"], clause["key"], clause["comparator"]
            if SearchTraceUtils.is_issue(kind, key, comparator):
                found.fields.append({"assessments.issue": clause["value"]})
            elif SearchTraceUtils.is_attribute(kind, key, comparator):
                found.fields.append(_attribute(clause))
                if key == "timestamp_ms" and comparator in (">", ">="):
                    earliest.append(clause["value"])
            elif SearchTraceUtils.is_tag(kind, comparator):
                found.fields.append(_tag(clause))
            elif SearchTraceUtils.is_request_metadata(kind, comparator):
                found.fields.append(_metadata(clause))
            elif SearchTraceUtils.is_span(kind, key, comparator):
                _add_span_clause(span, clause)
            elif SearchTraceUtils.is_assessment(kind, key, comparator):
                found.fields.append(_assessment(clause, sessions_with))
            else:
                raise invalid(f"Invalid search expression type '{kind}'")
        if span.fields or span.content:
            bounds = [{"start": {"$gte": int((bound - _CLOCK_SKEW_MS) * 1_000_000)}} for bound in earliest]
            found.spans.append(SpanCondition([*bounds, *span.fields], span.content))
        return found


def _attribute(clause: Clause) -> Condition:
    key, comparator, value = clause["key"], clause["comparator"], clause["value"]
    if key in SearchTraceUtils.NUMERIC_ATTRIBUTES and isinstance(value, str):
        try:
            value = clause["value"] = float(value)
        except ValueError:
            raise invalid(f"Invalid value for numeric attribute '{key}': {value!r}") from None
    if key in _END_KEYS:
        return {"$expr": {_EXPRESSIONS[comparator]: [_END, value]}}
    return comparison(_FIELDS[key], comparator, value)


def _presence(path: str, comparator: str) -> Condition:
    return {path: {"$exists": _PRESENCE[comparator]}}


def _tag(clause: Clause) -> Condition:
    key, comparator, value = clause["key"], clause["comparator"], clause["value"]
    if key == TraceTagKey.TRACE_NAME:
        return comparison("name", comparator, value)
    if key == TraceTagKey.LINKED_PROMPTS:
        return _prompt(comparator, value)
    path = f"tags.{escape(key)}"
    return _presence(path, comparator) if comparator in _PRESENCE else comparison(path, comparator, value)


def _prompt(comparator: str, value: str) -> Condition:
    if comparator != "=":
        raise invalid(
            f"Invalid comparator '{comparator}' for prompts filter. "
            "Only '=' is supported with format: prompt = \"name/version\""
        )
    if value.count("/") != 1:
        raise invalid(f"Invalid prompts filter value '{value}'. Expected format: prompt = \"name/version\"")
    return {"prompts": value}


def _metadata(clause: Clause) -> Condition:
    key, comparator, value = clause["key"], clause["comparator"], clause["value"]
    if key == TraceMetadataKey.TRACE_SESSION:
        return comparison("session", comparator, value)
    if key in _ANALYTICS:
        return analytics_condition(key, comparator, value)
    path = f"md.{escape(key)}"
    if key == TraceMetadataKey.SOURCE_RUN and comparator == "=":
        return of_run(value)
    return _presence(path, comparator) if comparator in _PRESENCE else comparison(path, comparator, value)


def of_run(run_id: str) -> Condition:
    """Return the condition that a trace was made by a run or linked to it."""
    return {"$or": [{"runs": run_id}, {f"md.{escape(TraceMetadataKey.SOURCE_RUN)}": run_id}]}


def analytics_condition(key: str, comparator: str, value: str | None) -> Condition:
    """Return the condition on metadata that is kept as numbers: only the exact text of MLflow is equal to it."""
    field_name, keys, read = _ANALYTICS[key]
    present: Condition = {field_name: {"$ne": {}}}
    if comparator in _PRESENCE:
        return present if _PRESENCE[comparator] else {field_name: {}}
    if comparator not in ("=", "!="):
        raise invalid(
            f"Comparator '{comparator}' is not supported for reserved metadata '{key}'. "
            "Only '=', '!=', 'IS NULL', and 'IS NOT NULL' are supported."
        )
    given = json_object(value)
    numbers = overlaid({}, read(given)) if set(given) <= set(keys) else {}
    equal = NOTHING
    if numbers and ordered_json(numbers, keys) == value:
        equal = all_of([{f"{field_name}.{name}": numbers.get(name)} for name in keys])
    return equal if comparator == "=" else all_of([present, {"$nor": [equal]}])


def _add_span_clause(span: SpanCondition, clause: Clause) -> None:
    key, comparator, value = clause["key"], clause["comparator"], clause["value"]
    if not key.startswith("attributes.") and key != SearchTraceUtils._SPAN_CONTENT_KEY:
        span.fields.append(comparison(key, comparator, value))
        return
    if key.startswith("attributes."):
        name = SearchTraceUtils._trim_backticks(key[len("attributes.") :])
        value = _attribute_pattern(name, comparator, value)
    if comparator in ("LIKE", "ILIKE", "RLIKE"):
        found = comparison("content", comparator, value)["content"]
        span.content.append((found["$regex"], found.get("$options", "")))
    else:  # MLflow compares the whole content with a pattern, which is never equal
        span.fields.append(NOTHING if comparator == "=" else {})


def _attribute_pattern(name: str, comparator: str, value: Any) -> str:
    """Return the pattern of an attribute in the JSON of a span, where its value is JSON once more."""
    if not isinstance(value, str):
        raise invalid(f"span.attributes.{name} cannot be compared with a list.")
    if comparator != "RLIKE":
        return f'%"{name}"{value}%'
    start = '"\\\\"' if value.startswith("^") else '"\\\\".*'
    end = '\\\\"' if value.endswith("$") else ""
    return f'"{name}": {start}{value.removeprefix("^").removesuffix("$")}{end}'


def _assessment(clause: Clause, sessions_with: SessionsWith) -> Condition:
    comparator, value = clause["comparator"], clause["value"]
    wanted = {"type": clause["type"], "name": clause["key"], "valid": True}
    if comparator in _EXPRESSIONS and comparator not in ("=", "!="):
        wanted |= {"is_number": True, "number": {_EXPRESSIONS[comparator]: value}}
    elif comparator in ("=", "!="):  # a text stands in quotes in JSON, a number or a boolean does not
        wanted["value"] = {"$in" if comparator == "=" else "$nin": [value, json.dumps(value)]}
    elif comparator not in _PRESENCE:
        wanted |= comparison("value", comparator, value)
    sessions = sessions_with({**wanted, "of_session": True})
    found: list[Condition] = [{"assessments": {"$elemMatch": wanted}}]
    if sessions:
        found.append({"session": {"$in": sessions}})
    return {"$nor": found} if comparator == "IS NULL" else {"$or": found}


@dataclass(frozen=True)
class TraceOrder:
    """The order of a search.

    Args:
        keys: What is sorted by.
        computed: Fields that must be computed before.
    """

    keys: list[SortKey]
    computed: dict[str, Any]

    @classmethod
    def parse(cls, order_by: list[str] | None) -> TraceOrder:
        """Read the order; traces without a value come last, equal ones newest first."""
        keys: list[SortKey] = []
        computed: dict[str, Any] = {}
        seen: list[str] = []
        for number, clause in enumerate(order_by or []):
            kind, key, ascending = SearchTraceUtils.parse_order_by_for_search_traces(clause)
            path = _order_path(kind, key)
            if path in seen:
                raise MlflowException(f"`order_by` contains duplicate fields: {order_by}")
            seen.append(path)
            if path in _NEVER_MISSING:
                keys.append(SortKey(path, ascending, never_missing=True))
                continue
            if path in _END_KEYS:
                path = computed_path = f"end{number}"
                computed[computed_path] = _END
            computed[f"missing{number}"] = {"$cond": [{"$eq": [{"$ifNull": [f"${path}", None]}, None]}, 1, 0]}
            keys += [SortKey(f"missing{number}", never_missing=True), SortKey(path, ascending)]
        keys += [
            SortKey(path, ascending, never_missing=True)
            for path, ascending in (("ts", False), ("_id", True))
            if path not in seen
        ]
        return cls(keys, computed)


def _order_path(kind: str, key: str) -> str:
    if kind == "attribute":
        return _FIELDS.get(key, key)
    if SearchTraceUtils.is_request_metadata(kind, "="):
        if key in _ANALYTICS:
            raise invalid(
                f"Ordering by reserved metadata '{key}' is not supported because it is represented by multiple columns."
            )
        return "session" if key == TraceMetadataKey.TRACE_SESSION else f"md.{escape(key)}"
    if SearchTraceUtils.is_tag(kind, "="):
        return "name" if key == TraceTagKey.TRACE_NAME else f"tags.{escape(key)}"
    raise MlflowException(f"Invalid identifier type '{kind}'", INVALID_PARAMETER_VALUE)
