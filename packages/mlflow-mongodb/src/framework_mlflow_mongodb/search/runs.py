"""The filter and the order of a search for runs, parsed by MLflow and put into MongoDB's words."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.search_utils import SearchUtils

from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.marks import forms
from framework_mlflow_mongodb.search.conditions import Condition, comparison
from framework_mlflow_mongodb.search.paging import SortKey, values_of
from framework_mlflow_mongodb.search.parsing import parse_order_by

_ATTRIBUTES = {
    "run_id": "_id",
    "run_name": "name",
    "experiment_id": "exp",
    "user_id": "user",
    "status": "status",
    "start_time": "start",
    "end_time": "end",
    "lifecycle_stage": "life",
    "artifact_uri": "artifact_uri",
}
_NEVER_MISSING = {"_id", "start", "status", "exp", "life"}
_DEFAULT_ORDER = [SortKey("start", ascending=False, never_missing=True), SortKey("_id", never_missing=True)]


def condition(parsed: dict[str, Any]) -> Condition:
    """Return the condition of one comparison; a wrong one is MLflow's own error."""
    kind, comparator, value = parsed["type"], parsed["comparator"].upper(), parsed["value"]
    key = SearchUtils.translate_key_alias(parsed["key"])
    if _is_attribute(kind, key, comparator):
        # The name of a run is its tag, as for MLflow.
        stored = f"t.{escape(MLFLOW_RUN_NAME)}" if key == "run_name" else _ATTRIBUTES[key]
        is_number = key in SearchUtils.NUMERIC_ATTRIBUTES and isinstance(value, str)  # as MLflow before 3.17 has it
        return comparison(stored, comparator, float(value) if is_number else value)
    if SearchUtils.is_metric(kind, comparator):
        return comparison(f"mv.{escape(key)}", comparator, float(value))
    if SearchUtils.is_param(kind, comparator):
        return _text(f"p.{escape(key)}", comparator, value)
    if SearchUtils.is_tag(kind, comparator):
        return _text(f"t.{escape(key)}", comparator, value)
    if SearchUtils.is_dataset(kind, comparator):
        return {"in": {"$elemMatch": comparison(key, comparator, value)}}
    raise invalid(f"Invalid search expression type '{kind}'")


def _text(stored: str, comparator: str, value: Any) -> Condition:
    """Compare a parameter or a tag, also one that had to move out of its run."""
    alternatives = {"=": "IN", "!=": "NOT IN"}
    if comparator in alternatives and len(forms(value)) > 1:
        return comparison(stored, alternatives[comparator], forms(value))
    return comparison(stored, comparator, value)


def _is_attribute(kind: str, key: str, comparator: str) -> bool:
    return bool(
        SearchUtils.is_string_attribute(kind, key, comparator)
        or SearchUtils.is_numeric_attribute(kind, key, comparator)
    )


@dataclass
class Order:
    """The order of a search.

    Args:
        keys: What is sorted by.
        computed: Those of the keys that are no fields of a run but made from them. MongoDB puts NaN before numbers
            and missing values before NaN; MLflow wants both at the end in either direction, so a rank goes first.
        indexed: The field that is sorted by first, where an index holds it, with the least value it may have.
    """

    keys: list[SortKey] = field(default_factory=list)
    computed: dict[str, Any] = field(default_factory=dict)
    indexed: tuple[str, float | str] | None = None

    @classmethod
    def parse(cls, order_by: list[str] | None) -> Order:
        """Read `order_by`; a wrong one is MLflow's own error."""
        order, seen = cls(), set()
        for clause in order_by or []:
            kind, key, ascending = parse_order_by(clause)
            key = SearchUtils.translate_key_alias(key)
            order._add(kind, key, ascending)
            if (kind, key) in seen:
                raise MlflowException(f"`order_by` contains duplicate fields: {order_by}")
            seen.add((kind, key))
        known = {key.field for key in order.keys}
        order.keys += [key for key in _DEFAULT_ORDER if key.field not in known]
        return order

    def _add(self, kind: str, key: str, ascending: bool) -> None:
        if _is_attribute(kind, key, "="):
            stored = _ATTRIBUTES[key]
            if stored in _NEVER_MISSING:
                self.keys.append(SortKey(stored, ascending, never_missing=True))
            else:
                self._add_ranked(stored, ascending)
        elif SearchUtils.is_metric(kind, "="):
            self._add_ranked(f"mv.{escape(key)}", ascending, -math.inf)
        elif SearchUtils.is_tag(kind, "="):
            self._add_ranked(f"t.{escape(key)}", ascending, "")
        elif SearchUtils.is_param(kind, "="):
            self._add_ranked(f"p.{escape(key)}", ascending, "")
        else:
            raise invalid(f"Invalid identifier type '{kind}'")

    def _add_ranked(self, stored: str, ascending: bool, least: float | str | None = None) -> None:
        number, value = len(self.keys), f"${stored}"
        if not self.keys and least is not None:
            self.indexed = stored, least
        rank, name = f"rank{number}", f"value{number}"
        missing, is_nan = {"$eq": [{"$ifNull": [value, None]}, None]}, {"$eq": [value, math.nan]}
        self.computed[rank] = {"$cond": [missing, 2, {"$cond": [is_nan, 1, 0]}]}
        self.computed[name] = {"$cond": [{"$or": [missing, is_nan]}, None, value]}
        self.keys += [SortKey(rank, never_missing=True), SortKey(name, ascending)]

    @property
    def projection(self) -> dict[str, Any]:
        """The fields that sorting needs."""
        return {**{key.field: 1 for key in self.keys}, **self.computed}

    @property
    def is_of_one_field(self) -> bool:
        """Whether runs are sorted by one computed key, and equal ones as always."""
        return self.keys[2:] == _DEFAULT_ORDER

    def values_of(self, row: dict[str, Any]) -> list[Any]:
        """Return the sort values of a row, or those of a whole run that an index has found."""
        if self.indexed is None or self.keys[0].field in row:
            return values_of(row, self.keys)
        return [0, *values_of(row, [SortKey(self.indexed[0])]), *values_of(row, self.keys[2:])]

    def sorted(self, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return runs that an index has sorted by the one field with equal ones sorted too."""
        found: list[dict[str, Any]] = []
        for _, equal in itertools.groupby(runs, key=lambda run: self.values_of(run)[1]):
            found += sorted(equal, key=lambda run: (-run["start"], run["_id"]))
        return found
