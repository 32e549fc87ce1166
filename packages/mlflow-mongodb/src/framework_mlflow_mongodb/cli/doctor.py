"""What a database is, what is wrong with it, and the command that mends it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from framework_mlflow_mongodb import schema
from framework_mlflow_mongodb.connection import Connection, open_connection
from framework_mlflow_mongodb.errors import translate

_OLDEST_SERVER = (4, 4)


@dataclass
class Problem:
    """One thing that is wrong, and what to type."""

    what: str
    remedy: str


@dataclass
class Report:
    """What `doctor` found."""

    uri: str
    server: str
    topology: str
    schema_version: int | None
    collections: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def as_json(self) -> str:
        """The report for a script."""
        return json.dumps(asdict(self))


def examine(uri: str) -> Report:
    """Look at the database of `uri` without changing it."""
    with closing(open_connection(uri)) as connection:
        try:
            return _examine(connection)
        except PyMongoError as error:
            raise translate(error, connection.uri) from None


def _examine(connection: Connection) -> Report:
    database = connection.database
    found = database["meta"].find_one({"_id": "schema"})
    report = Report(
        uri=str(connection.uri),
        server=connection.client.server_info()["version"],
        topology=connection.topology,
        schema_version=found["version"] if found else None,
    )
    report.problems += [*_server_problems(connection, report), *_schema_problems(connection, report)]
    for name in sorted(database.list_collection_names()):
        if not name.startswith("system."):
            report.collections[name] = _size(connection, name)
    return report


def _server_problems(connection: Connection, report: Report) -> list[Problem]:
    problems = []
    if connection.topology == "standalone":
        problems.append(
            Problem(
                "The server is standalone: no transactions, no live updates; a batch that is cut off may be logged "
                "in part.",
                "Start it with --replSet rs0, then once: mongosh --eval 'rs.initiate()'",
            )
        )
    if tuple(map(int, report.server.split(".")[:2])) < _OLDEST_SERVER:
        problems.append(Problem(f"MongoDB {report.server} is too old.", "Upgrade it to 4.4 or newer."))
    if not _may_write(connection):
        problems.append(
            Problem(
                f"The user may not write to '{connection.uri.database}'.",
                f"db.getSiblingDB('admin').grantRolesToUser('USER', [{{role: 'readWrite', db: "
                f"'{connection.uri.database}'}}])",
            )
        )
    return problems


def _may_write(connection: Connection) -> bool:
    try:
        # Deletes nothing: it only asks whether a delete is allowed.
        connection.database["meta"].delete_one({"_id": "nothing has this id"})
    except OperationFailure as error:
        if error.code == 13:
            return False
        raise
    return True


def _schema_problems(connection: Connection, report: Report) -> list[Problem]:
    mend = f"framework-mlflow-mongodb migrate '{connection.uri}'"
    if report.schema_version is None:
        return [Problem(f"The database '{connection.uri.database}' holds no MLflow data yet.", mend)]
    if report.schema_version > schema.VERSION:
        return [
            Problem(
                f"Schema version {report.schema_version} is newer than {schema.VERSION}, which this program knows.",
                "pip install -U framework-mlflow-mongodb",
            )
        ]
    problems = []
    if report.schema_version < schema.VERSION:
        problems.append(Problem(f"Schema version {report.schema_version} is older than {schema.VERSION}.", mend))
    if missing := schema.missing_indexes(connection.database):
        problems.append(Problem(f"Indexes are missing: {', '.join(missing)}.", mend))
    return problems


def _size(connection: Connection, collection: str) -> dict[str, int]:
    stats: dict[str, Any] = connection.database.command("collStats", collection)
    return {
        "documents": int(stats["count"]),
        "bytes": int(stats["size"]),
        "bytes_on_disk": int(stats["storageSize"]),
        "bytes_of_indexes": int(stats["totalIndexSize"]),
    }


def show(report: Report) -> str:
    """The report for a reader."""
    lines = [
        f"database  {report.uri}",
        f"server    MongoDB {report.server}, {report.topology}",
        f"schema    version {report.schema_version if report.schema_version is not None else '- (empty database)'}",
        "",
        f"{'collection':24}{'documents':>12}{'MB':>10}{'on disk':>10}{'indexes':>10}",
    ]
    for name, size in report.collections.items():
        megabytes = [f"{size[key] / 1e6:10.2f}" for key in ("bytes", "bytes_on_disk", "bytes_of_indexes")]
        lines.append(f"{name:24}{size['documents']:12}{''.join(megabytes)}")
    lines.append("")
    for problem in report.problems:
        lines += [f"problem   {problem.what}", f"  to mend {problem.remedy}"]
    return "\n".join([*lines, *([] if report.problems else ["Nothing is wrong."])])
