"""Spans: logged in any order and any number of calls, read with their trace."""

from __future__ import annotations

import json
import time
from typing import Any

from mlflow.entities import Span, Trace, TraceData, TraceInfo
from mlflow.entities.span import LazySpan
from mlflow.exceptions import MlflowException, MlflowTracingException
from mlflow.protos.databricks_pb2 import INVALID_STATE
from mlflow.tracing.constant import SpansLocation, TraceMetadataKey, TraceSizeStatsKey, TraceTagKey
from mlflow.tracing.otel.translation import translate_loaded_span
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import not_found, unsupported
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.tracking.span_content import content_of, set_apart
from framework_mlflow_mongodb.tracking.span_documents import SpanBatch
from framework_mlflow_mongodb.tracking.trace_documents import new_trace, trace_of
from framework_mlflow_mongodb.tracking.traces import TraceArea

_HERE = SpansLocation.TRACKING_STORE.value
_DUPLICATE_KEY = 11000
# A client that reads a trace just after it sent the last span waits so long for it.
_PAUSES = (1, 2)


class SpanArea(TraceArea):
    """Spans.

    Spans are written first, then their trace. Whoever writes a trace counts it over all spans that are stored by
    then, so that the last of several writers has seen every span.
    """

    def log_spans(self, location: str, spans: list[Span], tracking_uri: str | None = None) -> list[Span]:
        """Store spans, of one trace or several; a span that is known is replaced."""
        by_trace: dict[str, list[Span]] = {}
        for span in spans:
            by_trace.setdefault(span.trace_id, []).append(span)
        batches = [SpanBatch.of(trace_id, by_trace[trace_id]) for trace_id in sorted(by_trace)]
        known = self._writable_traces(list(by_trace))
        experiment = self._find_experiment(location) if len(known) < len(batches) else None
        for batch in batches:
            trace = known.get(batch.trace_id)
            if trace is None and experiment is not None:
                trace = new_trace(batch.trace_id, experiment, batch.start)
            self._store_spans(batch, trace or {}, is_new=batch.trace_id not in known)
        return spans

    def _writable_traces(self, trace_ids: list[str]) -> dict[str, Document]:
        """Return the traces that exist already; those of other workspaces are none of the caller's."""
        found = {trace["_id"]: trace for trace in self._collection("traces").find({"_id": {"$in": trace_ids}})}
        workspace = self._workspace
        for trace in found.values():
            if trace["ws"] != workspace:
                raise not_found(f"Trace with ID '{trace['_id']}' not found.")
        _check_writable(list(found.values()))
        return found

    def _store_spans(self, batch: SpanBatch, trace: Document, *, is_new: bool) -> None:
        for span in batch.documents:
            span.update(exp=trace["exp"], trace_ts=trace["ts"])
        self._write_spans(batch.documents)
        if is_new:
            document = {**trace, **batch.changes(trace, batch.documents)}
            if self._insert_trace(document):
                return
        stored = {"exp": trace["exp"], "ts": trace["ts"]}
        try:
            changed = self._change_trace(batch.trace_id, lambda found: self._changes(batch, found))
        except MlflowException:
            self._forget_spans_of_missing(batch.trace_id)
            raise
        if {key: changed[key] for key in stored} != stored:
            self._move_spans(changed)

    def _changes(self, batch: SpanBatch, found: Document) -> Document:
        _check_writable([found])
        spans: list[Document] = []
        if batch.tells_usage:
            fields = {"parent": 1, "tokens": 1, "cost": 1}
            spans = list(self._collection("spans").find({"trace": batch.trace_id}, fields))
        return batch.changes(found, spans)

    def _write_spans(self, spans: list[Document]) -> None:
        set_apart(spans, self._collection("span_parts"))
        writes = [ReplaceOne({"_id": span["_id"]}, span, upsert=True) for span in spans]
        try:
            self._collection("spans").bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            # Two writers may both find that a span is new. The second time it is there.
            if any(problem["code"] != _DUPLICATE_KEY for problem in error.details["writeErrors"]):
                raise
            self._collection("spans").bulk_write(writes, ordered=False)

    def _forget_spans_of_missing(self, trace_id: str) -> None:
        """Remove spans whose trace was deleted while they were written."""
        if self._collection("traces").find_one({"_id": trace_id}, {"_id": 1}) is None:
            self._delete_together([trace_id])

    def get_trace(self, trace_id: str, *, allow_partial: bool = False) -> Trace:
        """Return a trace with its spans; waits a little for spans that are still to come."""
        for pause in (*_PAUSES, 0):
            found = self._find_traces([trace_id], None)
            if not found:
                raise not_found(f"Trace with ID {trace_id} is not found.")
            spans = self._spans_of(found).get(trace_id, [])
            trace = _whole_trace(trace_of(found[0]), spans, allow_partial=allow_partial)
            if trace is not None:
                return trace
            time.sleep(pause)
        raise not_found(f"Trace with ID {trace_id} is not fully exported yet, please try again later.")

    def batch_get_traces(
        self, trace_ids: list[str], location: str | None = None, experiment_ids: list[str] | None = None
    ) -> list[Trace]:
        """Return those of the traces that are complete, with their spans, in the order asked for."""
        found = self._find_traces(trace_ids, experiment_ids)
        spans = self._spans_of(found)
        whole = [_whole_trace(trace_of(trace), spans.get(trace["_id"], []), allow_partial=False) for trace in found]
        return [trace for trace in whole if trace is not None]

    def get_online_trace_details(
        self, trace_id: str, source_inference_table: str, source_databricks_request_id: str
    ) -> str:
        """Refuse: such tables are Databricks' own."""
        raise unsupported("traces in inference tables of Databricks")

    def _spans_of(self, traces: list[Document]) -> dict[str, list[Any]]:
        """Return the spans of each trace: the root first, then by time."""
        wanted = [trace["_id"] for trace in traces if trace["tags"].get(escape(TraceTagKey.SPANS_LOCATION)) == _HERE]
        found: dict[str, list[Any]] = {}
        if not wanted:
            return found
        fields = {"trace": 1, "parent": 1, "start": 1, "content": 1, "parts": 1}
        spans = list(self._collection("spans").find({"trace": {"$in": wanted}}, fields))
        for span in sorted(spans, key=lambda span: (span["parent"] is not None, span["start"])):
            content = content_of(span, self._collection("span_parts"))
            found.setdefault(span["trace"], []).append(_span_of(content))
        return found


