"""What is known of a run: from its folder, and from the store what is not there."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from framework_core.config.saved import as_text, flattened
from framework_core.errors import FrameworkError, RunNotFoundError, TrackingError
from framework_core.model_registry.stored_run import StoredFiles, stored_run
from framework_core.tracking.here import Followed, has_journal
from framework_core.tracking.journal import FILES, FOLDER, SYSTEM, read
from framework_core.tracking.lookup import CONFIG, DATA, RESAMPLED, RUNS, STEPS, RunRecord, find_run
from framework_core.tracking.runs import TAG_STATUS

INTERVALS, PER_CLASS, ENVIRONMENT, DIFF = (
    "intervals.json",
    "tables/per_class.csv",
    "environment.json",
    "code/uncommitted.diff",
)
COMMIT = "mlflow.source.git.commit"

OF_THE_TEST = "test/"

Curve = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class RecordedRun:
    """A run.

    Attributes:
        name: Its name.
        run_id: Its id.
        status: How it stands.
        seconds: How long it took; nothing where that is not known.
        settings: Every setting as it would be typed, by its dotted path.
        metrics: The last value of each; none of the use of the machine.
        curves: The points of each.
        usage: The points of each measure of the use of the machine.
        intervals: The 95 % interval of metrics of the test.
        resampled: The test drawn again many times; nothing where it was not.
        per_class: A row for each class, where there is such a table.
        data: What its data was.
        packages: Each package with its version; nothing where that is not known.
        machine: What it ran on; nothing where that is not known.
        steps: What its steps took and waited for; nothing where that is not known.
        commit: The commit; empty outside a repository.
        diff: What was not committed.
    """

    name: str
    run_id: str
    status: str
    seconds: float | None
    settings: Mapping[str, str]
    metrics: Mapping[str, float]
    curves: Mapping[str, Curve]
    usage: Mapping[str, Curve]
    intervals: Mapping[str, tuple[float, float]]
    resampled: Mapping[str, Any] | None
    per_class: Sequence[Mapping[str, str]]
    data: Mapping[str, Any]
    packages: Mapping[str, str]
    machine: Mapping[str, str]
    steps: Mapping[str, Any]
    commit: str
    diff: str


class RunFiles(Protocol):
    """The files that a run has left."""

    def read(self, path: str, /) -> bytes:
        """A file; nothing in it where there is none."""

    def names(self, folder: str, /) -> list[str]:
        """The files of a folder."""


@dataclass(frozen=True)
class _Facts:
    status: str
    seconds: float | None
    curves: Mapping[str, Curve]
    commit: str


@dataclass(frozen=True)
class _Here:
    """Files in a run's folder; the record of its start is moved to its store.

    Args:
        record: The run.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are.
    """

    record: RunRecord
    tracking_uri: str
    output_dir: Path

    def read(self, path: str, /) -> bytes:
        for place in (self.record.directory / path, self.record.directory / FOLDER / FILES / path):
            if place.is_file():
                return place.read_bytes()
        if path not in (ENVIRONMENT, DIFF):
            return b""
        try:
            with _stored(str(self.record.directory), self.tracking_uri, self.output_dir) as (_, _, files):
                return files.read(path)
        except FrameworkError:
            # The run is in no store yet, or its store is away: the comparison goes without.
            return b""

    def names(self, folder: str, /) -> list[str]:
        place = self.record.directory / folder
        return sorted(each.name for each in place.iterdir()) if place.is_dir() else []


def read_run(run: str, *, tracking_uri: str = "", output_dir: Path | None = None) -> RecordedRun:
    """Everything that is known of a run.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``; in a store that is named also one whose
            folder is not here.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run.
        TrackingError: The store cannot be used, and the run is not here; or what is kept of it is damaged.
    """
    with open_run(run, tracking_uri=tracking_uri, output_dir=output_dir) as (recorded, _):
        return recorded


@contextmanager
def open_run(
    run: str, *, tracking_uri: str = "", output_dir: Path | None = None
) -> Iterator[tuple[RecordedRun, RunFiles]]:
    """The same, and its files."""
    output_dir = output_dir or RUNS
    record = _record(run, output_dir)
    if record is not None and (has_journal(record) or not record.tracking_uri):
        files = _Here(record, tracking_uri, output_dir)
        yield _read(record.name, record.run_id, _facts_of_folder(record), files), files
        return
    with _stored(run, tracking_uri, output_dir) as (client, found, stored):
        yield _read(found.info.run_name or run, found.info.run_id, _facts_of_store(client, found), stored), stored


@contextmanager
def _stored(run: str, tracking_uri: str, output_dir: Path) -> Iterator[tuple[Any, Any, StoredFiles]]:
    with tempfile.TemporaryDirectory() as folder, stored_run(run, tracking_uri, output_dir) as (client, _, found):
        yield client, found, StoredFiles(client, found.info.run_id, Path(folder))


def _record(run: str, output_dir: Path) -> RunRecord | None:
    try:
        return find_run(run, output_dir=output_dir)
    except RunNotFoundError:
        # The store that was named may have it; it says so itself where it has none.
        return None


def _facts_of_folder(record: RunRecord) -> _Facts:
    if not has_journal(record):
        return _Facts(record.status, None, {}, "")  # it was recorded nowhere
    followed = Followed(record)
    followed.look()
    row = followed.watched.row
    first = next((each for each in read(record.directory / FOLDER) if each.kind == "run"), None)
    commit = "" if first is None else str(first.body["tags"].get(COMMIT, ""))
    return _Facts(row.status, row.seconds, followed.watched.curves, commit)


def _facts_of_store(client: Any, found: Any) -> _Facts:
    info, data = found.info, found.data
    curves = {name: _history(client, info.run_id, name) for name in data.metrics}
    seconds = (info.end_time - info.start_time) / 1000 if info.end_time and info.start_time else None
    status = data.tags.get(TAG_STATUS, "") or info.status.lower()
    return _Facts(status, seconds, curves, data.tags.get(COMMIT, ""))


def _history(client: Any, run_id: str, name: str) -> Curve:
    """The points of a curve. Those of the test stand there twice: a model that is logged has them too, at step 0."""
    points = [(each.step, each.value) for each in client.get_metric_history(run_id, name)]
    own = [point for point in points if point[0] > 0]
    return own if own and name.startswith(OF_THE_TEST) else points


def _read(name: str, run_id: str, facts: _Facts, files: RunFiles) -> RecordedRun:
    settings = flattened(yaml.safe_load(files.read(CONFIG) or b"{}"))
    environment = _json(files.read(ENVIRONMENT), name)
    own = {key: curve for key, curve in facts.curves.items() if not key.startswith(SYSTEM)}
    return RecordedRun(
        name=name,
        run_id=run_id,
        status=facts.status,
        seconds=facts.seconds,
        settings={key: as_text(value) for key, value in settings.items()},
        metrics={key: curve[-1][1] for key, curve in own.items() if curve},
        curves=own,
        usage={key.removeprefix(SYSTEM): curve for key, curve in facts.curves.items() if key.startswith(SYSTEM)},
        intervals={
            key: (_number(low), _number(high)) for key, (low, high) in _json(files.read(INTERVALS), name).items()
        },
        resampled=_json(files.read(RESAMPLED), name) or None,
        per_class=rows_of(files.read(PER_CLASS)),
        data=_json(files.read(DATA), name),
        packages=environment.get("packages", {}),
        machine=environment.get("machine", {}),
        steps=_json(files.read(STEPS), name),
        commit=facts.commit,
        diff=files.read(DIFF).decode(),
    )


def rows_of(table: bytes) -> list[dict[str, str]]:
    """The rows of a table in CSV."""
    return list(csv.DictReader(io.StringIO(table.decode("utf-8"))))


def _json(text: bytes, run: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text or b"{}"))
    except ValueError as error:
        raise TrackingError(run, f"what is kept of this run is damaged: {error}") from error


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
