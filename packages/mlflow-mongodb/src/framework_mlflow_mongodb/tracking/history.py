"""The history of a metric: whole, in pages, and sampled for charts."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import islice
from operator import lt
from typing import Any

from mlflow.entities import Metric
from mlflow.entities.metric import MetricWithRunId
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.search_utils import SearchUtils
from pymongo import ASCENDING

from framework_mlflow_mongodb.collector import paused_collector
from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.tracking.metrics import point_of
from framework_mlflow_mongodb.tracking.points import chunks, unpack
from framework_mlflow_mongodb.tracking.runs import RunArea

Row = tuple[int, int, float, bool]


class HistoryArea(RunArea):
    """The history of a metric: whole, in pages, and sampled for charts."""

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Metric]:
        """Return the points of a metric, by timestamp, step and value."""
        self._check_run_is_in_workspace(run_id)
        offset: int = SearchUtils.parse_start_offset_from_page_token(page_token)
        with paused_collector:
            rows = _by_time(self._chunks(run_id, metric_key))
            end = len(rows) if max_results is None else offset + max_results
            token = SearchUtils.create_page_token(end) if len(rows) > end else None
            return PagedList(_metrics(metric_key, rows[offset:end]), token)

    def get_metric_history_bulk(self, run_ids: list[str], metric_key: str, max_results: int) -> list[MetricWithRunId]:
        """Return the first `max_results` points of the runs, by run, timestamp, step and value."""
        found: list[MetricWithRunId] = []
        with paused_collector:
            for run_id in sorted(self._own_run_ids(run_ids)):
                rows = _by_time(self._chunks(run_id, metric_key))[: max_results - len(found)]
                found += [MetricWithRunId(metric, run_id) for metric in _metrics(metric_key, rows)]
                if len(found) >= max_results:
                    break
        return found

    def get_max_step_for_metric(self, run_id: str, metric_key: str) -> int:
        """Return the last step of a metric, 0 when there is none."""
        self._check_run_is_in_workspace(run_id)
        return max((chunk["hi"] for chunk in self._chunks(run_id, metric_key)), default=0)

    def get_metric_history_bulk_interval_from_steps(
        self, run_id: str, metric_key: str, steps: Iterable[int], max_results: int
    ) -> list[MetricWithRunId]:
        """Return the points at `steps`, by step, timestamp and value."""
        self._check_run_is_in_workspace(run_id)
        wanted = set(steps)
        rows = [row for row in _by_step(self._chunks(run_id, metric_key)) if row[0] in wanted]
        return _with_run(run_id, metric_key, rows[:max_results])

    def get_metric_history_bulk_interval(
        self, run_ids: list[str], metric_key: str, max_results: int, start_step: int | None, end_step: int | None
    ) -> list[MetricWithRunId]:
        """Return up to `max_results` points of each run, evenly spread, the first and the last among them."""
        if (start_step is None) != (end_step is None):
            raise invalid("Both start_step and end_step must be specified together, or neither may be specified.")
        for run_id in run_ids:
            self._check_run_is_in_workspace(run_id)
        found: list[MetricWithRunId] = []
        with paused_collector:
            for run_id in run_ids:
                documents = self._chunks(run_id, metric_key, start_step, end_step)
                found += _with_run(run_id, metric_key, _sample(documents, max(1, max_results), start_step, end_step))
        return found

    def _chunks(self, run_id: str, key: str, first: int | None = None, last: int | None = None) -> list[Document]:
        """Return the chunks of a metric, its points that stand in the run as one more.

        The run first: points that are moved meanwhile are then seen twice, and otherwise would be missed. Chunks that
        are gathered meanwhile may be missed by a query, so all is read again when the run has counted that.
        """
        condition: Document = {"r": run_id, "k": key}
        if first is not None and last is not None:
            condition |= {"lo": {"$lte": last}, "hi": {"$gte": first}}
        while True:
            run = self._run_with(run_id, "tail", "gathered")
            found = self._collection("points").find(condition, {"_id": 0, "hi": 1, "s": 1, "ts": 1, "v": 1})
            documents = list(found.sort("lo", ASCENDING))
            if len(documents) < 2 or self._run_with(run_id, "gathered").get("gathered") == run.get("gathered"):
                break
        tail = [point_of(*numbers) for name, *numbers in run.get("tail", []) if name == key]
        return [*documents, *chunks(run_id, key, tail)]

    def _run_with(self, run_id: str, *fields: str) -> Document:
        return self._collection("runs").find_one({"_id": run_id}, dict.fromkeys(fields, 1)) or {}

    def _check_run_is_in_workspace(self, run_id: str) -> None:
        if self.supports_workspaces:
            self._find_run(run_id, {"_id": 1})

    def _own_run_ids(self, run_ids: list[str]) -> list[str]:
        if not self.supports_workspaces:
            return list(run_ids)
        condition = {"_id": {"$in": list(run_ids)}, "ws": self._workspace}
        return [run["_id"] for run in self._collection("runs").find(condition, {"_id": 1})]


def _by_step(documents: list[Document]) -> list[Row]:
    """Return the points of chunks in the order of charts, each once."""
    steps, timestamps, values = unpack(documents)
    return _in_order(steps, timestamps, values)


def _by_time(documents: list[Document]) -> list[Row]:
    """Return the points of chunks in the order of histories, each once."""
    steps, timestamps, values = unpack(documents)
    return [(step, time, value, nan) for time, step, value, nan in _in_order(timestamps, steps, values)]


def _in_order(first: Iterable[int], second: Iterable[int], values: Any) -> list[Row]:
    nans = list(map(math.isnan, values))
    if any(nans):
        values = [0.0 if nan else value for value, nan in zip(values, nans, strict=True)]
    rows = list(zip(first, second, values, nans, strict=True))
    if all(map(lt, rows, islice(rows, 1, None))):  # logged in order and once, as nearly always
        return rows
    return sorted(set(rows))


def _sample(documents: list[Document], count: int, first: int | None, last: int | None) -> list[Row]:
    """Return the first row of each of `count` even parts of the steps asked for, and the last row, as SQL's NTILE."""
    steps, timestamps, values = unpack(documents)
    if not all(map(lt, steps, islice(steps, 1, None))):
        rows = _in_order(steps, timestamps, values)
        steps = array("q", [row[0] for row in rows])
        start, end = _range(steps, first, last)
        return [rows[start + index] for index in _spread(end - start, count)]
    # One point for each step, in order, as nearly always: only the points that are shown are looked at.
    start, end = _range(steps, first, last)
    chosen = [start + index for index in _spread(end - start, count)]
    return _in_order([steps[i] for i in chosen], [timestamps[i] for i in chosen], [values[i] for i in chosen])


def _range(steps: array[int], first: int | None, last: int | None) -> tuple[int, int]:
    start = 0 if first is None else bisect_left(steps, first)
    return start, len(steps) if last is None else bisect_right(steps, last)


def _spread(total: int, count: int) -> list[int]:
    if total <= count:
        return list(range(total))
    size, larger = divmod(total, count)
    starts = [part * size + min(part, larger) for part in range(count)]
    return [*starts[:-1], total - 1]


def _metrics(key: str, rows: list[Row]) -> list[Metric]:
    return [Metric(key, math.nan if nan else value, time, step) for step, time, value, nan in rows]


def _with_run(run_id: str, key: str, rows: list[Row]) -> list[MetricWithRunId]:
    return [MetricWithRunId(metric, run_id) for metric in _metrics(key, rows)]
