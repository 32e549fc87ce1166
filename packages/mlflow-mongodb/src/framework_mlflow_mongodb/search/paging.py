"""Pages in a sorted collection: the next one starts after the last row, however far down it is."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from mlflow.utils.search_utils import SearchUtils

from framework_mlflow_mongodb.search.conditions import Condition


@dataclass(frozen=True)
class SortKey:
    """A field that a search is sorted by; the last one of a search must be unique.

    Args:
        field: Its name.
        ascending: Its direction.
        never_missing: Whether every row has a value; a page can then start inside an index.
    """

    field: str
    ascending: bool = True
    never_missing: bool = False

    @property
    def direction(self) -> int:
        """The direction as MongoDB names it."""
        return 1 if self.ascending else -1


@dataclass(frozen=True)
class Page:
    """Where a page starts: after the row with these sort values, or `offset` rows from the start."""

    offset: int = 0
    after: tuple[Any, ...] | None = None

    @classmethod
    def parse(cls, token: str | bytes | None) -> Page:
        """Read a page token; a wrong one is MLflow's own error."""
        offset: int = SearchUtils.parse_start_offset_from_page_token(token)
        if not token:
            return cls()
        after = json.loads(base64.b64decode(token)).get("after")
        return cls(offset, tuple(after) if isinstance(after, list) else None)

    def token(self, rows: int, after: list[Any]) -> str:
        """Return the token of the page that follows this one of `rows` rows."""
        body = {"offset": self.offset + rows, "after": after}
        return base64.b64encode(json.dumps(body).encode()).decode()

    def start(self, keys: list[SortKey]) -> tuple[Condition, int]:
        """Return the condition of the rows from this page on, and how many of those to skip."""
        if self.after is not None and len(self.after) == len(keys):
            return rows_after(keys, self.after), 0
        return {}, self.offset

    def stages(self, keys: list[SortKey], limit: int | None) -> list[dict[str, Any]]:
        """Return the stages that sort by `keys`, go to this page and take one row more than `limit`."""
        condition, skipped = self.start(keys)
        stages: list[dict[str, Any]] = [{"$match": condition}] if condition else []
        stages.append({"$sort": {key.field: key.direction for key in keys}})
        if skipped:
            stages.append({"$skip": skipped})
        if limit is not None:
            stages.append({"$limit": limit + 1})
        return stages


def rows_after(keys: list[SortKey], values: tuple[Any, ...]) -> Condition:
    """Return the condition of the rows that come after one with `values` in the order of `keys`.

    Missing values come first upwards and last downwards, as MongoDB sorts them.
    """
    choices: list[Condition] = []
    same: Condition = {}
    for key, value in zip(keys, values, strict=True):
        choices += [{**same, key.field: further} for further in _further(key, value)]
        same = {**same, key.field: value}
    condition: Condition = {"$or": choices}
    if keys[0].never_missing:
        condition[keys[0].field] = {"$gte" if keys[0].ascending else "$lte": values[0]}
    return condition


def _further(key: SortKey, value: Any) -> list[Any]:
    if value is None:
        return [{"$ne": None}] if key.ascending else []
    if key.ascending:
        return [{"$gt": value}]
    return [{"$lt": value}] if key.never_missing else [{"$lt": value}, None]


def values_of(row: dict[str, Any], keys: list[SortKey]) -> list[Any]:
    """Return the sort values of `row`."""
    found = []
    for key in keys:
        value: Any = row
        for part in key.field.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        found.append(value)
    return found
