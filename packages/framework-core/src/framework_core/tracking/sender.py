"""From the journal to the store: in order, each record once, however often one of them is away."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from framework_core.tracking import store_calls
from framework_core.tracking.cuts import Cuts, Repeats, is_taken_back
from framework_core.tracking.journal import FILES, FOLDER, Point, Record, points_of, read
from framework_core.tracking.progress import Progress
from framework_core.tracking.removal import remove

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000
"""MLflow takes this many points in one call."""

_log = logging.getLogger("framework_core")


class Sender:
    """Sends a journal to a store.

    Args:
        directory: The run's folder.
        client: The store; without it, one is made when the first call is, which imports MLflow.
        uri: Its address.
    """

    def __init__(self, directory: Path, client: MlflowClient | None, uri: str) -> None:
        self._directory = directory
        self._folder = directory / FOLDER
        self._client = client
        self._uri = uri
        self.progress = Progress.read(self._folder)
        self._cuts = Cuts(read(self._folder))
        self._repeats = self._cuts.repeatable(self._folder)
        # A process before this one may have been killed between a call and its answer.
        self._uncertain = self.progress.number > 0
        self._learnt = False
        self.stopped = Event()
        """Set to end sending after the call that is being made."""
        self.standing = 0
        """Points that were taken back, and that the store cannot remove."""
        self.uploading = False
        """Whether a file is on its way, which may take long."""

    @property
    def client(self) -> MlflowClient:
        """The store."""
        if self._client is None:
            self._client = store_calls.client_of(self._uri)
        return self._client

    def send(self, *, strict: bool = False) -> None:
        """Send everything that has come.

        Args:
            strict: Raise what an upload raises too, instead of passing it over.

        Raises:
            Exception: What the store's driver raises; what was not acknowledged is sent the next time.
        """
        with store_calls.time_limit(self._uri):
            self._learn_standing()
            for batch in _batches(read(self._folder, self.progress.offset)):
                if self.stopped.is_set():
                    return
                self._deliver(batch, strict)

    def send_deferred(self, *, last: bool = True) -> None:
        """Try again what was passed over.

        Args:
            last: Whether nothing more comes: only then can it be told which points were not made again.

        Raises:
            Exception: What the store's driver raises.
        """
        for offset in list(self.progress.deferred):
            record = next(read(self._folder, offset))
            if record.kind == "cut" and not last:
                continue
            with store_calls.time_limit(self._uri):
                done = self._take_back(record, late=True) if record.kind == "cut" else self._upload(record)
            if done:
                self.progress.deferred.remove(offset)
                self.progress.write(self._folder)

    def left(self) -> list[Record]:
        """The records that the store does not have."""
        deferred = [next(read(self._folder, offset)) for offset in self.progress.deferred]
        uploads = [record for record in deferred if record.kind != "cut"]
        return [*uploads, *(each for each in read(self._folder, self.progress.offset) if each.kind != "checkpoint")]

    def left_points(self, records: Iterable[Record]) -> int:
        """How many points are in records, without those that were taken back."""
        return sum(1 for _ in self._cuts.kept(records))

    def _deliver(self, batch: list[Record], strict: bool) -> None:
        record = batch[0]
        if record.kind == "points":
            self._send_points(batch)
        elif record.kind in ("file", "model"):
            self._upload_or_defer(record, strict)
        elif record.kind == "cut":
            self._cuts.add(record)
            if not self._take_back(record):
                self.progress.deferred.append(record.start)
        elif record.kind != "checkpoint":
            self._send_other(record)
        self.progress.number, self.progress.offset = batch[-1].number, batch[-1].end
        self.progress.write(self._folder)

    def _send_other(self, record: Record) -> None:
        try:
            self._call(record)
        except Exception as error:
            if record.kind == "run" or not store_calls.is_refusal(error):
                raise
            self._refuse(f"{record.kind}: {first_line(error)}")

    def _call(self, record: Record) -> None:
        run_id, body = self.progress.run_id, record.body
        if record.kind == "run" and not run_id:
            self.progress.run_id = store_calls.create_run(self.client, body)
        elif record.kind == "params":
            store_calls.log_params(self.client, run_id, body["params"])
        elif record.kind == "data":
            store_calls.log_data(self.client, run_id, body)
        elif record.kind == "status":
            store_calls.set_status(self.client, run_id, body)

    def _send_points(self, batch: list[Record]) -> None:
        points = [point for record, point in self._cuts.kept(batch) if not self._repeats.has(record, point)]
        for first in range(0, len(points), BATCH):
            self._send_batch(points[first : first + BATCH])
        self.progress.points += len(points)

    def _send_batch(self, points: list[Point]) -> None:
        if self._uncertain:
            there = store_calls.history(self.client, self.progress.run_id, {point.key for point in points})
            known = {store_calls.identity(point) for point in there}
            points = [point for point in points if store_calls.identity(point) not in known]
        # Should the call fail now, or this process be killed, nobody knows whether the store has taken it.
        self._uncertain = True
        if points:
            self._log(points)
        self._uncertain = False

    def _log(self, points: list[Point]) -> None:
        """Log points; those that the store refuses, alone."""
        try:
            store_calls.log_points(self.client, self.progress.run_id, points)
        except Exception as error:
            if not store_calls.is_refusal(error):
                raise
            if len(points) == 1:
                self._refuse(f"{points[0].key}: {first_line(error)}")
                return
            middle = len(points) // 2
            self._log(points[:middle])
            self._log(points[middle:])

    def _refuse(self, what: str) -> None:
        if what not in self.progress.refused:
            _log.warning("The tracking store refuses %s", what)
            self.progress.refused.append(what)

    def _upload_or_defer(self, record: Record, strict: bool) -> None:
        """Upload; what fails is passed over, because points must not wait for it."""
        try:
            self._upload(record)
        except Exception as error:
            if strict:
                raise
            _log.warning("Not stored yet: %s: %s", record.body["path"], first_line(error))
            self.progress.deferred.append(record.start)

    def _upload(self, record: Record) -> bool:
        path = self._directory / record.body["path"]
        if not path.exists():
            self._refuse(f"{record.body['path']}: the file is no longer there")
            return True
        self.uploading = True
        try:
            if record.kind == "file":
                store_calls.log_file(self.client, self.progress.run_id, path, record.body["to"])
            else:
                store_calls.log_model(self.client, self.progress.run_id, path, record.body)
        finally:
            self.uploading = False
        if path.is_relative_to(self._folder / FILES):
            _remove(path)
        return True

    def _take_back(self, cut: Record, *, late: bool = False) -> bool:
        """Take back the points after the checkpoint that the run went on from; whether none of them stands now.

        Args:
            cut: The record that takes them back.
            late: Whether points that followed have been sent: one that stood there and was made again with the same
                value was not, so that it stands for both.
        """
        void = [point for each in read(self._folder) for point in points_of(each) if is_taken_back(cut, each, point)]
        later = self._made_after(cut)
        if not void or remove(self.client, self.progress.run_id, [p for p in void if not (late and later.holds(p))]):
            self.standing = 0
            return True
        standing = self._standing(void)
        for point in standing:
            self._repeats.add(cut, point)
        self.standing = sum(1 for point in standing if not later.holds(point))
        return not self.standing

    def _made_after(self, cut: Record) -> Repeats:
        """The points that were made after a cut, and not taken back since."""
        found = Repeats()
        for record, point in self._cuts.kept(read(self._folder)):
            if record.number > cut.number:
                found.add(cut, point)
        return found

    def _standing(self, void: list[Point]) -> list[Point]:
        """Which of the points that should be gone the store still has, or had already when they were made again."""
        gone = {store_calls.place(point) for point in void}
        there = store_calls.history(self.client, self.progress.run_id, {point.key for point in void})
        return [point for point in there if store_calls.place(point) in gone]

    def _learn_standing(self) -> None:
        """Ask again what a store that cannot remove points has of them: this process did not see it."""
        if not self._learnt:
            for offset in self.progress.deferred:
                record = next(read(self._folder, offset))
                if record.kind == "cut":
                    self._take_back(record, late=True)
        self._learnt = True


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records of points together, as many as one call takes; each other record alone."""
    batch: list[Record] = []
    size = 0
    for record in records:
        points = len(points_of(record))
        if batch and (not points or size + points > BATCH):
            yield batch
            batch, size = [], 0
        if points:
            batch.append(record)
            size += points
        else:
            yield [record]
    if batch:
        yield batch


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def first_line(error: Exception) -> str:
    """The beginning of what an error says."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
