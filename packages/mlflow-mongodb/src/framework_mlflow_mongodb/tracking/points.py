"""Metric points in columns: one document holds the steps, timestamps and values of a key that came together."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from mlflow.entities import Metric

from framework_mlflow_mongodb.connection import Document

POINTS_PER_CHUNK = 1000
# What MLflow's SQL stores keep instead of infinities; clients see the same numbers from this store.
_LARGEST = sys.float_info.max


class Point(NamedTuple):
    """One value of a metric; the order is that of 'later' in MLflow, where NaN counts as 0."""

    step: int
    timestamp: int
    value: float
    is_nan: bool = False

    @classmethod
    def of(cls, metric: Metric) -> Point:
        """Return the point of a metric as MLflow's stores keep it."""
        return cls.of_numbers(int(metric.step), int(metric.timestamp), float(metric.value))

    @classmethod
    def of_numbers(cls, step: int, timestamp: int, value: float) -> Point:
        """Return the point of numbers as MLflow's stores keep them."""
        if -_LARGEST <= value <= _LARGEST:
            return cls(step, timestamp, value)
        if math.isnan(value):
            return cls(step, timestamp, 0.0, True)
        return cls(step, timestamp, math.copysign(_LARGEST, value))

    @property
    def number(self) -> float:
        """The value as users see it."""
        return math.nan if self.is_nan else self.value

    @property
    def rank(self) -> list[float]:
        """What the run keeps to know which point of a key is the latest."""
        return [self.step, self.timestamp, self.value]


def chunks(run_id: str, key: str, points: list[Point]) -> list[Document]:
    """Return the documents of `points` of one key; the same points make the same `_id`, so a repeat is known."""
    return [_chunk(run_id, key, points[i : i + POINTS_PER_CHUNK]) for i in range(0, len(points), POINTS_PER_CHUNK)]


def _chunk(run_id: str, key: str, points: list[Point]) -> Document:
    steps = [point.step for point in points]
    columns = [
        _pack("q", steps),
        _pack("q", [point.timestamp for point in points]),
        _pack("d", [point.number for point in points]),
    ]
    digest = blake2b(f"{run_id}\0{key}\0".encode(), digest_size=16)
    for column in columns:
        digest.update(column)
    return {
        "_id": digest.digest(),
        "r": run_id,
        "k": key,
        "lo": min(steps),
        "hi": max(steps),
        "n": len(points),
        "s": columns[0],
        "ts": columns[1],
        "v": columns[2],
    }


def unpack(documents: Iterable[Document]) -> tuple[array[int], array[int], array[float]]:
    """Return the steps, timestamps and values of all chunks, one after the other."""
    steps, timestamps, values = array("q"), array("q"), array("d")
    for document in documents:
        steps.frombytes(document["s"])
        timestamps.frombytes(document["ts"])
        values.frombytes(document["v"])
    if sys.byteorder == "big":
        for column in (steps, timestamps, values):
            column.byteswap()
    return steps, timestamps, values


def _pack(kind: str, numbers: list[int] | list[float]) -> bytes:
    column = array(kind, numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
