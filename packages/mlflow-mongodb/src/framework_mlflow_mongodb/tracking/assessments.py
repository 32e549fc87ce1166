"""Assessments of traces: they live in the trace's document."""

from __future__ import annotations

from typing import Any

from mlflow.entities.assessment import Assessment, ExpectationValue, FeedbackValue
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR
from mlflow.utils.time import get_current_time_millis
from pymongo.client_session import ClientSession

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid, not_found
from framework_mlflow_mongodb.tracking.assessment_documents import (
    assessment_document,
    assessment_of,
    metadata_fields,
    value_fields,
)
from framework_mlflow_mongodb.tracking.traces import TraceArea


class AssessmentArea(TraceArea):
    """Assessments of traces."""

    def create_assessment(self, assessment: Assessment) -> Assessment:
        """Add an assessment to a trace; one that it overrides is no longer valid."""
        trace_id = assessment.trace_id
        new = assessment_document(assessment)

        def add(found: Document) -> Document:
            present = {old["id"] for old in found["assessments"]}
            if new["overrides"] and new["overrides"] not in present:
                raise not_found(f"Assessment with ID '{new['overrides']}' not found for trace '{trace_id}'")
            if new["id"] in present:
                raise MlflowException(
                    f"Failed to create assessment for trace '{trace_id}' due to a constraint violation.", INTERNAL_ERROR
                )
            return {"assessments": [*_with_validity(found["assessments"], new["overrides"], valid=False), new]}

        self._change_trace(str(trace_id), add)
        return assessment_of(new, str(trace_id))

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        """Return an assessment of a trace."""
        found = self._collection("traces").find_one({"_id": trace_id, "ws": self._workspace}, {"assessments": 1})
        if found is None:
            raise not_found(f"Trace with request_id '{trace_id}' not found")
        return assessment_of(_pick(found, assessment_id), trace_id)

    def update_assessment(
        self,
        trace_id: str,
        assessment_id: str,
        name: str | None = None,
        expectation: Any = None,
        feedback: Any = None,
        rationale: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Assessment:
        """Change an assessment; what is None stays, metadata is merged.

        Args:
            trace_id: The trace.
            assessment_id: The assessment of the trace.
            name: Its new name.
            expectation: Its new `ExpectationValue`.
            feedback: Its new `FeedbackValue`.
            rationale: Its new rationale.
            metadata: What is added to its metadata.
        """
        self.get_assessment(trace_id, assessment_id)  # what is missing is said before what is wrong
        if expectation is not None and feedback is not None:
            raise invalid("Cannot specify both `expectation` and `feedback` parameters.")

        def renew(found: Document) -> Document:
            old = _pick(found, assessment_id)
            new = _updated(old, trace_id, name, expectation, feedback, rationale, metadata)
            return {"assessments": [new if other is old else other for other in found["assessments"]]}

        return assessment_of(_pick(self._change_trace(trace_id, renew), assessment_id), trace_id)

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """Remove an assessment, if it is there; one that it overrode is valid again."""
        condition = {"_id": trace_id, "ws": self._workspace, "assessments.id": assessment_id}
        if self._collection("traces").find_one(condition, {"_id": 1}) is None:
            return

        def remove(found: Document) -> Document:
            gone = [old for old in found["assessments"] if old["id"] == assessment_id]
            kept = [old for old in found["assessments"] if old["id"] != assessment_id]
            overridden = gone[0]["overrides"] if gone else None
            return {"assessments": _with_validity(kept, overridden, valid=True)}

        self._change_trace(trace_id, remove)

    def _forget_assessments_of_runs(self, run_ids: list[str], session: ClientSession | None) -> None:
        of_runs = {"$in": run_ids}
        self._collection("traces").update_many(
            {"assessments.source_run": of_runs},
            {"$pull": {"assessments": {"source_run": of_runs}}, "$inc": {"rev": 1}},
            session=session,
        )


def _pick(trace: Document, assessment_id: str) -> Document:
    for assessment in trace["assessments"]:
        if assessment["id"] == assessment_id:
            picked: Document = assessment
            return picked
    raise not_found(f"Assessment with ID '{assessment_id}' not found for trace '{trace['_id']}'")


def _with_validity(assessments: list[Document], assessment_id: str | None, *, valid: bool) -> list[Document]:
    return [{**old, "valid": valid} if old["id"] == assessment_id else old for old in assessments]


def _updated(
    old: Document,
    trace_id: str,
    name: str | None,
    expectation: ExpectationValue | None,
    feedback: FeedbackValue | None,
    rationale: str | None,
    metadata: dict[str, str] | None,
) -> Document:
    if expectation is not None and old["type"] != "expectation":
        raise invalid("Cannot update expectation value on a Feedback assessment.")
    if feedback is not None and old["type"] != "feedback":
        raise invalid("Cannot update feedback value on an Expectation assessment.")
    fields: dict[str, Any] = {"updated": get_current_time_millis()}
    if name is not None:
        fields["name"] = name
    if expectation is not None:
        fields |= value_fields(expectation.value, None)
    if feedback is not None:
        fields |= value_fields(feedback.value, feedback.error)
    if rationale is not None and old["type"] != "expectation":
        fields["rationale"] = rationale
    if metadata:
        fields |= metadata_fields({**(assessment_of(old, trace_id).metadata or {}), **metadata})
    return {**old, **fields}
