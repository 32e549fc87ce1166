"""One comparison of MLflow's filter grammar as a condition of MongoDB, with the semantics of the SQL stores."""

from __future__ import annotations

import re
from typing import Any

from framework_mlflow_mongodb.errors import invalid

Condition = dict[str, Any]

_RANGES = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
NOTHING: Condition = {"_id": {"$in": []}}


def comparison(field: str, comparator: str, value: Any) -> Condition:
    """Return the condition that `field` compares so with `value`; a missing field never does, as NULL in SQL."""
    comparator = comparator.upper()
    if comparator in _RANGES:
        return {field: {_RANGES[comparator]: value}}
    if comparator == "=":
        return {field: {"$eq": value}}
    if comparator == "!=":
        return {field: {"$nin": [value, None]}}
    if comparator == "IN":
        return {field: {"$in": list(value)}}
    if comparator == "NOT IN":
        return {field: {"$nin": [*value, None]}}
    if comparator == "LIKE":
        return {field: {"$regex": like(value), "$options": "s"}}
    if comparator == "ILIKE":
        return {field: {"$regex": like(value), "$options": "si"}}
    if comparator == "RLIKE":
        return {field: {"$regex": value}}
    if comparator == "IS NULL":
        return {field: None}
    if comparator == "IS NOT NULL":
        return {field: {"$ne": None}}
    raise invalid(f"Invalid comparator '{comparator}'")


def like(pattern: str) -> str:
    """Return SQL's LIKE `pattern` as a regular expression, anchored where it does not begin or end with `%`."""
    parts = {"%": ".*", "_": "."}
    body = "".join(parts.get(character) or re.escape(character) for character in pattern)
    # Alone, `$` would allow a line break after the end.
    start, end = "^", r"$(?!\n)"
    if body.startswith(".*"):
        start, body = "", body[2:]
    if body.endswith(".*"):
        end, body = "", body[:-2]
    return f"{start}{body}{end}"


def all_of(conditions: list[Condition]) -> Condition:
    """Return the condition that all `conditions` hold."""
    return {"$and": conditions} if conditions else {}
