"""Runs of this machine as their journals tell of them: live, whether or not a store has them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from framework_core.tracking.cuts import Cuts
from framework_core.tracking.heartbeat import HEARTBEAT, Heartbeat
from framework_core.tracking.journal import FOLDER, JOURNAL, Record, points_of, read
from framework_core.tracking.lookup import FOLDERS, RunRecord
from framework_core.tracking.runs import RunRow
from framework_core.tracking.watching import Watched

RUNNING = "running"


def running_here(output_dir: Path) -> list[RunRecord]:
    """The runs of a folder that last, and can be followed."""
    beats = sorted(output_dir.glob(f"{FOLDERS}/{HEARTBEAT}"))
    lasting = (RunRecord.read(beat.parent) for beat in beats if Heartbeat(beat.parent).is_alive())
    return [record for record in lasting if has_journal(record)]


def has_journal(record: RunRecord) -> bool:
    """Whether a run can be followed by its journal."""
    return (record.directory / FOLDER / JOURNAL).is_file()


def watch_here(records: Sequence[RunRecord], *, every: float = 1.0) -> Iterator[list[Watched]]:
    """Follow runs by their journals until all of them have ended.

    Args:
        records: Which.
        every: Seconds between two looks.

    Yields:
        All of them, at each look.
    """
    followed = [Followed(record) for record in records]
    while True:
        for each in followed:
            each.look()
        yield [each.watched for each in followed]
        if not any(each.watched.row.is_running for each in followed):
            return
        time.sleep(every)


class Followed:
    """A run whose journal is read as it grows.

    Args:
        record: The run.
    """

    def __init__(self, record: RunRecord) -> None:
        self._folder = record.directory / FOLDER
        self._record = record
        self._offset = 0
        self._started: float | None = None
        self._ended: float | None = None
        self._status = RUNNING
        self._experiment = ""
        self._params: dict[str, str] = {}
        self.watched = Watched(self._row({}, {}))

    def look(self) -> None:
        """Read what is new."""
        # The state first: what the process writes at its end is then not missed.
        alive = Heartbeat(self._record.directory).is_alive()
        before, cut = self._offset, False
        for record in read(self._folder, before):
            self._take(record)
            cut = cut or record.kind == "cut"
        if cut:
            self._read_curves_again()
        if self._status == RUNNING and not alive:
            self._status = RunRecord.read(self._record.directory).status
            self._status = "killed" if self._status == RUNNING else self._status
        last = {name: points[-1] for name, points in self.watched.curves.items() if points}
        row = self._row(
            {name: value for name, (_, value) in last.items()}, {name: step for name, (step, _) in last.items()}
        )
        if self._offset > before or row.status != self.watched.row.status:
            self.watched.changed = time.monotonic()
        self.watched.row = row

    def _take(self, record: Record) -> None:
        self._offset = record.end
        if record.kind == "run":
            self._experiment, self._started = record.body["experiment"], record.body["started"] / 1000
        elif record.kind == "params":
            self._params = record.body["params"]
        elif record.kind == "status":
            self._status = record.body["word"]
            self._ended = None if self._status == RUNNING else record.body["at"] / 1000
        for point in points_of(record):
            self.watched.curves[point.key].append((point.step, point.value))

    def _read_curves_again(self) -> None:
        """All that was read, without what has been taken back."""
        cuts = Cuts(self._read_so_far())
        self.watched.curves.clear()
        for _, point in cuts.kept(self._read_so_far()):
            self.watched.curves[point.key].append((point.step, point.value))

    def _read_so_far(self) -> Iterator[Record]:
        return takewhile(lambda record: record.end <= self._offset, read(self._folder))

    def _row(self, metrics: dict[str, float], steps: dict[str, int]) -> RunRow:
        seconds = None if self._started is None else (self._ended or time.time()) - self._started
        return RunRow(
            run_id=self._record.run_id,
            name=self._record.name,
            experiment=self._experiment,
            status=self._status,
            started=self._started,
            seconds=seconds,
            metrics=metrics,
            steps=steps,
            params=self._params,
            tags={},
        )
