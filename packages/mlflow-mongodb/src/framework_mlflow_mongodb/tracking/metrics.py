"""Metrics of runs: the last few points of a run stand in its document, the others in chunks.

A small batch is one update of one document: it happens wholly or not at all on any kind of server, costs one round
trip and one write to the journal, and repeating it changes nothing.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import OrderedDict
from zlib import crc32

from mlflow.entities import LifecycleStage, Metric, RunInfo, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.utils.validation import _validate_metric
from pymongo import ASCENDING, ReplaceOne
from pymongo.client_session import ClientSession

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.tracking.batch import Batch
from framework_mlflow_mongodb.tracking.model_metrics import ModelMetricArea
from framework_mlflow_mongodb.tracking.overflow import OverflowArea
from framework_mlflow_mongodb.tracking.points import POINTS_PER_CHUNK, Point, chunks, unpack

TAIL_POINTS = 128
_TAIL_HAS_ROOM: Document = {f"tail.{TAIL_POINTS - 1}": {"$exists": False}}
_SMALL_CHUNK = POINTS_PER_CHUNK // 2
_SMALL_CHUNKS = 500
_KEYS_REMEMBERED = 10_000
_ATTEMPTS = 100


class MetricArea(ModelMetricArea, OverflowArea):
    """Metrics of runs."""

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log one point of a metric; logging it again changes nothing."""
        _validate_metric(metric.key, metric.value, metric.timestamp, metric.step, path="")
        if metric.model_id is not None:
            experiment_id = self._find_active_run(run_id, {"exp": 1})["exp"]
            self._log_model_metrics(run_id, [metric], experiment_id)
        self._write_at_once(Batch.of(run_id, [metric], [], []))

    def _write_at_once(self, batch: Batch) -> None:
        """Write a small batch with one update of the run."""
        self._with_room(batch.run_id, lambda: self._update_run(batch))

    def _update_run(self, batch: Batch) -> None:
        tail = [
            [key, point.step, point.timestamp, point.number] for key, points in batch.points.items() for point in points
        ]
        run: Document | None = None
        together = True
        for attempt in range(_ATTEMPTS):
            changes, conditions = batch.changes(run)
            update: Document = {"$set": changes} if changes else {}
            if tail:
                update["$addToSet"] = {"tail": {"$each": tail}}
                conditions.append(_TAIL_HAS_ROOM)
            if not update:
                self._find_active_run(batch.run_id, {"_id": 1})
                return
            wanted = self._own(batch.run_id, life=LifecycleStage.ACTIVE, **({"$and": conditions} if conditions else {}))
            if self._is_made(wanted, update, together=together):
                return
            # The tail is full, or somebody else was faster, or the points are not the latest ones, or the run does
            # not take any.
            time.sleep(random.uniform(0, 0.001 * attempt))
            run = self._find_active_run(batch.run_id, {**batch.fields, "points": {"$size": "$tail"}})
            together = run["points"] >= TAIL_POINTS
            if together:
                with self._connection.lock_of(batch.run_id):  # of the threads that meet it, one does it
                    self._empty_tail(batch.run_id, TAIL_POINTS)
        raise MlflowException(
            f"Too many clients write the same metrics of run {batch.run_id}. Try again.", TEMPORARILY_UNAVAILABLE
        )

    def _is_made(self, wanted: Document, update: Document, *, together: bool) -> bool:
        runs = self._collection("runs")
        if together:
            return self._connection.run_updates.update(runs, wanted, update)
        return bool(runs.update_one(wanted, update).matched_count)

    def _empty_tail(self, run_id: str, least: int = 1) -> None:
        """Move the points that stand in the run to chunks, if there are `least` of them.

        Chunks first: a stop in between leaves points twice, and readers take each once.
        """
        tail = self._find_run(run_id, {"tail": 1})["tail"]
        if len(tail) < least:
            return
        points: dict[str, list[Point]] = {}
        for key, *numbers in tail:
            points.setdefault(key, []).append(point_of(*numbers))
        self._insert_chunks(
            [chunk for key, found in points.items() for chunk in chunks(run_id, key, found)], None, repeated=True
        )
        self._collection("runs").update_one({"_id": run_id}, {"$pullAll": {"tail": tail}})
        self._gather_where_many(run_id, points)

    def _gather_where_many(self, run_id: str, points: dict[str, list[Point]]) -> None:
        """Gather the small chunks of keys that have many, now that `points` have become chunks."""
        for key, found in points.items():
            if len(found) < _SMALL_CHUNK and _counts.add((self.uri.raw, run_id, key)) % _SMALL_CHUNKS == 0:
                self._gather(run_id, key)

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

    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Change status, end and name of an active run; the points of one that has ended move together."""
        info = super().update_run_info(run_id, run_status, end_time, run_name)
        if run_status is not None and RunStatus.is_terminated(run_status):
            self._gather_run(run_id)
        return info

    def _gather_run(self, run_id: str) -> None:
        """Empty the tail of a run that has ended, and gather the small chunks of keys that have many."""
        self._empty_tail(run_id)
        grouped = self._collection("points").aggregate(
            [
                {"$match": {"r": run_id, "n": {"$lt": _SMALL_CHUNK}}},
                {"$group": {"_id": "$k", "count": {"$sum": 1}}},
                {"$match": {"count": {"$gt": 2}}},
            ]
        )
        for group in grouped:
            self._gather(run_id, group["_id"])

    def _gather(self, run_id: str, key: str) -> None:
        """Gather the small chunks of a key into large ones; readers see the same points before and after.

        The run counts it, for those who read chunks meanwhile: before anything else, where a conflict with writers of
        the run costs least, and without transactions again between the new ones and the end of the old ones.
        """

        def rewrite(session: ClientSession | None) -> None:
            points = self._collection("points")
            self._count_gathering(run_id, session)
            condition = {"r": run_id, "k": key, "n": {"$lt": _SMALL_CHUNK}}
            small = list(points.find(condition, session=session).sort("lo", ASCENDING))
            if len(small) < 2:
                return
            rows = sorted({point_of(*row) for row in zip(*unpack(small), strict=True)})
            large = chunks(run_id, key, rows)
            kept = {document["_id"] for document in large}
            self._insert_chunks(large, session, repeated=True)
            if session is None:
                self._count_gathering(run_id, session)
            gone = [document["_id"] for document in small if document["_id"] not in kept]
            points.delete_many({"_id": {"$in": gone}}, session=session)

        self._transaction(rewrite)

    def _count_gathering(self, run_id: str, session: ClientSession | None) -> None:
        self._collection("runs").update_one({"_id": run_id}, {"$inc": {"gathered": 1}}, session=session)


def point_of(step: int, timestamp: int, value: float) -> Point:
    """Return the point of stored numbers."""
    return Point(step, timestamp, 0.0, True) if math.isnan(value) else Point(step, timestamp, value)


class _Counts:
    """How many small chunks this process has made of a key; the oldest keys are forgotten.

    Keys begin at different numbers, so that those which are logged together do not all have many at once.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: tuple[str, str, str]) -> int:
        with self._lock:
            count = self._counts.pop(key, crc32(key[-1].encode()) % _SMALL_CHUNKS) + 1
            self._counts[key] = count
            if len(self._counts) > _KEYS_REMEMBERED:
                self._counts.popitem(last=False)
            return count


_counts = _Counts()