def _span_of(content: str) -> Span:
    """Return the span of a content, which MLflow reads when somebody looks at it."""
    if hasattr(LazySpan, "from_stored_content"):
        span: Span = LazySpan.from_stored_content(content)
        return span
    return LazySpan(translate_loaded_span(json.loads(content)))  # MLflow before 3.17


def _whole_trace(info: TraceInfo, spans: list[Any], *, allow_partial: bool) -> Trace | None:
    """Return the trace, or None if spans of it are still missing."""
    if info.tags.get(TraceTagKey.SPANS_LOCATION) != _HERE:
        raise MlflowTracingException("Trace data not stored in tracking store")
    if not allow_partial:
        stats = json.loads(info.trace_metadata.get(TraceMetadataKey.SIZE_STATS) or "{}")
        if not spans or len(spans) < stats.get(TraceSizeStatsKey.NUM_SPANS, 0):
            return None
    return Trace(info=info, data=TraceData(spans=spans))


def _check_writable(traces: list[Document]) -> None:
    locations = {trace["_id"]: trace["tags"].get(escape(TraceTagKey.SPANS_LOCATION), _HERE) for trace in traces}
    elsewhere = sorted(f"'{trace_id}'" for trace_id, location in locations.items() if location != _HERE)
    if elsewhere:
        raise MlflowException(
            f"Cannot log spans to traces whose spans are kept outside the tracking store: {', '.join(elsewhere)}.",
            INVALID_STATE,
        )
