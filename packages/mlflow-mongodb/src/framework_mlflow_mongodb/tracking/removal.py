"""Taking points of metrics back: for a run that goes on from an earlier checkpoint. MLflow has no call for it."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession

from framework_mlflow_mongodb.connection import Document
from framework_mlflow_mongodb.keys import escape
from framework_mlflow_mongodb.tracking.metrics import MetricArea, point_of
from framework_mlflow_mongodb.tracking.points import Point, chunks, unpack


class RemovalArea(MetricArea):
    """Points that are taken back."""

    def remove_points(self, run_id: str, points: Sequence[tuple[str, int, int, float]]) -> None:
        """Remove points from the curves of a run, which nobody else writes meanwhile; doing so again changes nothing.

        Args:
            run_id: The run.
            points: The key, step, timestamp and value of each.
        """
        gone: dict[str, set[Point]] = {}
        for key, step, timestamp, value in points:
            gone.setdefault(key, set()).add(Point.of_numbers(step, timestamp, value))
        self._find_active_run(run_id, {"_id": 1})
        self._empty_tail(run_id)
        for key, removed in gone.items():
            self._remove_of_key(run_id, key, removed)

    def _remove_of_key(self, run_id: str, key: str, gone: set[Point]) -> None:
        def rewrite(session: ClientSession | None) -> None:
            found = list(self._collection("points").find({"r": run_id, "k": key}, session=session))
            kept: set[Point] = set()
            for document in found:
                rows = _rows(document)
                kept |= set(rows) - gone
                if not gone.isdisjoint(rows):
                    self._replace(run_id, key, document, sorted(set(rows) - gone), session)
            self._set_latest(run_id, key, max(kept, default=None), session)

        self._transaction(rewrite)

    def _replace(
        self, run_id: str, key: str, document: Document, rows: list[Point], session: ClientSession | None
    ) -> None:
        # The new one first, for a server without transactions.
        new = chunks(run_id, key, rows)
        self._insert_chunks(new, session, repeated=True)
        if document["_id"] not in [each["_id"] for each in new]:
            self._collection("points").delete_one({"_id": document["_id"]}, session=session)

    def _set_latest(self, run_id: str, key: str, point: Point | None, session: ClientSession | None) -> None:
        value, rank = f"mv.{escape(key)}", f"mm.{escape(key)}"
        change: Document = {"$unset": {value: 1, rank: 1}}
        if point is not None:
            change = {"$set": {value: point.number, rank: point.rank}}
        self._collection("runs").update_one({"_id": run_id}, change, session=session)


def _rows(document: Document) -> list[Point]:
    return [point_of(*row) for row in zip(*unpack([document]), strict=True)]
