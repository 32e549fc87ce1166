"""Numbers over many traces for charts: counted in the database, group by group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricDataPoint, MetricViewType
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import MAX_RESULTS_QUERY_TRACE_METRICS
from mlflow.tracing.constant import (
    AssessmentMetricDimensionKey,
    AssessmentMetricKey,
    AssessmentMetricSearchKey,
    SpanMetricDimensionKey,
    SpanMetricKey,
    SpanMetricSearchKey,
    TraceMetadataKey,
    TraceMetricDimensionKey,
    TraceMetricKey,
    TraceMetricSearchKey,
    TraceTagKey,
)
from mlflow.utils.search_utils import SearchTraceMetricsUtils, TraceMetricsFilter

from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.search.conditions import Condition, all_of
from framework_mlflow_mongodb.search.traces import analytics_condition, of_run
from framework_mlflow_mongodb.tracking.trace_documents import COST_KEYS
from framework_mlflow_mongodb.tracking.trace_search import TraceSearchArea

Stage = dict[str, Any]

_TIME_BUCKET = "time_bucket"
_INT64_LAST = 2**63 - 1
_VALUES: dict[tuple[MetricViewType, str], Any] = {
    (MetricViewType.TRACES, TraceMetricKey.TRACE_COUNT): "$_id",
    (MetricViewType.TRACES, TraceMetricKey.SESSION_COUNT): "$session",
    (MetricViewType.TRACES, TraceMetricKey.LATENCY): "$duration",
    **{(MetricViewType.TRACES, key): f"$tokens.{key}" for key in TraceMetricKey.token_usage_keys()},
    (MetricViewType.SPANS, SpanMetricKey.SPAN_COUNT): "$_id",
    (MetricViewType.SPANS, SpanMetricKey.LATENCY): {
        "$floor": {"$divide": [{"$subtract": ["$end", "$start"]}, 1_000_000]}
    },
    **{(MetricViewType.SPANS, key): f"$cost.{key}" for key in COST_KEYS},
    (MetricViewType.ASSESSMENTS, AssessmentMetricKey.ASSESSMENT_COUNT): "$assessments.id",
    (MetricViewType.ASSESSMENTS, AssessmentMetricKey.ASSESSMENT_VALUE): "$assessments.number",
}
_DIMENSIONS = {
    TraceMetricDimensionKey.TRACE_NAME: "$name",
    TraceMetricDimensionKey.TRACE_STATUS: "$state",
    SpanMetricDimensionKey.SPAN_NAME: "$name",
    SpanMetricDimensionKey.SPAN_TYPE: "$type",
    SpanMetricDimensionKey.SPAN_STATUS: "$status",
    SpanMetricDimensionKey.SPAN_MODEL_NAME: "$model",
    SpanMetricDimensionKey.SPAN_MODEL_PROVIDER: "$provider",
    AssessmentMetricDimensionKey.ASSESSMENT_NAME: "$assessments.name",
    AssessmentMetricDimensionKey.ASSESSMENT_VALUE: "$assessments.value",
}
_ACCUMULATORS: dict[AggregationType, Callable[[str], Any]] = {
    AggregationType.COUNT: lambda value: {"$sum": 1},
    AggregationType.SUM: lambda value: {"$sum": value},
    AggregationType.AVG: lambda value: {"$avg": value},
    AggregationType.MIN: lambda value: {"$min": value},
    AggregationType.MAX: lambda value: {"$max": value},
}


@dataclass(frozen=True)
class _Question:
    view: MetricViewType
    metric: str
    aggregations: list[MetricAggregation]
    dimensions: list[str]
    interval_seconds: int | None
    start_ms: int | None
    end_ms: int | None

    @property
    def has_span_time(self) -> bool:
        """Whether it goes by the time of spans: costs do; counts and latencies go by that of their traces."""
        return self.view == MetricViewType.SPANS and self.metric in COST_KEYS

    def time_condition(self) -> Condition:
        """Return the condition of the time range; both ends belong to it."""
        field, factor = ("start", 1_000_000) if self.has_span_time else ("ts", 1)
        if self.view == MetricViewType.SPANS and not self.has_span_time:
            field = "trace_ts"
        bounds = {}
        if self.start_ms is not None:
            bounds["$gte"] = min(self.start_ms * factor, _INT64_LAST)
        if self.end_ms is not None:
            bounds["$lt"] = min((self.end_ms + 1) * factor, _INT64_LAST)
        return {field: bounds} if bounds else {}

    def groups(self) -> dict[str, Any]:
        """Return the expressions of what is grouped by, the time first."""
        groups: dict[str, Any] = {}
        if self.interval_seconds:
            size = self.interval_seconds * 1000
            is_span = self.view == MetricViewType.SPANS
            milliseconds: Any = {"$divide": ["$start", 1_000_000]} if is_span else "$ts"
            groups[_TIME_BUCKET] = {"$multiply": [{"$floor": {"$divide": [milliseconds, size]}}, size]}
        return groups | {name: _DIMENSIONS[name] for name in self.dimensions}

    def percentiles(self) -> list[MetricAggregation]:
        return [one for one in self.aggregations if one.aggregation_type == AggregationType.PERCENTILE]


class TraceMetricArea(TraceSearchArea):
    """Numbers over many traces."""

    def query_trace_metrics(
        self,
        experiment_ids: list[str],
        view_type: MetricViewType,
        metric_name: str,
        aggregations: list[MetricAggregation],
        dimensions: list[str] | None = None,
        filters: list[str] | None = None,
        time_interval_seconds: int | None = None,
        start_time_ms: int | None = None,
        end_time_ms: int | None = None,
        max_results: int = MAX_RESULTS_QUERY_TRACE_METRICS,
        page_token: str | None = None,
    ) -> PagedList[Any]:
        """Return aggregated numbers of traces, spans or assessments, for each group and time interval."""
        # It stands among MLflow's tables, which take half a second to import.
        from mlflow.store.tracking.utils.sql_trace_metrics_utils import validate_query_trace_metrics_params

        validate_query_trace_metrics_params(view_type, metric_name, aggregations, dimensions)
        if time_interval_seconds and (start_time_ms is None or end_time_ms is None):
            raise invalid("start_time_ms and end_time_ms are required if time_interval_seconds is set")
        question = _Question(
            view_type,
            metric_name,
            aggregations,
            list(dimensions or []),
            time_interval_seconds,
            start_time_ms,
            end_time_ms,
        )
        parsed = [SearchTraceMetricsUtils.parse_search_filter(text) for text in filters or []]
        collection, stages = self._chosen(question, parsed, self._trace_scope(experiment_ids))
        rows = self._collection(collection).aggregate(
            [*stages, *_aggregated(question), {"$limit": max_results}], allowDiskUse=True
        )
        points = [_point(question, row) for row in rows]
        return PagedList(points or _nothing(question), None)

    def _chosen(
        self, question: _Question, filters: list[TraceMetricsFilter], scope: Condition
    ) -> tuple[str, list[Stage]]:
        """Return the collection to start from and the stages that choose what is counted."""
        of_trace = [_trace_condition(one) for one in filters if one.view_type == TraceMetricSearchKey.VIEW_TYPE]
        of_part = [_part_condition(one, question) for one in filters if one.view_type != TraceMetricSearchKey.VIEW_TYPE]
        if question.view != MetricViewType.SPANS:
            stages: list[Stage] = [{"$match": all_of([scope, question.time_condition(), *of_trace])}]
            if question.view == MetricViewType.ASSESSMENTS:
                stages += [{"$unwind": "$assessments"}, {"$match": all_of([{"assessments.valid": True}, *of_part])}]
            return "traces", stages
        of_span = all_of([question.time_condition(), *of_part])
        if not of_trace:
            return "spans", [{"$match": all_of([{"exp": scope["exp"]}, of_span])}]
        look = {
            "from": "spans",
            "localField": "_id",
            "foreignField": "trace",
            "pipeline": [{"$match": of_span}, {"$project": {"content": 0}}],
            "as": "span",
        }
        return "traces", [
            {"$match": all_of([scope, *of_trace])},
            {"$project": {"_id": 1}},
            {"$lookup": look},
            {"$unwind": "$span"},
            {"$replaceRoot": {"newRoot": "$span"}},
        ]


def _trace_condition(one: TraceMetricsFilter) -> Condition:
    if one.entity == TraceMetricSearchKey.STATUS:
        return {"state": one.value}
    key = one.key or ""
    if one.entity == TraceMetricSearchKey.TAG:
        return {"name" if key == TraceTagKey.TRACE_NAME else f"tags.{escape(key)}": one.value}
    if key == TraceMetadataKey.TRACE_SESSION:
        return {"session": one.value}
    if key in (TraceMetadataKey.TOKEN_USAGE, TraceMetadataKey.COST):
        return analytics_condition(key, one.comparator, one.value)
    return of_run(one.value) if key == TraceMetadataKey.SOURCE_RUN else {f"md.{escape(key)}": one.value}


def _part_condition(one: TraceMetricsFilter, question: _Question) -> Condition:
    """Return the condition of a filter on spans or on assessments."""
    of_spans = one.view_type == SpanMetricSearchKey.VIEW_TYPE
    view = MetricViewType.SPANS if of_spans else MetricViewType.ASSESSMENTS
    if question.view != view:
        raise invalid(
            f"Filtering by {one.view_type} is only supported for {view} view type, got {question.view}",
        )
    fields = {
        SpanMetricSearchKey.NAME: "name",
        SpanMetricSearchKey.STATUS: "status",
        SpanMetricSearchKey.TYPE: "type",
        AssessmentMetricSearchKey.NAME: "name",
        AssessmentMetricSearchKey.TYPE: "type",
    }
    return {("" if of_spans else "assessments.") + fields[one.entity]: one.value}


def _aggregated(question: _Question) -> list[Stage]:
    """Return the stages that group and aggregate; what has no value or no group is left out."""
    groups = question.groups()
    names = {name: f"g{number}" for number, name in enumerate(groups)}
    computed = {names[name]: expression for name, expression in groups.items()}
    computed["value"] = _VALUES[question.view, question.metric]
    present: Condition = {field: {"$ne": None} for field in computed}
    stages: list[Stage] = [{"$project": computed}, {"$match": present}]
    by = {field: f"${field}" for field in names.values()}
    accumulators: dict[str, Any] = {}
    if question.metric == TraceMetricKey.SESSION_COUNT:
        stages.append({"$group": {"_id": {**by, "value": "$value"}, **{f: {"$first": f"${f}"} for f in by}}})
    if question.percentiles():
        stages.append(_numbered(by))
    for number, one in enumerate(question.aggregations):
        if one.aggregation_type == AggregationType.PERCENTILE:
            accumulators |= _percentile(number, one)
        else:
            accumulators[f"a{number}"] = _ACCUMULATORS[one.aggregation_type]("$value")
    stages.append({"$group": {"_id": by or None, **accumulators}})
    return [*stages, {"$sort": {f"_id.{field}": 1 for field in by}}] if by else stages


def _numbered(by: dict[str, str]) -> Stage:
    """Number the values of each group in their order, for percentiles: exact ones, as those of SQL are."""
    return {
        "$setWindowFields": {
            "partitionBy": by or None,
            "sortBy": {"value": 1},
            "output": {
                "place": {"$documentNumber": {}},
                "count": {"$sum": 1, "window": {"documents": ["unbounded", "unbounded"]}},
            },
        }
    }


def _percentile(number: int, one: MetricAggregation) -> dict[str, Any]:
    """Return the two values between which the percentile lies, and how many there are."""
    exact = {"$multiply": [(one.percentile_value or 0) / 100, {"$subtract": ["$count", 1]}]}
    lower = {"$add": [{"$floor": exact}, 1]}
    return {
        f"a{number}low": {"$max": {"$cond": [{"$eq": ["$place", lower]}, "$value", None]}},
        f"a{number}high": {
            "$max": {"$cond": [{"$eq": ["$place", {"$min": ["$count", {"$add": [lower, 1]}]}]}, "$value", None]}
        },
        f"a{number}share": {"$max": {"$subtract": [exact, {"$floor": exact}]}},
    }


def _nothing(question: _Question) -> list[MetricDataPoint]:
    """Return the count of nothing at all, as SQL does when there are no groups."""
    counts = [one for one in question.aggregations if one.aggregation_type == AggregationType.COUNT]
    if question.groups() or not counts:
        return []
    return [MetricDataPoint(dimensions={}, metric_name=question.metric, values={str(one): 0 for one in counts})]


def _point(question: _Question, row: dict[str, Any]) -> MetricDataPoint:
    dimensions = {name: row["_id"][f"g{number}"] for number, name in enumerate(question.groups())}
    if _TIME_BUCKET in dimensions:
        moment = datetime.fromtimestamp(dimensions[_TIME_BUCKET] / 1000, tz=timezone.utc)
        dimensions[_TIME_BUCKET] = moment.isoformat()
    values = {}
    for number, one in enumerate(question.aggregations):
        if one.aggregation_type == AggregationType.PERCENTILE:
            low, high, share = (row[f"a{number}{part}"] for part in ("low", "high", "share"))
            values[str(one)] = (1 - share) * low + share * high
        else:
            values[str(one)] = row[f"a{number}"]
    return MetricDataPoint(dimensions=dimensions, metric_name=question.metric, values=values)
