"""An older database brought to the schema of this version, one version at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from framework_mlflow_mongodb import schema
from framework_mlflow_mongodb.connection import open_connection
from framework_mlflow_mongodb.errors import translate


@dataclass(frozen=True)
class Step:
    """What changes from one version of the schema to the next.

    Args:
        what: The change in words.
        apply: Makes it; must be able to run again after a stop in the middle.
    """

    what: str
    apply: Callable[[Database[dict[str, Any]]], None]


# From version N to N + 1.
STEPS: dict[int, Step] = {}


def migrate(uri: str, *, dry_run: bool) -> list[str]:
    """Bring the database of `uri` to the schema of this version; return what was done, or would be.

    Raises:
        MlflowException: The database is newer than this program, or cannot be reached.
    """
    with closing(open_connection(uri)) as connection:
        try:
            return _migrate(connection.database, dry_run=dry_run)
        except PyMongoError as error:
            raise translate(error, connection.uri) from None


def _migrate(database: Database[dict[str, Any]], *, dry_run: bool) -> list[str]:
    found = database["meta"].find_one({"_id": "schema"})
    version = found["version"] if found else schema.VERSION
    if version > schema.VERSION:
        schema.check_version(version, database.name)
    would = "would " if dry_run else ""
    done = []
    for number in range(version, schema.VERSION):
        done.append(f"{would}migrate from {number} to {number + 1}: {STEPS[number].what}")
        if not dry_run:
            STEPS[number].apply(database)
            database["meta"].update_one({"_id": "schema"}, {"$set": {"version": number + 1}})
    if found is None:
        done.append(f"{would}write schema version {schema.VERSION}")
    done += [f"{would}make index {name}" for name in schema.missing_indexes(database)]
    if not dry_run:
        schema.create_indexes(database)
        schema.prepare(database)
    return done or [f"The database '{database.name}' has schema version {schema.VERSION} and every index."]
