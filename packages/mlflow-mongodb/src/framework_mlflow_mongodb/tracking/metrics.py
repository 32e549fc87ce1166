"""Metrics of runs: logged one by one, and gathered into chunks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from mlflow.entities import Metric
from mlflow.utils.validation import _validate_metric
from pymongo import ASCENDING, ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.tracking.model_metrics import ModelMetricArea
from framework_mlflow_mongodb.tracking.points import POINTS_PER_CHUNK, Point, chunks, unpack

_SMALL = POINTS_PER_CHUNK // 10
_KEYS_REMEMBERED = 10_000


class MetricArea(ModelMetricArea):
    """Metrics of runs: logged one by one, and gathered into chunks."""

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log one point of a metric; logging it again changes nothing.

        The point is written before the run, so a stop in between leaves a point that is not the latest yet.
        """
        _validate_metric(metric.key, metric.value, metric.timestamp, metric.step, path="")
        if metric.model_id is not None:
            experiment_id = self._find_active_run(run_id, {"exp": 1})["exp"]
            self._log_model_metrics(run_id, [metric], experiment_id)
        point = Point.of(metric)
        (chunk,) = chunks(run_id, metric.key, [point])
        is_new = self._insert_chunk(chunk)
        try:
            self._advance(run_id, metric.key, point)
        except Exception:
            if is_new:
                self._collection("points").delete_one({"_id": chunk["_id"]})
            raise
        if is_new and self._is_due(run_id, metric.key):
            self._compact(run_id, metric.key)

    def _insert_chunk(self, chunk: Document) -> bool:
        try:
            self._collection("points").insert_one(chunk)
        except DuplicateKeyError:
            return False
        return True

    def _advance(self, run_id: str, key: str, point: Point) -> None:
        """Make `point` the latest of its key, unless a later one is known."""
        field = escape(key)
        update = {"$set": {f"mv.{field}": point.number, f"mm.{field}": point.rank}}
        older = {"$or": [{f"mm.{field}": {"$exists": False}}, {f"mm.{field}": {"$lt": point.rank}}]}
        self._update_active_run(run_id, update, **older)

    def _insert_chunks(self, documents: list[Document], session: ClientSession | None, *, repeated: bool) -> None:
        """Insert `documents`; with `repeated`, some of them may be there already."""
        if not documents:
            return
        points = self._collection("points")
        if repeated or session is None:
            points.bulk_write(
                [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents],
                ordered=False,
                session=session,
            )
        else:
            points.insert_many(documents, session=session)

    def _is_due(self, run_id: str, key: str) -> bool:
        """Count a point that was logged alone; say whether enough have come to make a chunk of them."""
        return _counts.add((self.uri.raw, run_id, key)) % POINTS_PER_CHUNK == 0

    def _compact_run(self, run_id: str) -> None:
        """Gather the small chunks of every key that has many."""
        grouped = self._collection("points").aggregate(
            [
                {"$match": {"r": run_id, "n": {"$lt": _SMALL}}},
                {"$group": {"_id": "$k", "count": {"$sum": 1}}},
                {"$match": {"count": {"$gte": _SMALL}}},
            ]
        )
        for group in grouped:
            self._compact(run_id, group["_id"])

    def _compact(self, run_id: str, key: str) -> None:
        """Gather the small chunks of a key into large ones; readers see the same points before and after."""

        def gather(session: ClientSession | None) -> None:
            points = self._collection("points")
            small = list(
                points.find({"r": run_id, "k": key, "n": {"$lt": _SMALL}}, session=session).sort("lo", ASCENDING)
            )
            steps, timestamps, values = unpack(small)
            rows = sorted({_row(*row) for row in zip(steps, timestamps, values, strict=True)})
            if len(small) < 2:
                return
            large = chunks(run_id, key, rows)
            kept = {document["_id"] for document in large}
            # The new ones first: without a transaction a stop in between leaves repeats, which readers drop.
            self._insert_chunks(large, session, repeated=True)
            gone = [document["_id"] for document in small if document["_id"] not in kept]
            points.delete_many({"_id": {"$in": gone}}, session=session)

        self._transaction(gather)


def is_repeat(error: Exception) -> bool:
    """Whether a batch failed because parts of it are stored already."""
    if isinstance(error, DuplicateKeyError):
        return True
    return isinstance(error, BulkWriteError) and any(
        failed.get("code") == 11000 for failed in error.details.get("writeErrors", [])
    )


def latest(metrics: list[Metric]) -> tuple[dict[str, list[Point]], dict[str, Point]]:
    """Return the points of each key, and the latest of each."""
    points: dict[str, list[Point]] = {}
    for metric in metrics:
        points.setdefault(metric.key, []).append(Point.of(metric))
    return points, {key: max(found, key=_later) for key, found in points.items()}


def newer(found: dict[str, Point], known: dict[str, list[float]]) -> dict[str, Any]:
    """Return the fields of a run that change when `found` are the newest points of a batch."""
    changes: dict[str, Any] = {}
    for key, point in found.items():
        field = escape(key)
        if field not in known or point.rank > known[field]:
            changes[f"mv.{field}"] = point.number
            changes[f"mm.{field}"] = point.rank
    return changes


def _later(point: Point) -> tuple[int, int, float]:
    return point.step, point.timestamp, point.value


def _row(step: int, timestamp: int, value: float) -> Point:
    return Point(step, timestamp, 0.0, True) if value != value else Point(step, timestamp, value)


class _Counts:
    """How many points of a key this process has logged one by one; the oldest keys are forgotten."""

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: tuple[str, str, str]) -> int:
        with self._lock:
            count = self._counts.pop(key, 0) + 1
            self._counts[key] = count
            if len(self._counts) > _KEYS_REMEMBERED:
                self._counts.popitem(last=False)
            return count


_counts = _Counts()
