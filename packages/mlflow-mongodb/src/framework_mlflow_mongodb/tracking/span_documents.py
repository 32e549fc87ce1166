"""Spans as documents, and what the spans of one batch tell of their trace."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Span, TraceState
from mlflow.entities.span_status import SpanStatusCode
from mlflow.exceptions import MlflowException
from mlflow.tracing.constant import SpanAttributeKey, SpansLocation, TraceMetadataKey, TraceTagKey
from mlflow.tracing.otel.translation import translate_span_when_storing
from mlflow.tracing.utils import (
    SpanAggregationNode,
    TraceJSONEncoder,
    aggregate_cost_from_span_nodes,
    aggregate_usage_from_span_nodes,
)
from mlflow.tracing.utils.truncation import _get_truncated_preview
from mlflow.utils.validation import _validate_trace_tag

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.keys import escape, escaped
from framework_mlflow_mongodb.tracking.trace_documents import (
    COST_KEYS,
    TOKEN_KEYS,
    checked_name,
    checked_session,
    costs,
    finite,
    json_object,
    overlaid,
    token_counts,
)

_CONVERSATION_ID = "gen_ai.conversation.id"
_MODEL_NAME_CHARACTERS = 500
_FINALIZED = escape(TraceMetadataKey.TRACE_INFO_FINALIZED)
_USER = escape(TraceMetadataKey.TRACE_USER)
_UNDECIDED = (TraceState.IN_PROGRESS.value, TraceState.STATE_UNSPECIFIED.value)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpanBatch:
    """The spans of one trace that come in one call.

    Args:
        trace_id: The trace.
        documents: The spans, not yet placed in an experiment.
        start: When the first began, in milliseconds.
        end: When the last ended, None if none has.
        root_state: The state of the trace as its root span has it, None without a root span.
        root: The attributes of the root span.
        session: The session that a span names.
        user: The user that a span names.
        tags: Tags that the resource and the root span carry.
        name: The name of the trace that the root span carries.
    """

    trace_id: str
    documents: list[Document]
    start: int
    end: int | None
    root_state: str | None
    root: Mapping[str, Any] | None
    session: str | None
    user: Any
    tags: dict[str, str]
    name: str | None

    @classmethod
    def of(cls, trace_id: str, spans: list[Span]) -> SpanBatch:
        """Read the spans of a trace."""
        read = [translate_span_when_storing(span) for span in spans]
        attributes = [found.get("attributes") or {} for found in read]
        roots = [found for span, found in zip(spans, attributes, strict=True) if span.parent_id is None]
        ends = [span.end_time_ns for span in spans if span.end_time_ns is not None]
        carried = _carried_tags(roots[-1]) if roots else {}
        session = _first(attributes, SpanAttributeKey.SESSION_ID, _CONVERSATION_ID)
        return cls(
            trace_id=trace_id,
            documents=[_span_document(span, found) for span, found in zip(spans, read, strict=True)],
            start=min(span.start_time_ns for span in spans) // 1_000_000,
            end=max(ends) // 1_000_000 if ends else None,
            root_state=_root_state(spans),
            root=roots[-1] if roots else None,
            session=checked_session(_plain(session)) if session else None,
            user=_plain(_first(attributes, SpanAttributeKey.USER_ID)),
            name=carried.pop(TraceTagKey.TRACE_NAME, None),
            tags=_resource_tags(spans) | carried,
        )

    @property
    def tells_usage(self) -> bool:
        """Whether a span has tokens or a cost, so that those of the trace must be counted anew."""
        return any("tokens" in span or "cost" in span for span in self.documents)

    def changes(self, found: Document, spans: Iterable[Document]) -> Document:
        """Return what these spans change in their trace, of which `spans` are all that are stored."""
        fields = self._preview(found) | self._usage(found, spans)
        fields |= self._times(found)
        if self.root_state and found["state"] in _UNDECIDED:
            fields["state"] = self.root_state
        if self.name is not None:
            fields["name"] = self.name
        if self.session and found["session"] is None:
            fields["session"] = self.session
        if self.user and _USER not in found["md"]:
            fields["md"] = {**found["md"], _USER: self.user}
        location = {TraceTagKey.SPANS_LOCATION: SpansLocation.TRACKING_STORE.value}
        fields["tags"] = found["tags"] | escaped(location | self.tags)
        return fields

    def _times(self, found: Document) -> Document:
        """Widen the trace to its spans; what `start_trace` has told stays."""
        final = _FINALIZED in found["md"]
        start = found["ts"] if final else min(found["ts"], self.start)
        if self.end is None or (final and found["duration"] is not None):
            return {"ts": start}
        ended = self.end if found["duration"] is None else max(found["ts"] + found["duration"], self.end)
        return {"ts": start, "duration": ended - start}

    def _preview(self, found: Document) -> Document:
        fields: Document = {}
        for field, key, role in (
            ("request", SpanAttributeKey.INPUTS, "user"),
            ("response", SpanAttributeKey.OUTPUTS, "assistant"),
        ):
            text = (self.root or {}).get(key)
            if found[field] is None and text:
                try:
                    fields[field] = _get_truncated_preview(text, role=role)
                except Exception:  # a preview is a courtesy: odd inputs of users must not lose the span
                    _logger.debug("No preview of %s of trace %s", key, self.trace_id, exc_info=True)
        return fields

    def _usage(self, found: Document, spans: Iterable[Document]) -> Document:
        """Count tokens and cost over the whole tree: a parent may already hold what its children used."""
        if not self.tells_usage:
            return {}
        fields: Document = {}
        final, stored = _FINALIZED in found["md"], list(spans)
        if not (final and found["tokens"]) and any("tokens" in span for span in self.documents):
            counted = aggregate_usage_from_span_nodes(_nodes(stored, "tokens")) or {}
            fields["tokens"] = overlaid(found["tokens"], _known(token_counts(counted)))
        if not (final and found["cost"]) and any("cost" in span for span in self.documents):
            spent = aggregate_cost_from_span_nodes(_nodes(stored, "cost")) or {}
            fields["cost"] = overlaid(found["cost"], _known(costs(spent)))
        return fields


def _span_document(span: Span, read: dict[str, Any]) -> Document:
    attributes = read.get("attributes") or {}
    document: Document = {
        "_id": {"t": span.trace_id, "s": span.span_id},
        "trace": span.trace_id,
        "parent": span.parent_id,
        "name": span.name,
        "type": span.span_type,
        "status": str(getattr(span.status.status_code, "value", span.status.status_code)),
        "start": span.start_time_ns,
        "end": span.end_time_ns,
        "model": _model_text(attributes.get(SpanAttributeKey.MODEL)),
        "provider": _model_text(attributes.get(SpanAttributeKey.MODEL_PROVIDER)),
        # Not escaped to ASCII: what users search for stands in it as they type it.
        "content": json.dumps(read, cls=TraceJSONEncoder, ensure_ascii=False),
    }
    for field, key, keys in (
        ("tokens", SpanAttributeKey.CHAT_USAGE, TOKEN_KEYS),
        ("cost", SpanAttributeKey.LLM_COST, COST_KEYS),
    ):
        given = json_object(attributes.get(key))
        if given or attributes.get(key) in ({}, "{}"):
            document[field] = _known({name: finite(given.get(name)) for name in keys})
    return document


def _nodes(spans: list[Document], field: str) -> list[SpanAggregationNode]:
    return [SpanAggregationNode(span["_id"]["s"], span["parent"], span.get(field)) for span in spans]


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _root_state(spans: list[Span]) -> str | None:
    for span in spans:
        if span.parent_id is None:
            failed = span.status.status_code == SpanStatusCode.ERROR
            return TraceState.ERROR.value if failed else TraceState.OK.value
    return None


def _first(attributes: list[dict[str, Any]], *keys: str) -> Any:
    return next((found[key] for found in attributes for key in keys if found.get(key)), None)


def _plain(value: Any) -> Any:
    """Return the text that an attribute's JSON holds."""
    try:
        parsed = json.loads(value)
    except (ValueError, TypeError):
        return value
    return parsed if isinstance(parsed, str) else value


