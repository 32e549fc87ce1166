"""Traces: their life, tags and links; their spans and assessments are areas of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mlflow.entities import TraceInfo, TraceState, ViewType
from mlflow.entities.model_registry import PromptVersion
from mlflow.entities.trace_info_v2 import TraceInfoV2
from mlflow.entities.trace_status import TraceStatus
from mlflow.store.tracking import MAX_TRACE_LINKS_PER_REQUEST
from mlflow.tracing.constant import TraceTagKey
from mlflow.tracing.utils import generate_request_id_v2
from mlflow.utils.validation import _validate_trace_tag
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.keys import escape, escaped
from framework_mlflow_mongodb.search.conditions import Condition
from framework_mlflow_mongodb.tracking.experiment_ids import parse_experiment_id, parse_experiment_ids
from framework_mlflow_mongodb.tracking.experiments import ExperimentArea
from framework_mlflow_mongodb.tracking.trace_documents import (
    checked_name,
    merged,
    new_trace,
    plain_metadata,
    promoted,
    trace_document,
    trace_of,
)

_DELETED_AT_ONCE = 100


class TraceArea(ExperimentArea):
    """Traces.

    A trace is one document, so that a reader sees it whole. `rev` counts its changes: what is computed from a
    document that was read is written only if no other writer came between.
    """

    def start_trace(self, trace_info: TraceInfo) -> TraceInfo:
        """Store what a client knows of a trace, over what spans have told of it already."""
        document = trace_document(trace_info, self._find_active_experiment(str(trace_info.experiment_id)))
        if not self._insert_trace(document):
            document = self._change_trace(trace_info.trace_id, lambda found: merged(found, trace_info, document))
            self._move_spans(document)
        return trace_of(document)

    def _insert_trace(self, document: Document) -> bool:
        """Store a new trace, with the runs that were linked before it came; False if it is there already."""
        pending = self._collection("trace_links").find({"trace": document["_id"], "ws": document["ws"]})
        document["runs"] = [link["run"] for link in pending]
        try:
            self._collection("traces").insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    def _move_spans(self, trace: Document) -> None:
        """Tell spans the experiment and the time of their trace, which they carry for searches and charts."""
        place = {"exp": trace["exp"], "trace_ts": trace["ts"]}
        elsewhere = [{key: {"$ne": value}} for key, value in place.items()]
        self._collection("spans").update_many({"trace": trace["_id"], "$or": elsewhere}, {"$set": place})

    def get_trace_info(self, trace_id: str) -> TraceInfo:
        """Return a trace without its spans."""
        return trace_of(self._find_trace(trace_id))

    def batch_get_trace_infos(
        self, trace_ids: list[str], location: str | None = None, experiment_ids: list[str] | None = None
    ) -> list[TraceInfo]:
        """Return those of the traces that exist, in the order asked for, without their spans."""
        return [trace_of(document) for document in self._find_traces(trace_ids, experiment_ids)]

    def _find_trace(self, trace_id: str) -> Document:
        found = self._collection("traces").find_one({"_id": trace_id, "ws": self._workspace})
        if found is None:
            raise not_found(f"Trace with ID '{trace_id}' not found.")
        return found

    def _find_traces(self, trace_ids: list[str], experiment_ids: list[str] | None) -> list[Document]:
        if not trace_ids:
            return []
        condition: Condition = {"_id": {"$in": list(trace_ids)}, "ws": self._workspace}
        if experiment_ids is not None:
            condition["exp"] = {"$in": parse_experiment_ids(experiment_ids)}
        places = {trace_id: place for place, trace_id in enumerate(trace_ids)}
        return sorted(self._collection("traces").find(condition), key=lambda document: places[document["_id"]])

    def _change_trace(self, trace_id: str, change: Callable[[Document], Document]) -> Document:
        """Write the fields that `change` computes from a trace, anew if another writer was faster."""
        while True:
            found = self._find_trace(trace_id)
            changed = self._collection("traces").find_one_and_update(
                {"_id": trace_id, "rev": found["rev"]},
                {"$set": change(found), "$inc": {"rev": 1}},
                return_document=ReturnDocument.AFTER,
            )
            if changed is not None:
                return changed

    def _update_trace(self, trace_id: str, update: Document, condition: Condition | None = None) -> bool:
        """Apply `update` to a trace that fulfils `condition`."""
        only = {"_id": trace_id, "ws": self._workspace, **(condition or {})}
        done = self._collection("traces").update_one(only, {**update, "$inc": {"rev": 1}})
        return done.matched_count == 1

    def set_trace_tag(self, trace_id: str, key: str, value: str) -> None:
        """Set a tag of a trace."""
        key, value = _validate_trace_tag(key, value)
        field = f"tags.{escape(key)}"
        if key == TraceTagKey.TRACE_NAME:
            field, value = "name", checked_name(value) or ""
        if not self._update_trace(trace_id, {"$set": {field: value}}):
            raise not_found(f"Trace with ID '{trace_id}' not found.")

    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        """Remove a tag of a trace."""
        if key == TraceTagKey.TRACE_NAME:
            done = self._update_trace(trace_id, {"$set": {"name": None}}, {"name": {"$ne": None}})
        else:
            field = f"tags.{escape(key)}"
            done = self._update_trace(trace_id, {"$unset": {field: ""}}, {field: {"$exists": True}})
        if not done:
            raise not_found(f"No trace tag with key '{key}' for trace with ID '{trace_id}'")

    def link_traces_to_run(self, trace_ids: list[str], run_id: str) -> None:
        """Link traces to a run; a trace that is still to come is linked when it does."""
        if len(trace_ids) > MAX_TRACE_LINKS_PER_REQUEST:
            raise invalid(
                f"Cannot link more than {MAX_TRACE_LINKS_PER_REQUEST} traces to a run in "
                f"a single request. Provided {len(trace_ids)} traces."
            )
        missing = self._link_present(trace_ids, run_id)
        for trace_id in missing:
            link = {"trace": trace_id, "run": run_id, "ws": self._workspace}
            self._collection("trace_links").update_one(link, {"$set": link}, upsert=True)
        if missing:  # one that came while this was written did not see the link
            self._link_present(missing, run_id)

    def _link_present(self, trace_ids: list[str], run_id: str) -> list[str]:
        """Link the traces that exist, and return the others."""
        if not trace_ids:
            return []
        traces, condition = self._collection("traces"), {"_id": {"$in": list(trace_ids)}, "ws": self._workspace}
        done = traces.update_many(condition, {"$addToSet": {"runs": run_id}, "$inc": {"rev": 1}})
        if done.matched_count == len(set(trace_ids)):
            return []
        present = {trace["_id"] for trace in traces.find(condition, {"_id": 1})}
        return [trace_id for trace_id in trace_ids if trace_id not in present]

    def unlink_traces_from_run(self, trace_ids: list[str], run_id: str) -> None:
        """Remove the links of traces to a run."""
        workspace = self._workspace
        chosen = {"$in": list(trace_ids)}
        condition = {"trace": chosen, "run": run_id, "ws": workspace}
        self._collection("trace_links").delete_many(condition)
        self._collection("traces").update_many(
            {"_id": chosen, "ws": workspace}, {"$pull": {"runs": run_id}, "$inc": {"rev": 1}}
        )

    def link_prompts_to_trace(self, trace_id: str, prompt_versions: list[PromptVersion]) -> None:
        """Link prompt versions to a trace."""
        if not prompt_versions:
            return
        prompts = [f"{version.name}/{version.version}" for version in prompt_versions]
        if not self._update_trace(trace_id, {"$addToSet": {"prompts": {"$each": prompts}}}):
            raise not_found(f"Trace with ID '{trace_id}' not found.")

    def _delete_traces(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        trace_ids: list[str] | None = None,
    ) -> int:
        condition: Condition = {"exp": parse_experiment_id(experiment_id), "ws": self._workspace}
        if max_timestamp_millis is not None:
            condition["ts"] = {"$lte": max_timestamp_millis}
        if trace_ids:
            condition["_id"] = {"$in": list(trace_ids)}
        found = self._collection("traces").find(condition, {"_id": 1}).sort([("ts", 1), ("_id", 1)])
        if max_traces is not None:
            found = found.limit(max_traces)
        chosen = [trace["_id"] for trace in found]
        return sum(self._delete_together(some) for some in _pieces(chosen))

    def _delete_together(self, trace_ids: list[str]) -> int:
        """Delete a few traces with all that belongs to them."""

        def delete(session: ClientSession | None) -> int:
            for part in ("span_parts", "spans", "trace_links"):
                self._collection(part).delete_many({"trace": {"$in": trace_ids}}, session=session)
            return self._collection("traces").delete_many({"_id": {"$in": trace_ids}}, session=session).deleted_count

        return self._transaction(delete)

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        key = self._find_experiment(experiment_id, ViewType.DELETED_ONLY)["_id"]
        found = self._collection("traces").find({"exp": key}, {"_id": 1})
        for some in _pieces([trace["_id"] for trace in found]):
            self._delete_together(some)
        # Spans whose writer was stopped before it came to the trace.
        for some in _pieces(self._collection("spans").distinct("trace", {"exp": key})):
            self._delete_together(some)
        super()._hard_delete_experiment(experiment_id)

    def deprecated_start_trace_v2(
        self, experiment_id: str, timestamp_ms: int, request_metadata: dict[str, str], tags: dict[str, str]
    ) -> TraceInfoV2:
        """Begin a trace as clients before MLflow 3 do."""
        name = checked_name(tags.get(TraceTagKey.TRACE_NAME))
        experiment = self._find_active_experiment(experiment_id)
        document = new_trace(generate_request_id_v2(), experiment, timestamp_ms)
        document["tags"] = _plain_tags(tags) | document["tags"]
        document.update(name=name, md=escaped(plain_metadata(request_metadata)), **promoted(document, request_metadata))
        self._collection("traces").insert_one(document)
        return TraceInfoV2.from_v3(trace_of(document))

    def deprecated_end_trace_v2(
        self,
        request_id: str,
        timestamp_ms: int,
        status: TraceStatus,
        request_metadata: dict[str, str],
        tags: dict[str, str],
    ) -> TraceInfoV2:
        """End a trace as clients before MLflow 3 do."""

        def end(found: Document) -> Document:
            fields: dict[str, Any] = {"duration": timestamp_ms - found["ts"], "state": _state(status).value}
            if TraceTagKey.TRACE_NAME in tags:
                fields["name"] = checked_name(tags[TraceTagKey.TRACE_NAME])
            fields["tags"] = found["tags"] | _plain_tags(tags)
            fields["md"] = found["md"] | escaped(plain_metadata(request_metadata))
            return fields | promoted(found, request_metadata)

        return TraceInfoV2.from_v3(trace_of(self._change_trace(request_id, end)))


def _plain_tags(tags: dict[str, str]) -> dict[str, str]:
    return escaped({key: value for key, value in tags.items() if key != TraceTagKey.TRACE_NAME})


def _state(status: TraceStatus | str) -> TraceState:
    return TraceStatus(status).to_state()


def _pieces(trace_ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(trace_ids), _DELETED_AT_ONCE):
        yield trace_ids[start : start + _DELETED_AT_ONCE]
