"""Traces as documents, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from mlflow.entities import TraceInfo, TraceLocation, TraceState
from mlflow.tracing.constant import (
    MAX_CHARS_IN_TRACE_INFO_METADATA,
    MAX_CHARS_IN_TRACE_INFO_TAGS_VALUE,
    CostKey,
    TokenUsageKey,
    TraceMetadataKey,
    TraceTagKey,
)
from mlflow.utils.mlflow_tags import MLFLOW_ARTIFACT_LOCATION
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import _validate_length_limit

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.keys import escaped, unescaped
from framework_mlflow_mongodb.tracking.assessment_documents import assessment_document, assessment_of

TOKEN_KEYS: tuple[str, ...] = tuple(TokenUsageKey.all_keys())
COST_KEYS = (CostKey.INPUT_COST, CostKey.OUTPUT_COST, CostKey.TOTAL_COST)
# Metadata that searches and charts use: kept in fields of their own, and given back as metadata.
PROMOTED_METADATA = (TraceMetadataKey.TRACE_SESSION, TraceMetadataKey.TOKEN_USAGE, TraceMetadataKey.COST)

_INT64 = (-(2**63), 2**63 - 1)


def new_trace(trace_id: str, experiment: Document, start: int) -> Document:
    """Return the document of a trace of which nothing else is known yet."""
    return {
        "_id": trace_id,
        "exp": experiment["_id"],
        "ws": experiment["ws"],
        "ts": start,
        "duration": None,
        "state": TraceState.IN_PROGRESS.value,
        "client": None,
        "request": None,
        "response": None,
        "name": None,
        "session": None,
        "tokens": {},
        "cost": {},
        "md": {},
        "tags": escaped({MLFLOW_ARTIFACT_LOCATION: _artifact_location(experiment, trace_id)}),
        "assessments": [],
        "runs": [],
        "prompts": [],
        "rev": 0,
    }


def _artifact_location(experiment: Document, trace_id: str) -> str:
    return str(append_to_uri_path(experiment["artifact_location"], "traces", trace_id, "artifacts"))


def trace_document(info: TraceInfo, experiment: Document) -> Document:
    """Return the document of a trace that a client has finished or begun."""
    assessments = [assessment_document(assessment) for assessment in info.assessments]
    document = new_trace(info.trace_id, experiment, info.request_time)
    tags = {key: value for key, value in info.tags.items() if key != TraceTagKey.TRACE_NAME}
    document.update(
        duration=info.execution_duration,
        state=info.state.value,
        client=info.client_request_id,
        request=info.request_preview,
        response=info.response_preview,
        name=checked_name(info.tags.get(TraceTagKey.TRACE_NAME)),
        md=escaped(plain_metadata(info.trace_metadata) | {TraceMetadataKey.TRACE_INFO_FINALIZED: "true"}),
        tags=escaped(tags) | document["tags"],
        assessments=assessments,
    )
    document.update(promoted(document, info.trace_metadata))
    return document


def merged(found: Document, info: TraceInfo, given: Document) -> Document:
    """Return what `start_trace` changes in a trace that spans have made already."""
    known = {assessment["id"] for assessment in given["assessments"]}
    kept = [assessment for assessment in found["assessments"] if assessment["id"] not in known]
    fields = {key: given[key] for key in ("exp", "ws", "ts", "duration", "state", "client")}
    fields |= {key: given[key] for key in ("request", "response") if given[key] is not None}
    if TraceTagKey.TRACE_NAME in info.tags:
        fields["name"] = given["name"]
    fields |= promoted(found, info.trace_metadata)
    fields["tags"] = found["tags"] | given["tags"]
    fields["md"] = found["md"] | given["md"]
    fields["assessments"] = kept + given["assessments"]
    return fields


def plain_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata that has no field of its own."""
    return {key: value for key, value in metadata.items() if key not in PROMOTED_METADATA}


def promoted(found: Document, metadata: Mapping[str, str]) -> Document:
    """Return the session, the tokens and the cost that `metadata` says, over those of `found`."""
    fields: Document = {}
    if TraceMetadataKey.TRACE_SESSION in metadata:
        fields["session"] = checked_session(metadata[TraceMetadataKey.TRACE_SESSION])
    if TraceMetadataKey.TOKEN_USAGE in metadata:
        fields["tokens"] = overlaid(found["tokens"], token_counts(metadata[TraceMetadataKey.TOKEN_USAGE]))
    if TraceMetadataKey.COST in metadata:
        fields["cost"] = overlaid(found["cost"], costs(metadata[TraceMetadataKey.COST]))
    return fields


def overlaid(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with the values of `new`; None removes one."""
    return {key: value for key, value in {**old, **new}.items() if value is not None}


def token_counts(value: Any) -> dict[str, int | None]:
    """Return the counts in a usage object or its JSON; one that is no 64-bit integer is None."""
    usage = json_object(value)
    return {key: token_count(usage[key]) for key in TOKEN_KEYS if key in usage}


def costs(value: Any) -> dict[str, float | None]:
    """Return the costs in a cost object or its JSON; one that is no finite number is None."""
    found = json_object(value)
    return {key: finite(found[key]) for key in COST_KEYS if key in found}


def json_object(value: Any) -> dict[str, Any]:
    """Return an object, given as such or as JSON; anything else is empty."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def token_count(value: Any) -> int | None:
    """Return a number or its text as an integer, None if it is none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    if not number.is_finite() or number != number.to_integral_value() or not _INT64[0] <= number <= _INT64[1]:
        return None
    return int(number)


def finite(value: Any) -> float | None:
    """Return a number or its text as a finite float, None if it is none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def checked_name(name: str | None) -> str | None:
    """Refuse a trace name that is too long."""
    checked: str | None = _validate_length_limit("Trace name", MAX_CHARS_IN_TRACE_INFO_TAGS_VALUE, name)
    return checked


def checked_session(session: str | None) -> str | None:
    """Refuse a session id that is too long."""
    checked: str | None = _validate_length_limit("Session ID", MAX_CHARS_IN_TRACE_INFO_METADATA, session)
    return checked


def trace_of(document: Document) -> TraceInfo:
    """Return the trace of a document."""
    tags = unescaped(document["tags"])
    if document["name"] is not None:
        tags[TraceTagKey.TRACE_NAME] = document["name"]
    return TraceInfo(
        trace_id=document["_id"],
        trace_location=TraceLocation.from_experiment_id(str(document["exp"])),
        request_time=document["ts"],
        execution_duration=document["duration"],
        state=TraceState(document["state"]),
        tags=tags,
        trace_metadata=unescaped(document["md"]) | _promoted_metadata(document),
        client_request_id=document["client"],
        request_preview=document["request"],
        response_preview=document["response"],
        assessments=[assessment_of(assessment, document["_id"]) for assessment in document["assessments"]],
    )


def _promoted_metadata(document: Document) -> dict[str, str]:
    metadata = {}
    if document["session"] is not None:
        metadata[TraceMetadataKey.TRACE_SESSION] = document["session"]
    if document["tokens"]:
        metadata[TraceMetadataKey.TOKEN_USAGE] = ordered_json(document["tokens"], TOKEN_KEYS)
    if document["cost"]:
        metadata[TraceMetadataKey.COST] = ordered_json(document["cost"], COST_KEYS)
    return metadata


def ordered_json(values: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Return `values` as JSON, in the order of `keys`: the text that equality filters compare with."""
    return json.dumps({key: values[key] for key in keys if key in values})
