"""Telling which runs have changed, as it happens: change streams, where the server has them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from pymongo.change_stream import CollectionChangeStream
from pymongo.errors import OperationFailure, PyMongoError

from framework_mlflow_mongodb.base import MongoStore
from framework_mlflow_mongodb.connection import Document

NO_CHANGE_STREAMS = 40573
"""The server's code for a change stream on a standalone server."""

AGAIN_SECONDS = 1.0


class WatchArea(MongoStore):
    """Runs as they change."""

    def watch_runs(self, run_ids: Sequence[str], *, wait_seconds: float = 1.0) -> Iterator[list[str]] | None:
        """Wait for changes of runs.

        Args:
            run_ids: Which.
            wait_seconds: After this long without a change an empty list is given: a reader may have more to do.

        Returns:
            The runs that have changed, again and again without end; nothing where the server has no change streams,
            which a standalone server has not.
        """
        try:
            stream = self._stream(run_ids, wait_seconds)
        except OperationFailure as error:
            if error.code == NO_CHANGE_STREAMS:
                return None
            raise
        return self._told(stream, run_ids, wait_seconds)

    def _stream(self, run_ids: Sequence[str], wait_seconds: float) -> CollectionChangeStream[Document]:
        pipeline: list[Document] = [
            {"$match": {"documentKey._id": {"$in": list(run_ids)}}},
            {"$project": {"documentKey": 1}},
        ]
        return self._collection("runs").watch(pipeline, max_await_time_ms=int(wait_seconds * 1000))

    def _told(
        self, stream: CollectionChangeStream[Document], run_ids: Sequence[str], wait_seconds: float
    ) -> Iterator[list[str]]:
        while True:
            try:
                with stream:
                    while stream.alive:
                        change = stream.try_next()
                        yield [] if change is None else [change["documentKey"]["_id"]]
            except PyMongoError:
                # The server was away for long, or no longer knows where the stream was: anything may have changed.
                yield list(run_ids)
            time.sleep(AGAIN_SECONDS)
            stream = self._stream(run_ids, wait_seconds)
