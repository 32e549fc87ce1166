"""How far what a model is asked, and what it answers, has moved from its test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from framework_core.errors import DataError
from framework_core.reports.answer_log import Answered, is_log, read_log
from framework_core.reports.kept_test import kept_test
from framework_core.reports.shift import Shift, Value, shift_of

LOGS = (".jsonl", ".log")
"""Endings of logs; anything else that is none is data."""

FEWEST = 30
"""Samples below which nothing is said to have moved, or not to."""


@dataclass(frozen=True)
class Drift:
    """What was found.

    Attributes:
        run: The name of the run.
        place: What was compared with its test.
        samples: How many of the test, and how many now.
        first: The time of the first of these; empty where it is not known.
        last: The time of the last.
        shifts: Every column, those first that have moved furthest.
        limit: The population stability index above which a column has drifted.
        not_compared: Columns that one side alone has, or too few values of.
        left_out: Lines of the log that are of other runs.
        broken: Lines that cannot be read.
        older: Answers that are not looked at, for there are enough newer ones.
    """

    run: str
    place: str
    samples: tuple[int, int]
    first: str
    last: str
    shifts: tuple[Shift, ...]
    limit: float
    not_compared: tuple[str, ...]
    left_out: int
    broken: int
    older: int

    @property
    def too_few(self) -> bool:
        """Whether there are too few samples to say anything."""
        return not self.shifts

    @property
    def drifted(self) -> tuple[Shift, ...]:
        """The columns that have moved further than the limit, and further than by chance."""
        return tuple(each for each in self.shifts if each.exceeds(self.limit))


def drift(
    run: str, place: Path, *, limit: float = 0.2, tracking_uri: str = "", output_dir: Path | None = None
) -> Drift:
    """Compare what a model was asked and answered with its test.

    Args:
        run: A run: its id, the beginning of it, its name, its folder, or ``last``; or ``NAME@STAGE``, ``NAME/NUMBER``.
        place: The log of a server, or the folder of one; or files that the model is to answer now.
        limit: The population stability index above which a column has drifted.
        tracking_uri: The store; empty takes the one that has the run.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        DataError: The log has no answer of the run; or the run has kept nothing of its test.
        RunNotFoundError: There is no such run.
    """
    if not place.exists():
        raise DataError(
            f"There is no log {place}.", paths=[place], possible="A server writes one: fw serve RUN --log FILE"
        )
    tested = kept_test(run, tracking_uri=tracking_uri, output_dir=output_dir)
    logged = is_log(place) or (place.is_file() and (place.suffix in LOGS or not place.stat().st_size))
    found, embedding = (read_log(place, tested.ids), None) if logged else _answered_now(run, place, output_dir)
    pairs, not_compared = _pairs(tested.kept, found)
    if isinstance(embedding, str):
        not_compared.append(embedding)
    return Drift(
        run=tested.run,
        place=str(place),
        samples=(len(tested.kept["index"]), max(len(found.features), len(found.predictions))),
        first=found.first,
        last=found.last,
        shifts=_shifts(pairs, embedding if isinstance(embedding, Shift) else None),
        limit=limit,
        not_compared=tuple(not_compared),
        left_out=found.left_out,
        broken=found.broken,
        older=found.older,
    )


Part = Literal["features", "predictions"]
Pair = tuple[Part, str, Sequence[Value], Sequence[Value]]


def _answered_now(run: str, place: Path, output_dir: Path | None) -> tuple[Answered, Shift | str]:
    """What the model says of files, as if it had been asked for them, and how far they are from the test inside it."""
    from framework_core.deployment.trained_model import TrainedModel
    from framework_core.prediction import files_in
    from framework_core.reports.embeddings import embedding_shift
    from framework_core.serving.features import predicted
    from framework_core.serving.model import RawFile
    from framework_core.trained import Predictor

    predictor = Predictor(run, output_dir=output_dir)
    model = TrainedModel(predictor)
    files = files_in([place], predictor.suffixes)
    raw = (RawFile(path.read_bytes(), path.suffix.lower(), path.name) for path in files)
    features = [dict(each) for file in raw for each in model.features(file)]
    names = predictor.trained.data.class_names
    rows = [{name: value for name, value in row.items() if name != "path"} for row in predictor.rows(files)]
    embedding = embedding_shift(predictor, predictor.dataset(files), fewest=FEWEST)
    return Answered(features, [dict(predicted(row, names)) for row in rows]), embedding


def _pairs(reference: Mapping[str, Any], found: Answered) -> tuple[list[Pair], list[str]]:
    pairs: list[Pair] = []
    not_compared = []
    parts: tuple[tuple[Part, list[dict[str, Any]]], ...] = (
        ("features", found.features),
        ("predictions", found.predictions),
    )
    for part, rows in parts:
        before = _looked_at(reference["features"] or reference["inputs"]) if part == "features" else reference[part]
        for name in dict.fromkeys([*before, *(name for row in rows for name in row)]):
            then = list(before.get(name, ()))
            now = [row.get(name) for row in rows] if any(name in row for row in rows) else []
            if min(_count(then), _count(now)) < FEWEST:
                not_compared.append(f"{name}: {_count(then)} values of the test, {_count(now)} now")
            else:
                pairs.append((part, name, then, now))
    return pairs, not_compared


def _looked_at(columns: Mapping[str, Sequence[Value]]) -> dict[str, list[Value]]:
    """The features of those samples of the test that were looked at."""
    rows = [row for row in zip(*columns.values(), strict=True) if any(value is not None for value in row)]
    return {name: [row[place] for row in rows] for place, name in enumerate(columns)}


def _count(values: Sequence[Value]) -> int:
    return sum(value is not None for value in values)


def _shifts(pairs: Sequence[Pair], embedding: Shift | None) -> tuple[Shift, ...]:
    found = [shift_of(*pair, columns=len(pairs)) for pair in pairs] + ([embedding] if embedding else [])
    return tuple(sorted(found, key=lambda shift: -shift.psi))