def _model_text(value: Any) -> str | None:
    text = _plain(value)
    return text[:_MODEL_NAME_CHARACTERS] if isinstance(text, str) else None


def _carried_tags(root: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that a client sent as attributes of the root span."""
    prefix = SpanAttributeKey.TRACE_TAG_PREFIX
    given = {key[len(prefix) :]: str(_plain(value)) for key, value in root.items() if key.startswith(prefix)}
    tags = _valid_tags(given)
    if TraceTagKey.TRACE_NAME in tags:
        checked_name(tags[TraceTagKey.TRACE_NAME])
    return tags


def _resource_tags(spans: list[Span]) -> dict[str, str]:
    """Return the attributes of OpenTelemetry's resource, which say what service made the trace."""
    for span in spans:
        resource = getattr(span._span, "resource", None)
        if resource is not None and resource.attributes:
            return _valid_tags(
                {
                    key: value if isinstance(value, str) else json.dumps(value)
                    for key, value in resource.attributes.items()
                    if not key.startswith(("telemetry.sdk.", "mlflow."))
                }
            )
    return {}


def _valid_tags(tags: dict[str, str]) -> dict[str, str]:
    valid = {}
    for key, value in tags.items():
        try:
            checked_key, checked_value = _validate_trace_tag(key, value)
        except (MlflowException, TypeError):  # what comes with a span unasked must not lose the span
            _logger.debug("%r cannot be the tag of a trace", key)
        else:
            valid[checked_key] = checked_value
    return valid
