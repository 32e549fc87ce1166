"""The collections with their indexes, and the version of their layout that a database carries."""

from __future__ import annotations

import time
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database

VERSION = 1

_UP, _DOWN = ASCENDING, DESCENDING


def _index(*keys: tuple[str, int], **options: Any) -> IndexModel:
    return IndexModel(list(keys), **options)


# Wildcard indexes hold the values of all keys of a map in one index. Compound ones would need MongoDB 7.0.
INDEXES: dict[str, list[IndexModel]] = {
    "experiments": [
        _index(("ws", _UP), ("name", _UP), unique=True),
        _index(("ws", _UP), ("life", _UP), ("updated", _DOWN), ("_id", _UP)),
        _index(("tags.$**", _UP)),
    ],
    "runs": [
        _index(("exp", _UP), ("life", _UP), ("start", _DOWN), ("_id", _UP)),
        _index(("exp", _UP), ("life", _UP), ("status", _UP)),
        _index(("life", _UP), ("deleted", _UP), partialFilterExpression={"life": "deleted"}),
        _index(("in.name", _UP), ("in.digest", _UP)),
        _index(("mv.$**", _UP)),
        _index(("p.$**", _UP)),
        _index(("t.$**", _UP)),
    ],
    "overflow": [_index(("r", _UP))],
    "registry_history": [_index(("r", _UP))],
    "points": [_index(("r", _UP), ("k", _UP), ("lo", _UP))],
    "datasets": [_index(("exp", _UP), ("name", _UP), ("digest", _UP), unique=True)],
    "logged_models": [
        _index(("exp", _UP), ("life", _UP), ("created", _DOWN), ("_id", _UP)),
        _index(("run", _UP)),
        _index(("exp", _UP), ("name", _UP)),
        _index(("p.$**", _UP)),
        _index(("t.$**", _UP)),
    ],
    "model_metrics": [_index(("model", _UP), ("k", _UP), ("ts", _DOWN), ("s", _DOWN)), _index(("run", _UP))],
    "registered_models": [
        _index(("ws", _UP), ("name", _UP), unique=True),
        _index(("ws", _UP), ("updated", _DOWN), ("name", _UP)),
        _index(("tags.$**", _UP)),
    ],
    "model_versions": [
        _index(("ws", _UP), ("name", _UP), ("version", _DOWN), unique=True),
        _index(("ws", _UP), ("stage", _UP), ("name", _UP), ("version", _DOWN)),
        _index(("ws", _UP), ("updated", _DOWN), ("name", _UP), ("version", _DOWN)),
        _index(("run_id", _UP)),
        # Names of prompts, which a search for models leaves out.
        _index(("ws", _UP), ("tags.mlflow%2Eprompt%2Eis_prompt", _UP), ("name", _UP)),
        _index(("tags.$**", _UP)),
    ],
    "webhooks": [_index(("ws", _UP), ("deleted", _UP), ("created", _DOWN), ("_id", _UP))],
    "traces": [
        _index(("exp", _UP), ("ts", _DOWN), ("_id", _UP)),
        _index(("exp", _UP), ("session", _UP), ("ts", _UP)),
        _index(("client", _UP), partialFilterExpression={"client": {"$type": "string"}}),
        _index(("runs", _UP), sparse=True),
        _index(("prompts", _UP), sparse=True),
        _index(("md.mlflow%2EsourceRun", _UP), sparse=True),
        _index(("md.mlflow%2Egateway%2EendpointId", _UP), ("ts", _UP), sparse=True),
        _index(("assessments.name", _UP), sparse=True),
        _index(("assessments.issue", _UP), sparse=True),
        _index(("assessments.source_run", _UP), sparse=True),
        _index(("tags.$**", _UP)),
    ],
    "trace_links": [_index(("trace", _UP), ("run", _UP), ("ws", _UP), unique=True)],
    "spans": [
        _index(("trace", _UP), ("start", _UP)),
        _index(("exp", _UP), ("trace_ts", _DOWN)),
        _index(("exp", _UP), ("name", _UP)),
        _index(("exp", _UP), ("parts.n", _UP), partialFilterExpression={"parts.n": {"$exists": True}}),
    ],
    "span_parts": [_index(("trace", _UP))],
    "eval_datasets": [_index(("ws", _UP), ("created", _DOWN), ("_id", _DOWN)), _index(("experiments", _UP))],
    "eval_records": [
        _index(("dataset", _UP), ("hash", _UP), unique=True),
        _index(("dataset", _UP), ("created", _UP), ("_id", _UP)),
    ],
    "scorers": [_index(("exp", _UP), ("name", _UP), unique=True)],
    "scorer_versions": [_index(("scorer", _UP), ("version", _DOWN), unique=True)],
    "issues": [_index(("exp", _UP), ("created", _DOWN)), _index(("run", _UP), sparse=True)],
    "label_schemas": [_index(("exp", _UP), ("name", _UP), unique=True)],
    "gateway_secrets": [_index(("ws", _UP), ("name", _UP), unique=True)],
    "gateway_models": [_index(("ws", _UP), ("name", _UP), unique=True), _index(("secret", _UP))],
    "gateway_endpoints": [
        _index(("ws", _UP), ("name", _UP), unique=True),
        _index(("models.model", _UP)),
        _index(("bindings.resource", _UP)),
        _index(("guardrails.id", _UP)),
        _index(("exp", _UP)),
    ],
    "gateway_budgets": [_index(("ws", _UP), ("_id", _UP))],
    "gateway_guardrails": [_index(("ws", _UP), ("_id", _UP)), _index(("endpoint", _UP))],
    "artifacts.files": [_index(("filename", _UP), ("uploadDate", _UP))],
    "artifacts.chunks": [_index(("files_id", _UP), ("n", _UP), unique=True)],
}


