"""One thing copied: written unless it is there, compared with its source, and remembered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mlflow.exceptions import MlflowException
from pymongo.database import Database

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.transfer import content

# What has no place in this copy: SOURCE keeps it.
NOT_COPIED = "the setting of the gateway; scorers, issues and label schemas of deleted experiments"

_NOT_THERE = ("NOT_IMPLEMENTED", "FEATURE_DISABLED")


@dataclass
class Report:
    """What was copied, and what differs from its source."""

    source: str
    target: str
    copied: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """The report for a reader."""
        kinds = sorted(self.copied | self.known)
        lines = [f"{kind:20}{self.copied[kind]:8} copied{self.known[kind]:8} there before" for kind in kinds]
        lines += [f"differs from its source: {difference}" for difference in self.differences]
        verdict = "Everything equals its source." if not self.differences else f"{len(self.differences)} differ."
        return "\n".join([f"{self.source} -> {self.target}", *lines, f"Not copied: {NOT_COPIED}.", verdict])


@dataclass(frozen=True)
class Copier:
    """Writes into a database what a source says.

    Args:
        source: The source's name; what was copied from it is remembered under it.
        database: The database that is written.
        report: What is counted.
    """

    source: str
    database: Database[Document]
    report: Report

    def copy(self, kind: str, name: str, said: Any, write: Callable[[], None], read: Callable[[], Any]) -> None:
        """Write one thing unless it is known to be there, and compare what the target then says with `said`."""
        key, digest = {"source": self.source, "kind": kind, "name": name}, content.digest(said)
        if self.database["imports"].find_one({"_id": key, "digest": digest}):
            self.report.known[kind] += 1
            return
        self.database["imports"].update_one({"_id": key}, {"$set": {"source": self.source}}, upsert=True)
        write()
        if content.digest(read()) != digest:
            self.report.differences.append(f"{kind} {name}")
            return
        self.database["imports"].update_one({"_id": key}, {"$set": {"digest": digest}})
        self.report.copied[kind] += 1

    def replace(self, collection: str, document: Document) -> None:
        """Write a document in the place of the one with its id."""
        self.database[collection].replace_one({"_id": document["_id"]}, document, upsert=True)

    def upsert(self, collection: str, key: Document, body: Document) -> None:
        """Write a document in the place of the one with its key."""
        self.database[collection].replace_one(key, body, upsert=True)


def if_supported(things: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Return things of a source, or none where it has no such things: a file store knows few of them."""
    try:
        yield from things()
    except (NotImplementedError, AttributeError):
        return
    except MlflowException as error:
        if error.error_code not in _NOT_THERE:
            raise
