"""The newest runs of a database, read without MLflow: its import alone takes longer than a list may."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from framework_mlflow_mongodb.keys import escape, unescaped
from framework_mlflow_mongodb.schema import VERSION
from framework_mlflow_mongodb.uri import BadUriError, StoreUri

Document = dict[str, Any]

PATIENCE_SECONDS = 3
_WORKSPACE = "default"
_ACTIVE = "active"
_ELSEWHERE = ("spilled", "history")
"""Marks of runs some of whose values stand in other collections."""

_FIELDS = dict.fromkeys(("exp", "name", "status", "start", "end", "mv", "mm", "p", "t", *_ELSEWHERE), 1)


def newest_runs(uri: str, *, experiments: Sequence[str], without_tag: str, most: int) -> list[Document] | None:
    """Return the newest active runs, or nothing where only the whole store can answer, or tell what is wrong.

    Args:
        uri: A ``mongodb://`` or ``mongodb+srv://`` URI.
        experiments: The names of their experiments; empty takes all active ones.
        without_tag: Experiments with this tag are left out, unless they are named.
        most: How many at most.

    Returns:
        For each run `run_id`, `name`, `experiment`, `status`, `start` and `end` in milliseconds since 1970, the
        latest `metrics` and their `steps`, `params` and `tags`.
    """
    if os.environ.get("MLFLOW_ENABLE_WORKSPACES", "false").lower() in ("true", "1"):
        return None
    try:
        checked = StoreUri.parse(uri)
        with _client(uri) as client, pymongo.timeout(PATIENCE_SECONDS):
            database = client[checked.database]
            schema = database["meta"].find_one({"_id": "schema"})
            if not schema or schema["version"] != VERSION:
                return None
            names = _experiments(database["experiments"], experiments, without_tag)
            return None if names is None else _newest(database["runs"], names, most)
    except (PyMongoError, BadUriError, ValueError, UserWarning):
        return None


def _client(uri: str) -> pymongo.MongoClient[Document]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # an option that does not exist, which the store refuses
        return pymongo.MongoClient(uri)


def _experiments(
    collection: pymongo.collection.Collection[Document], wanted: Sequence[str], without_tag: str
) -> dict[int, str] | None:
    """Return the names of experiments by key; None if one of those that are wanted is not there."""
    condition: Document = {"ws": _WORKSPACE, "life": _ACTIVE}
    condition |= {"name": {"$in": list(wanted)}} if wanted else {f"tags.{escape(without_tag)}": {"$exists": False}}
    names = {found["_id"]: found["name"] for found in collection.find(condition, {"name": 1})}
    return None if set(wanted) - set(names.values()) else names


def _newest(
    runs: pymongo.collection.Collection[Document], experiments: dict[int, str], most: int
) -> list[Document] | None:
    found = runs.find({"exp": {"$in": list(experiments)}, "life": _ACTIVE}, _FIELDS)
    documents = found.sort([("start", -1), ("_id", 1)]).limit(most).batch_size(most).to_list()
    if any(document.get(mark) for document in documents for mark in _ELSEWHERE):
        return None
    return [_row(document, experiments[document["exp"]]) for document in documents]


def _row(document: Document, experiment: str) -> Document:
    return {
        "run_id": document["_id"],
        "name": document["name"],
        "experiment": experiment,
        "status": document["status"],
        "start": document["start"],
        "end": document["end"],
        "metrics": unescaped(document["mv"]),
        "steps": {key: rank[0] for key, rank in unescaped(document["mm"]).items()},
        "params": unescaped(document["p"]),
        "tags": unescaped(document["t"]),
    }
