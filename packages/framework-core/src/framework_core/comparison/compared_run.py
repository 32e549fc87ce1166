"""What is known of a run that is compared with others: from its folder, and from the store what is not there."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from framework_core.config.saved import as_text, flattened
from framework_core.errors import FrameworkError, RunNotFoundError, TrackingError
from framework_core.model_registry.stored_run import stored_run
from framework_core.tracking.here import Followed, has_journal
from framework_core.tracking.journal import FILES, FOLDER, SYSTEM
from framework_core.tracking.lookup import CONFIG, DATA, RESAMPLED, RUNS, RunRecord, find_run
from framework_core.tracking.runs import TAG_STATUS

INTERVALS, PER_CLASS, ENVIRONMENT, DIFF = (
    "intervals.json",
    "tables/per_class.csv",
    "environment.json",
    "code/uncommitted.diff",
)
COMMIT = "mlflow.source.git.commit"

Curve = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class ComparedRun:
    """A run.

    Attributes:
        name: Its name.
        run_id: Its id.
        status: How it stands.
        seconds: How long it took; nothing where that is not known.
        settings: Every setting as it would be typed, by its dotted path.
        metrics: The last value of each; none of the use of the machine.
        curves: The points of each.
        intervals: The 95 % interval of metrics of the test.
        resampled: The test drawn again many times; nothing where it was not.
        per_class: A row for each class, where there is such a table.
        data: What its data was.
        packages: Each package with its version; nothing where that is not known.
        machine: What it ran on; nothing where that is not known.
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
    intervals: Mapping[str, tuple[float, float]]
    resampled: Mapping[str, Any] | None
    per_class: Sequence[Mapping[str, str]]
    data: Mapping[str, Any]
    packages: Mapping[str, str]
    machine: Mapping[str, str]
    commit: str
    diff: str


@dataclass(frozen=True)
class _Facts:
    status: str
    seconds: float | None
    metrics: Mapping[str, float]
    curves: Mapping[str, Curve]
    commit: str


def read_compared(run: str, *, tracking_uri: str = "", output_dir: Path | None = None) -> ComparedRun:
    """Everything that is known of a run.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``; in a store that is named also one whose
            folder is not here.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run.
        TrackingError: The store cannot be used, and the run is not here.
    """
    output_dir = output_dir or RUNS
    record = _record(run, output_dir)
    if record is not None and has_journal(record):
        return _from_folder(record, tracking_uri, output_dir)
    with tempfile.TemporaryDirectory() as folder, stored_run(run, tracking_uri, output_dir) as (client, _, found):
        text = _text_in_store(client, found.info.run_id, Path(folder))
        return _compared(found.info.run_name or run, found.info.run_id, _facts_of_store(client, found), text)


def _record(run: str, output_dir: Path) -> RunRecord | None:
    try:
        return find_run(run, output_dir=output_dir)
    except RunNotFoundError:
        # The store that was named may have it; it says so itself where it has none.
        return None


def _from_folder(record: RunRecord, tracking_uri: str, output_dir: Path) -> ComparedRun:
    followed = Followed(record)
    followed.look()
    row, curves = followed.watched.row, followed.watched.curves
    metrics = {name: value for name, value in row.metrics.items() if not name.startswith(SYSTEM)}
    own = {name: points for name, points in curves.items() if not name.startswith(SYSTEM)}
    tags = _tags(record)
    facts = _Facts(row.status, row.seconds, metrics, own, str(tags.get(COMMIT, "")))
    with tempfile.TemporaryDirectory() as folder:
        text = _text_here(record, _text_of_its_store(record, tracking_uri, output_dir, Path(folder)))
        return _compared(record.name, record.run_id, facts, text)


def _tags(record: RunRecord) -> Mapping[str, Any]:
    from framework_core.tracking.journal import read

    first = next((each for each in read(record.directory / FOLDER) if each.kind == "run"), None)
    return {} if first is None else dict(first.body["tags"])


def _text_here(record: RunRecord, otherwise: Callable[[str], str]) -> Callable[[str], str]:
    """A file of the run's folder, or of its store where it was sent there and removed."""

    def text(path: str) -> str:
        for place in (record.directory / path, record.directory / FOLDER / FILES / path):
            if place.is_file():
                return place.read_text("utf-8")
        # What a run leaves at its end stands in its folder; the record of its start is moved to the store.
        return otherwise(path) if path in (ENVIRONMENT, DIFF) else ""

    return text


def _text_of_its_store(record: RunRecord, tracking_uri: str, output_dir: Path, folder: Path) -> Callable[[str], str]:
    def text(path: str) -> str:
        try:
            with stored_run(str(record.directory), tracking_uri, output_dir) as (client, _, found):
                return _text_in_store(client, found.info.run_id, folder)(path)
        except FrameworkError:
            return ""

    return text


def _text_in_store(client: Any, run_id: str, folder: Path) -> Callable[[str], str]:
    def text(path: str) -> str:
        parent = path.rpartition("/")[0]
        if path not in {each.path for each in client.list_artifacts(run_id, parent or None)}:
            return ""
        return Path(client.download_artifacts(run_id, path, str(folder))).read_text("utf-8")

    return text


def _facts_of_store(client: Any, found: Any) -> _Facts:
    info, data = found.info, found.data
    names = [name for name in data.metrics if not name.startswith(SYSTEM)]
    curves = {
        name: [(point.step, point.value) for point in client.get_metric_history(info.run_id, name)] for name in names
    }
    seconds = (info.end_time - info.start_time) / 1000 if info.end_time and info.start_time else None
    status = data.tags.get(TAG_STATUS, "") or info.status.lower()
    return _Facts(status, seconds, {name: data.metrics[name] for name in names}, curves, data.tags.get(COMMIT, ""))


def _compared(name: str, run_id: str, facts: _Facts, text: Callable[[str], str]) -> ComparedRun:
    settings = flattened(yaml.safe_load(text(CONFIG) or "{}"))
    environment = _json(text(ENVIRONMENT), name)
    intervals = _json(text(INTERVALS), name)
    return ComparedRun(
        name=name,
        run_id=run_id,
        status=facts.status,
        seconds=facts.seconds,
        settings={key: as_text(value) for key, value in settings.items()},
        metrics=facts.metrics,
        curves=facts.curves,
        intervals={key: (_number(low), _number(high)) for key, (low, high) in intervals.items()},
        resampled=_json(text(RESAMPLED), name) or None,
        per_class=list(csv.DictReader(io.StringIO(text(PER_CLASS)))),
        data=_json(text(DATA), name),
        packages=environment.get("packages", {}),
        machine=environment.get("machine", {}),
        commit=facts.commit,
        diff=text(DIFF),
    )


def _json(text: str, run: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text or "{}"))
    except ValueError as error:
        raise TrackingError(run, f"what is kept of this run is damaged: {error}") from error


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
