"""Assessments as parts of a trace's document, and back."""

from __future__ import annotations

import json
import math
from typing import Any

from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback
from mlflow.entities.assessment import Assessment, IssueReference
from mlflow.tracing.constant import AssessmentMetadataKey, TraceMetadataKey
from mlflow.tracing.utils import generate_assessment_id
from mlflow.utils.time import get_current_time_millis

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid


def assessment_document(assessment: Assessment) -> Document:
    """Return `assessment` as a document; one without an id is given one."""
    if assessment.assessment_id is None:
        assessment.assessment_id = generate_assessment_id()
    kind, value = _kind_and_value(assessment)
    now = get_current_time_millis()
    return {
        "id": assessment.assessment_id,
        "name": assessment.name,
        "type": kind,
        **value_fields(value, assessment.feedback.error if assessment.feedback is not None else None),
        **metadata_fields(assessment.metadata),
        "created": assessment.create_time_ms or now,
        "updated": assessment.last_update_time_ms or now,
        "source_type": assessment.source.source_type,
        "source_id": assessment.source.source_id,
        "run": assessment.run_id,
        "span": assessment.span_id,
        "rationale": assessment.rationale,
        "overrides": assessment.overrides,
        "valid": True,
        "issue": assessment.name if kind == "issue" else None,
    }


def _kind_and_value(assessment: Assessment) -> tuple[str, Any]:
    if assessment.feedback is not None:
        return "feedback", assessment.feedback.value
    if assessment.expectation is not None:
        return "expectation", assessment.expectation.value
    if assessment.issue is not None:
        return "issue", assessment.issue.to_dictionary()
    raise invalid("Assessment must have either feedback, expectation, or issue value")


def value_fields(value: Any, error: AssessmentError | None) -> Document:
    """Return what is stored of a value: its JSON, and the number that it stands for in charts and comparisons."""
    number, is_number = _number(value)
    return {
        "value": json.dumps(value),
        "error": json.dumps(error.to_dictionary()) if error else None,
        "number": number,
        "is_number": is_number,
    }


def _number(value: Any) -> tuple[float | None, bool]:
    if isinstance(value, bool):
        return float(value), False
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return None, False
        return (number, True) if math.isfinite(number) else (None, False)
    if isinstance(value, str) and value.strip().lower() in ("yes", "no"):
        return float(value.strip().lower() == "yes"), False
    return None, False


def metadata_fields(metadata: dict[str, str] | None) -> Document:
    """Return what is stored of an assessment's metadata."""
    return {
        "metadata": json.dumps(metadata) if metadata else None,
        # An assessment of a session speaks for all traces of the session.
        "of_session": bool(metadata) and TraceMetadataKey.TRACE_SESSION in (metadata or {}),
        "source_run": (metadata or {}).get(AssessmentMetadataKey.SOURCE_RUN_ID),
    }


def assessment_of(document: Document, trace_id: str) -> Assessment:
    """Return the assessment of a document."""
    common = {
        "source": AssessmentSource(source_type=document["source_type"], source_id=document["source_id"]),
        "trace_id": trace_id,
        "metadata": json.loads(document["metadata"]) if document["metadata"] else None,
        "span_id": document["span"],
        "create_time_ms": document["created"],
        "last_update_time_ms": document["updated"],
    }
    value = json.loads(document["value"])
    assessment: Assessment
    if document["type"] == "feedback":
        error = AssessmentError.from_dictionary(json.loads(document["error"])) if document["error"] else None
        assessment = Feedback(
            name=document["name"], value=value, error=error, rationale=document["rationale"], **common
        )
    elif document["type"] == "expectation":
        assessment = Expectation(name=document["name"], value=value, **common)
    else:
        assessment = IssueReference(
            issue_id=document["name"],
            issue_name=value.get("issue_name"),
            run_id=document["run"],
            rationale=document["rationale"],
            **common,
        )
    assessment.overrides, assessment.valid = document["overrides"], document["valid"]
    assessment.run_id, assessment.assessment_id = document["run"], document["id"]
    return assessment
