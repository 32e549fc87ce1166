"""A log of what was asked and answered: a line of JSON each, whole or not there, and nobody waits for it."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import math
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import zip_longest
from pathlib import Path
from typing import Any

from framework_core.serving.features import predicted
from framework_core.serving.limits import MEGABYTE
from framework_core.serving.model import RawFile, ServedModel
from framework_core.serving.processing import Array, Row

FILE = "predictions.jsonl"
"""The log in a folder."""

FIELDS = ("features", "prediction", "answer", "input", "file")
"""What a line may hold: statistics of the input, what was said without texts, all that was said, the input itself as
text or in base64, the name of the file as it was sent."""

USUAL = ("features", "prediction")
"""What it holds where nobody says otherwise: nothing that a person wrote."""

MOST_WAITING = 1000
"""Answers that wait to be written; with more, some are left out, and counted."""

AT_THE_END = 5.0
"""Seconds in which a server that ends writes what is left."""

KEPT = 4
"""Full files beside the one that is written."""

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class _Answered:
    """An answer that is to be written.

    Attributes:
        when: Seconds since 1970.
        model: What answered.
        features: Gives the features of each sample; it is asked in the thread that writes.
        rows: What was said.
        file: What was asked, where it was a file.
        inputs: What was asked, where it was numbers.
    """

    when: float
    model: ServedModel
    features: Callable[[], Sequence[Mapping[str, float]]]
    rows: Sequence[Row]
    file: RawFile | None = None
    inputs: Array | None = None


class PredictionLog:
    """Writes a share of all answers.

    Args:
        place: A file, or a folder in which ``predictions.jsonl`` is written.
        share: The share of answers that is kept, from 0 to 1.
        fields: What a line holds, of ``FIELDS``.
        size: Megabytes of a file; a full one is set aside as ``.1``, and four of those are kept.
        left_out: Called for each answer that could not be written.

    Raises:
        OSError: The place cannot be written.
    """

    def __init__(
        self,
        place: Path,
        *,
        share: float = 1.0,
        fields: Collection[str] = USUAL,
        size: float = 100.0,
        left_out: Callable[[], None] = lambda: None,
    ) -> None:
        self.file = place / FILE if place.is_dir() else place
        self._share = share
        self._fields = frozenset(fields)
        self._size = int(size * MEGABYTE)
        self._left_out = left_out
        self._waiting: queue.Queue[_Answered | None] = queue.Queue(MOST_WAITING)
        self._said: set[str] = set()
        self._handle = _opened(self.file)
        self._thread = threading.Thread(target=self._work, name="predictions", daemon=True)
        self._thread.start()

    def answered(self, model: ServedModel, file: RawFile, prepared: Any, rows: Sequence[Row]) -> None:
        """Note the answer to a file."""
        self._note(_Answered(time.time(), model, lambda: model.features(prepared), rows, file=file))

    def computed(self, model: ServedModel, inputs: Array, outputs: Mapping[str, Array]) -> None:
        """Note the outputs for prepared inputs, each by itself."""
        for index, each in enumerate(inputs):
            row = {name: values[index].tolist() for name, values in outputs.items()}
            self._note(_Answered(time.time(), model, _features(model, each), [row], inputs=each))

    def close(self) -> None:
        """Write what is left, if it does not take long."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
            self._thread.join(AT_THE_END)

    def _note(self, answer: _Answered) -> None:
        if random.random() >= self._share:
            return
        try:
            self._waiting.put_nowait(answer)
        except queue.Full:
            self._fail("more is answered than can be written")

    def _work(self) -> None:
        while (answer := self._waiting.get()) is not None:
            try:
                self._write(self._lines(answer))
            except Exception as error:  # noqa: BLE001  # whatever it is, the server goes on
                self._fail(str(getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"))

    def _fail(self, why: str) -> None:
        self._left_out()
        if why not in self._said:
            self._said.add(why)
            _log.warning("Some answers are not in %s: %s", self.file, why)

    def _lines(self, answer: _Answered) -> bytes:
        head = {
            "time": datetime.fromtimestamp(answer.when, timezone.utc).isoformat(timespec="milliseconds"),
            "model": answer.model.name,
            "version": answer.model.version,
            "run": answer.model.about.get("run_id", ""),
        }
        features: Sequence[Mapping[str, Any]] = answer.features() if "features" in self._fields else ()
        nothing: Mapping[str, Any] = {}
        rows = answer.rows if self._fields - {"features"} or not features else ()
        pairs = zip_longest(features, rows, fillvalue=nothing)
        return b"".join(self._line(head, answer, inputs, row) for inputs, row in pairs)

    def _line(
        self, head: Mapping[str, Any], answer: _Answered, features: Mapping[str, Any], row: Mapping[str, Any]
    ) -> bytes:
        line = dict(head)
        if "features" in self._fields:
            line["features"] = features
        if "prediction" in self._fields:
            line["prediction"] = predicted(row, answer.model.about.get("class_names", ()))
        if "answer" in self._fields:
            line["answer"] = row
        if "input" in self._fields:
            line["input"] = _input(answer)
        if "file" in self._fields:
            line["file"] = answer.file.name if answer.file else ""
        return json.dumps(_finite(line), ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    def _write(self, lines: bytes) -> None:
        """Whole lines by one call: a process that is killed leaves all of them or none."""
        if os.fstat(self._handle).st_size + len(lines) > self._size and os.fstat(self._handle).st_size:
            self._set_aside()
        written = os.write(self._handle, lines)
        if written < len(lines):
            os.ftruncate(self._handle, os.fstat(self._handle).st_size - written)
            raise OSError("the disk is full")

    def _set_aside(self) -> None:
        for number in range(KEPT, 0, -1):
            older = self.file.with_name(f"{self.file.name}.{number}")
            newer = self.file if number == 1 else self.file.with_name(f"{self.file.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        os.close(self._handle)
        self._handle = _opened(self.file)


def _features(model: ServedModel, inputs: Array) -> Callable[[], Sequence[Mapping[str, float]]]:
    return lambda: [model.features_of(inputs)]


def _opened(file: Path) -> int:
    """The end of a file; a line that was broken off there is ended."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        os.write(handle, b"\n")
    return handle


def _input(answer: _Answered) -> Any:
    if answer.file is None:
        return None if answer.inputs is None else answer.inputs.tolist()
    if answer.file.suffix in (".png", ".jpg", ".jpeg", ".wav", ".flac"):
        return base64.b64encode(answer.file.content).decode()
    try:
        return answer.file.content.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(answer.file.content).decode()


def _finite(value: Any) -> Any:
    """The same with nothing where a number is none: JSON has no word for it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
