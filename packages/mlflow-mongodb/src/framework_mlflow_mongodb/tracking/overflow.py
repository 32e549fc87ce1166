"""Long parameters and tags of a run whose document has become too large: they move out, and marks stay.

A document of MongoDB holds 16 MB; 2,700 parameters of the longest kind fill it. The mark of a value is its beginning
and its checksum, so the run is still found by the whole value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mlflow.entities import Run
from pymongo import UpdateOne
from pymongo.errors import DocumentTooLarge, OperationFailure

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.marks import mark, may_move
from framework_mlflow_mongodb.tracking.runs import RunArea

_TOO_LARGE = {10334, 17419, 17420}
Result = TypeVar("Result")


class OverflowArea(RunArea):
    """Long parameters and tags of a run whose document has become too large."""

    def _with_room(self, run_id: str, write: Callable[[], Result]) -> Result:
        """Run `write`; when the document of the run gets too large by it, make room and run it again.

        Raises:
            MlflowException: There is no room to make.
        """
        try:
            return write()
        except (OperationFailure, DocumentTooLarge) as error:
            if isinstance(error, OperationFailure) and error.code not in _TOO_LARGE:
                raise
            if not self._spill(run_id):
                raise invalid(
                    f"Run {run_id} has too many metrics, parameters and tags: MongoDB keeps 16 MB of them for a run."
                ) from None
            return write()

    def _spill(self, run_id: str) -> bool:
        """Move the long values of a run out of its document; say whether there were any."""
        run = self._find_run(run_id, {"p": 1, "t": 1})
        params = {f"p.{field}": value for field, value in run["p"].items() if may_move(value)}
        tags = {f"t.{field}": value for field, value in run["t"].items() if may_move(value)}
        if not params and not tags:
            return False
        # The values first: a mark must never stand without what it stands for.
        self._collection("overflow").bulk_write(
            [
                UpdateOne(
                    {"_id": {"r": run_id, "m": mark(value)}}, {"$setOnInsert": {"r": run_id, "v": value}}, upsert=True
                )
                for value in {*params.values(), *tags.values()}
            ],
            ordered=False,
        )
        runs, marks = self._collection("runs"), {field: mark(value) for field, value in params.items()}
        runs.update_one({"_id": run_id}, {"$set": {**marks, "spilled": True}})
        # Parameters never change; a tag may have been set again since.
        for field, value in tags.items():
            runs.update_one({"_id": run_id, field: value}, {"$set": {field: mark(value)}})
        return True

    def _run_entities(self, documents: list[Document]) -> list[Run]:
        self._whole_values(documents)
        return super()._run_entities(documents)

    def _whole_values(self, documents: list[Document]) -> None:
        """Put the values back that `documents` have only the marks of."""
        spilled = [document for document in documents if document.get("spilled")]
        if not spilled:
            return
        found = self._collection("overflow").find({"r": {"$in": [document["_id"] for document in spilled]}})
        values = {(row["r"], row["_id"]["m"]): row["v"] for row in found}
        for document in spilled:
            for kind in ("p", "t"):
                document[kind] = {
                    field: values.get((document["_id"], value), value) for field, value in document[kind].items()
                }
