"""Reading the log of a server: whole lines of one model, whatever else is in it."""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.errors import DataError, quoted
from framework_core.serving.prediction_log import FILE

MOST_LINES = 200_000
"""Answers that are looked at; of more the newest."""

HEAD = ("time", "model", "run")


@dataclass(frozen=True)
class Answered:
    """What was asked and answered.

    Attributes:
        features: A row for each input: numbers by name; a missing one is ``None``.
        predictions: A row for each answer: numbers and names of classes.
        first: The time of the first; empty where nobody noted it.
        last: The time of the last.
        left_out: How many lines are of other runs.
        broken: How many lines cannot be read.
        older: How many answers of the run are older than those that are looked at.
    """

    features: list[dict[str, Any]]
    predictions: list[dict[str, Any]]
    first: str = ""
    last: str = ""
    left_out: int = 0
    broken: int = 0
    older: int = 0


def is_log(place: Path) -> bool:
    """Whether a file or a folder is a log."""
    files = files_of(place)
    if not files:
        return False
    with files[-1].open(encoding="utf-8", errors="replace") as lines:
        return any(_parsed(line) is not None for line, _ in zip(lines, range(3), strict=False))


def files_of(place: Path) -> list[Path]:
    """The files of a log, the oldest first."""
    newest = place / FILE if place.is_dir() else place
    if not newest.is_file():
        return []
    aside = sorted(newest.parent.glob(f"{newest.name}.[0-9]"), reverse=True) if place.is_dir() else []
    return [*aside, newest]


def read_log(place: Path, run_ids: Collection[str]) -> Answered:
    """The answers of a run in a log.

    Args:
        place: A file; or a folder, with what was set aside in it.
        run_ids: What the run is called there.

    Raises:
        DataError: It holds no answer of the run, or cannot be read.
    """
    own: deque[dict[str, Any]] = deque(maxlen=MOST_LINES)
    count = 0
    others: Counter[str] = Counter()
    broken = 0
    for line in _lines(place):
        parsed = _parsed(line)
        if parsed is None:
            broken += 1
        elif str(parsed["run"]) in run_ids:
            own.append(parsed)
            count += 1
        else:
            others[f"{parsed['model']} (run {parsed['run'] or 'unknown'})"] += 1
    if not own:
        raise _nothing(place, others, broken)
    times = sorted(str(line["time"]) for line in own)
    return Answered(
        features=_rows(own, "features"),
        predictions=_rows(own, "prediction"),
        first=times[0],
        last=times[-1],
        left_out=others.total(),
        broken=broken,
        older=count - len(own),
    )


def _lines(place: Path) -> Iterator[str]:
    try:
        for file in files_of(place):
            with file.open(encoding="utf-8", errors="replace") as lines:
                yield from (line for line in lines if line.strip())
    except OSError as error:
        raise DataError(f"The log {place} cannot be read: {(error.strerror or str(error)).lower()}.") from error


def _parsed(line: str) -> dict[str, Any] | None:
    """A line; nothing where it is broken, as the last one of a machine that lost its power."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and all(key in found for key in HEAD) else None


def _rows(lines: Iterable[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    """A part of each line that has it: of a file that makes several inputs and one answer, most have one part alone."""
    return [_plain(line[part]) for line in lines if isinstance(line.get(part), dict) and line[part]]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers and names; nothing where there is something else, or a number that is none."""
    return {
        name: value if isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value)) else None
        for name, value in values.items()
    }


def _nothing(place: Path, others: Counter[str], broken: int) -> DataError:
    if others:
        held = "; ".join(f"{count:,} of {name}" for name, count in others.most_common(3))
        return DataError(
            f"The log {place} has no answer of this run.",
            paths=[place],
            possible=f"It has {held}.",
            next_step="Name the run whose answers they are: fw drift RUN LOG",
        )
    why = f"none of its {broken:,} lines is one of a server's" if broken else "it is empty"
    return DataError(
        f"The log {place} has no answers: {why}.",
        paths=[place],
        possible="A server writes one: fw serve RUN --log FILE",
        next_step=f"See what is in it: head {quoted(str(place))}",
    )
