"""Histories of registered models, in a collection of their own: a record is inserted, and never changed.

A history is a run whose parameters of a certain name are its records. To clients they are parameters like others, which
MLflow lets be written once; here each is a document, whose key no second one can have.
"""

from __future__ import annotations

from mlflow.entities import Param, Run
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.validation import _validate_param
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.tracking.batches import BatchArea

RECORD = "framework.history."
"""How the name of a parameter begins that is a record of a history."""


class RegistryHistoryArea(BatchArea):
    """Histories of registered models."""

    def log_param(self, run_id: str, param: Param) -> None:
        """Log a parameter, or add a record; neither can be changed afterwards."""
        if not param.key.startswith(RECORD):
            super().log_param(run_id, param)
            return
        param = _validate_param(param.key, param.value)
        # The mark first: a record must never stand where no reader looks for it.
        self._update_active_run(run_id, {"$set": {"history": True}})
        key = {"r": run_id, "k": param.key}
        document = {"_id": key, "r": run_id, "v": param.value, "written": get_current_time_millis()}
        try:
            self._collection("registry_history").insert_one(document)
        except DuplicateKeyError:
            known = self._collection("registry_history").find_one({"_id": key})
            if known is None or known["v"] != param.value:
                raise invalid(f"The record {param.key!r} of run {run_id} is written already.") from None

    def _run_entities(self, documents: list[Document]) -> list[Run]:
        marked = {document["_id"]: document for document in documents if document.get("history")}
        if marked:
            for row in self._collection("registry_history").find({"r": {"$in": list(marked)}}):
                marked[row["r"]]["p"][escape(row["_id"]["k"])] = row["v"]
        return super()._run_entities(documents)
