"""The areas of MLflow that this store does not have: each of their methods says so, instead of an inner error."""

from __future__ import annotations

import inspect
import re
from typing import Any, TypeVar

from mlflow.store.tracking.abstract_store import AbstractStore

from framework_mlflow_mongodb.errors import unsupported

Store = TypeVar("Store", bound=type[Any])

# What is missing, and which of MLflow's methods belong to it. The README has the same table.
MISSING_AREAS = {
    "review queues": r"review_queue|user_queue",
    "the registry of MCP servers": r"(^|_)mcp_",
    "the registry of skills": r"(^|_)skills?(_|$)",
    "the archive of traces": r"archive_traces",
}


def missing_area(method: str) -> str | None:
    """Name the missing area that a method of MLflow's tracking store belongs to."""
    return next((area for area, pattern in MISSING_AREAS.items() if re.search(pattern, method)), None)


def answers_what_is_missing(store: Store) -> Store:
    """Give `store` the methods of missing areas, which raise MLflow's error 'not implemented' (501)."""
    for name, default in inspect.getmembers(AbstractStore, inspect.isfunction):
        area = missing_area(name)
        if area and not name.startswith("_") and getattr(store, name) is default:
            setattr(store, name, _refusal(name, area))
    return store


def _refusal(name: str, area: str) -> Any:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise unsupported(area)

    refuse.__name__ = name
    refuse.__doc__ = f"Refuse: this store does not have {area}."
    return refuse
