"""Runs put side by side."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from framework_core.errors import UsageError
from framework_core.reports.recorded_run import RecordedRun, read_run
from framework_core.reports.verdicts import Trial, Verdict, by_samples, by_seeds, trials_of

COMMAND = "fw runs compare"

ABSENT = "-"
"""What stands for something that a run does not have."""

HARDWARE = ("python", "processor", "cores", "gpus", "cuda", "platform")


@dataclass(frozen=True)
class ClassRow:
    """A class, and how well each run does at it.

    Attributes:
        name: The class.
        f1: The F1 score of each run.
        apart: How far the best lies above the worst.
    """

    name: str
    f1: tuple[float, ...]
    apart: float


@dataclass(frozen=True)
class Comparison:
    """In what runs differ.

    Attributes:
        runs: The runs, in the order in which they were named.
        settings: The settings that are not the same in all, with the value of each run.
        data: The same of facts of their data.
        environment: The same of packages and the machine; of runs where that is known.
        code: The same of the commit; ``diff`` stands for what was not committed.
        metrics: Metrics with the last value of each run, those of the test first; nothing where a run has none.
        verdicts: Each run against the first, by draws of the same test; trials against the first by their seeds.
        undecided: Why there is no verdict by draws, of each run after the first.
        trials: Runs that differ in their seed alone.
        classes: Classes with the score of each run, those first that are furthest apart.
    """

    runs: tuple[RecordedRun, ...]
    settings: dict[str, tuple[str, ...]]
    data: dict[str, tuple[str, ...]]
    environment: dict[str, tuple[str, ...]]
    code: dict[str, tuple[str, ...]]
    metrics: dict[str, tuple[float | None, ...]]
    verdicts: tuple[Verdict, ...]
    undecided: dict[str, str]
    trials: tuple[Trial, ...]
    classes: tuple[ClassRow, ...]

    @property
    def code_diff(self) -> str:
        """How what was not committed differs between the first run and each other, as a unified diff."""
        first = self.runs[0]
        parts = (
            difflib.unified_diff(
                first.diff.splitlines(), other.diff.splitlines(), first.name, other.name, lineterm="", n=2
            )
            for other in self.runs[1:]
        )
        return "\n".join(itertools.chain.from_iterable(parts))


def compare(names: Sequence[str], *, tracking_uri: str = "", output_dir: Path | None = None) -> Comparison:
    """Put runs side by side.

    Args:
        names: At least two: an id, the beginning of an id, a name, a folder, or ``last``.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        UsageError: Fewer than two runs, or one twice.
        RunNotFoundError: There is no such run.
        TrackingError: A store cannot be used.
    """
    if len(names) < 2:
        raise UsageError(
            "One run is compared with nothing.", command=COMMAND, possible=f"Name another: {COMMAND} {names[0]} RUN"
        )
    runs = tuple(read_run(name, tracking_uri=tracking_uri, output_dir=output_dir) for name in names)
    if len({run.run_id for run in runs}) < len(runs):
        raise UsageError("A run is compared with itself.", command=COMMAND, possible="The runs: fw runs list")
    decided = {run.name: by_samples(runs[0], run) for run in runs[1:]}
    trials = trials_of(runs)
    verdicts = [verdict for other in trials[1:] for verdict in by_seeds(trials[0], other, runs)]
    verdicts += [verdict for found, _ in decided.values() for verdict in found]
    return Comparison(
        runs=runs,
        settings=_unlike([dict(run.settings) for run in runs]),
        data=_unlike([_data(run) for run in runs]),
        environment=_unlike([_environment(run) for run in runs]) if all(run.packages for run in runs) else {},
        code=_unlike([{"commit": run.commit[:12], "diff": _lines(run.diff)} for run in runs]),
        metrics=_metrics(runs),
        verdicts=tuple(verdicts),
        undecided={name: why for name, (_, why) in decided.items() if why},
        trials=tuple(trials),
        classes=_classes(runs),
    )


def _unlike(tables: Sequence[dict[str, str]]) -> dict[str, tuple[str, ...]]:
    """The rows that are not the same in all."""
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = {key: tuple(table.get(key, ABSENT) or ABSENT for table in tables) for key in keys}
    return {key: row for key, row in rows.items() if len(set(row)) > 1}


def _data(run: RecordedRun) -> dict[str, str]:
    sizes = {f"{split} samples": f"{size:,}" for split, size in run.data.get("split_sizes", {}).items()}
    shown = ("task", "source", "fingerprint")
    return {**{key: str(run.data.get(key, "")) for key in shown}, **sizes}


def _environment(run: RecordedRun) -> dict[str, str]:
    machine = {key: run.machine.get(key, "") for key in HARDWARE}
    return {**machine, **run.packages}


def _lines(diff: str) -> str:
    changed = sum(line.startswith(("+", "-")) and not line.startswith(("+++", "---")) for line in diff.splitlines())
    # Two diffs of as many lines may be others: what tells them apart must not be lost.
    return f"{changed} lines not committed ({sha256(diff.encode()).hexdigest()[:6]})" if diff.strip() else ""


def _metrics(runs: Sequence[RecordedRun]) -> dict[str, tuple[float | None, ...]]:
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    ranked = sorted(names, key=lambda name: (not name.startswith("test/"), not name.startswith("val/")))
    return {name: tuple(run.metrics.get(name) for run in runs) for name in ranked}


def _classes(runs: Sequence[RecordedRun]) -> tuple[ClassRow, ...]:
    tables = [{row["class"]: float(row["f1"]) for row in run.per_class if row.get("f1")} for run in runs]
    shared = [name for name in tables[0] if all(name in table for table in tables)]
    rows = [(name, tuple(table[name] for table in tables)) for name in shared]
    found = [ClassRow(name, scores, max(scores) - min(scores)) for name, scores in rows]
    return tuple(sorted(found, key=lambda row: -row.apart))
