"""The search for traces and for sessions of traces, and how filters go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlflow.entities import TraceInfo
from mlflow.genai.scorers.online.entities import CompletedSession
from mlflow.store.analytics import trace_correlation
from mlflow.store.tracking import SEARCH_TRACES_DEFAULT_MAX_RESULTS
from mlflow.tracing.analysis import TraceFilterCorrelationResult
from mlflow.utils.validation import _resolve_experiment_ids_and_locations

from framework_mlflow_mongodb.search.conditions import Condition, all_of
from framework_mlflow_mongodb.search.paging import Page, values_of
from framework_mlflow_mongodb.search.traces import SpanCondition, TraceCondition, TraceOrder
from framework_mlflow_mongodb.tracking.experiments import check_max_results
from framework_mlflow_mongodb.tracking.span_content import content_of
from framework_mlflow_mongodb.tracking.trace_documents import trace_of
from framework_mlflow_mongodb.tracking.traces import TraceArea

Stage = dict[str, Any]

# Traces that spans point to are looked up by their ids up to here; beyond, a page of them is soon found by looking
# at the spans of one trace after the other.
_FEW_TRACES = 2000


class TraceSearchArea(TraceArea):
    """The search for traces."""

    def search_traces(
        self,
        experiment_ids: list[str] | None = None,
        filter_string: str | None = None,
        max_results: int = SEARCH_TRACES_DEFAULT_MAX_RESULTS,
        order_by: list[str] | None = None,
        page_token: str | None = None,
        model_id: str | None = None,
        locations: list[str] | None = None,
    ) -> tuple[list[TraceInfo], str | None]:
        """Return a page of traces and the token of the next."""
        locations = _resolve_experiment_ids_and_locations(experiment_ids, locations)
        check_max_results(max_results)
        scope, order, page = self._trace_scope(locations), TraceOrder.parse(order_by), Page.parse(page_token)
        matching = self._matching(scope, filter_string)
        computed = [{"$addFields": order.computed}] if order.computed else []
        stages = page.stages(order.keys, max_results)
        # The sort before the look at the spans: an index has the order, and a full page ends the search.
        sort = next(place for place, stage in enumerate(stages) if "$sort" in stage) + 1
        pipeline = [matching[0], *computed, *stages[:sort], *matching[1:], *stages[sort:]]
        rows = list(self._collection("traces").aggregate(pipeline))
        token = None
        if len(rows) > max_results:
            token = page.token(max_results, values_of(rows[max_results - 1], order.keys))
        return [trace_of(row) for row in rows[:max_results]], token

    def _trace_scope(self, experiment_ids: list[str] | None) -> Condition:
        scope: Condition = {"ws": self._workspace}
        if experiment_ids is not None:
            scope["exp"] = {"$in": self._own_experiment_ids(experiment_ids)}
        return scope

    def _matching(self, scope: Condition, *filters: str | None) -> list[Stage]:
        """Return the stages that let the traces of `scope` through that fulfil all `filters`."""
        condition = TraceCondition()
        for filter_string in filters:
            condition += TraceCondition.parse(filter_string, lambda wanted: self._sessions_with(scope, wanted))
        fields, later = [scope, *condition.fields], []
        for span in condition.spans:
            large, few = self._with_large_spans(scope, span), self._few_with_spans(scope, span)
            if few is not None:
                fields.append({"_id": {"$in": [*few, *large]}})
            else:
                later += _span_stages(span, large)
        return [{"$match": all_of(fields)}, *later]

    def _sessions_with(self, scope: Condition, assessment: Condition) -> list[str]:
        condition = {**scope, "session": {"$ne": None}, "assessments": {"$elemMatch": assessment}}
        sessions: list[str] = self._collection("traces").distinct("session", condition)
        return sessions

    def _few_with_spans(self, scope: Condition, span: SpanCondition) -> list[str] | None:
        """Return the traces that have such a span, or None if there are many."""
        found = set()
        for row in self._collection("spans").find(_in_scope(scope, span.on_server()), {"_id": 0, "trace": 1}):
            found.add(row["trace"])
            if len(found) > _FEW_TRACES:
                return None
        return list(found)

    def _with_large_spans(self, scope: Condition, span: SpanCondition) -> list[str]:
        """Return the traces that have such a span among those whose content the server cannot search."""
        if not span.content:
            return []
        condition = _in_scope(scope, all_of([{"parts": {"$exists": True}}, *span.fields]))
        parts = self._collection("span_parts")
        return [row["trace"] for row in self._collection("spans").find(condition) if span.fits(content_of(row, parts))]

    def find_completed_sessions(
        self,
        experiment_id: str,
        min_last_trace_timestamp_ms: int,
        max_last_trace_timestamp_ms: int,
        max_results: int | None = None,
        filter_string: str | None = None,
    ) -> list[CompletedSession]:
        """Return the sessions whose last trace is in the window, the longest ended first.

        With a filter, the first trace of a session must fulfil it.
        """
        scope = {**self._trace_scope([experiment_id]), "session": {"$ne": None}}
        window = {"$gte": min_last_trace_timestamp_ms, "$lte": max_last_trace_timestamp_ms}
        pipeline = [
            {"$match": scope},
            {"$group": {"_id": "$session", "first": {"$min": "$ts"}, "last": {"$max": "$ts"}}},
            {"$match": {"last": window}},
            {"$sort": {"last": 1, "_id": 1}},
        ]
        rows = self._collection("traces").aggregate(pipeline)
        matching = self._first_matching(scope, filter_string) if filter_string else None
        sessions = [
            CompletedSession(row["_id"], row["first"], row["last"])
            for row in rows
            if matching is None or matching.get(row["_id"]) == row["first"]
        ]
        return sessions if max_results is None else sessions[:max_results]

    def _first_matching(self, scope: Condition, filter_string: str) -> dict[str, int]:
        """Return for each session when its first trace that fulfils the filter began."""
        group = {"$group": {"_id": "$session", "first": {"$min": "$ts"}}}
        rows = self._collection("traces").aggregate([*self._matching(scope, filter_string), group])
        return {row["_id"]: row["first"] for row in rows}

    def calculate_trace_filter_correlation(
        self, experiment_ids: list[str], filter_string1: str, filter_string2: str, base_filter: str | None = None
    ) -> TraceFilterCorrelationResult:
        """Tell how often two filters are fulfilled together, compared with chance."""
        scope = self._trace_scope(experiment_ids)
        counts = [
            self._count_traces(scope, base_filter, *filters)
            for filters in ((filter_string1, filter_string2), (filter_string1,), (filter_string2,), ())
        ]
        npmi = trace_correlation.calculate_npmi_from_counts(*counts)
        joint, first, second, total = counts
        return TraceFilterCorrelationResult(
            npmi=npmi.npmi,
            npmi_smoothed=npmi.npmi_smoothed,
            filter1_count=first,
            filter2_count=second,
            joint_count=joint,
            total_count=total,
        )

    def _count_traces(self, scope: Condition, *filters: str | None) -> int:
        rows: Iterator[dict[str, int]] = self._collection("traces").aggregate(
            [*self._matching(scope, *filters), {"$count": "n"}]
        )
        return next((row["n"] for row in rows), 0)


def _in_scope(scope: Condition, condition: Condition) -> Condition:
    # Spans know their experiment, and workspaces hold whole experiments.
    return all_of([{"exp": scope["exp"]}, condition]) if "exp" in scope else condition


def _span_stages(span: SpanCondition, large: list[str]) -> list[Stage]:
    look = {
        "from": "spans",
        "localField": "_id",
        "foreignField": "trace",
        "pipeline": [{"$match": span.on_server()}, {"$limit": 1}, {"$project": {"_id": 1}}],
        "as": "found_spans",
    }
    return [
        {"$lookup": look},
        {"$match": {"$or": [{"found_spans": {"$ne": []}}, {"_id": {"$in": large}}]}},
        {"$unset": "found_spans"},
    ]