def prepare(database: Database[dict[str, Any]]) -> None:
    """Check the version of the schema; make the indexes of a database that has none yet.

    Several starters may do this at the same time: the server builds each index once.

    Raises:
        MlflowException: The database was written by a newer or an older version of this package.
    """
    found = database["meta"].find_one({"_id": "schema"})
    if found is None:
        create_indexes(database)
        database["meta"].update_one(
            {"_id": "schema"},
            {"$setOnInsert": {"version": VERSION, "created": int(time.time() * 1000), "indexes": _fingerprint()}},
            upsert=True,
        )
        return
    check_version(found["version"], database.name)
    if found.get("indexes") != _fingerprint():
        create_indexes(database)
        database["meta"].update_one({"_id": "schema"}, {"$set": {"indexes": _fingerprint()}})


def check_version(version: int, database: str) -> None:
    """Refuse a schema that this package cannot work on."""
    if version == VERSION:
        return
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_STATE

    if version > VERSION:
        raise MlflowException(
            f"The database '{database}' has schema version {version}; this framework-mlflow-mongodb knows {VERSION}. "
            f"Upgrade it: pip install -U framework-mlflow-mongodb",
            INVALID_STATE,
        )
    raise MlflowException(
        f"The database '{database}' has schema version {version}, older than {VERSION}. Back it up, then run: "
        f"framework-mlflow-mongodb migrate URI",
        INVALID_STATE,
    )


def create_indexes(database: Database[dict[str, Any]]) -> None:
    """Make every index that is missing; existing ones cost nothing."""
    for collection, indexes in INDEXES.items():
        database[collection].create_indexes(indexes)


def missing_indexes(database: Database[dict[str, Any]]) -> list[str]:
    """Name the indexes that should be there and are not, as `collection.index`."""
    missing = []
    for collection, indexes in INDEXES.items():
        present = set(database[collection].index_information())
        missing += [f"{collection}.{i.document['name']}" for i in indexes if i.document["name"] not in present]
    return missing


def _fingerprint() -> str:
    return ";".join(f"{name}:{','.join(i.document['name'] for i in indexes)}" for name, indexes in INDEXES.items())
