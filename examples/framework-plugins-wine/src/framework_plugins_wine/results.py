"""What runs on the wine data came to: a small table beside the runs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

FILE = "wine.csv"
METRIC = "test/accuracy"


class Result(NamedTuple):
    """One run."""

    run: str
    model: str
    accuracy: float


def add(result: Result, path: Path) -> None:
    """Add one run to the table."""
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(result)


def best(path: Path) -> list[Result]:
    """Every run of the table, the best first."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [Result(run, model, float(accuracy)) for run, model, accuracy in csv.reader(file)]
    return sorted(rows, key=lambda row: row.accuracy, reverse=True)
