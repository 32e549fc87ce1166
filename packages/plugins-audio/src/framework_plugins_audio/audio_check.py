"""Checking sound files before training, each once: the answer is kept for files that do not change."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from framework_core.cache import cache_folder
from framework_plugins_audio import reading
from framework_plugins_audio.reading import Header, Place
from framework_plugins_audio.shelves import Shelf

PATIENCE_SECONDS = 2.0
"""A check that takes longer says so."""

_log = logging.getLogger("framework_core")


class Checked(NamedTuple):
    """What a sound file turned out to be."""

    digest: str
    """Of its content; of its size where it was not read whole."""

    rate: int
    channels: int
    frames: int
    silent: bool
    """Whether every sample is 0, as far as it was decoded."""


def check_sounds(
    source: str, shelf: Shelf, names: Sequence[str], *, verify: str
) -> tuple[dict[str, Checked], dict[str, str]]:
    """Look whether sound files can be read.

    Args:
        source: Where they come from; names what is kept.
        shelf: Gives them.
        names: Their names.
        verify: ``full`` decodes each to its end, ``quick`` looks at its beginning.

    Returns:
        What each readable file is, and the reason for each that is not.
    """
    full = verify == "full"
    known = _known(source) if full else {}
    found: dict[str, Checked] = {}
    unreadable: dict[str, str] = {}
    to_check = []
    for name in names:
        before = known.get(name)
        if before is not None and before[0] == _mark(shelf, name):
            found[name] = Checked(*before[1])
        else:
            to_check.append(name)
    started = time.monotonic()
    said = False
    method = _decoded if full else _looked_at
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        answers = pool.map(lambda name: _answer(method, shelf, name), to_check)
        for number, (name, answer) in enumerate(zip(to_check, answers, strict=True), 1):
            if isinstance(answer, str):
                unreadable[name] = answer
            else:
                found[name] = answer
            if not said and time.monotonic() - started > PATIENCE_SECONDS:
                said = True
                hint = " (once; quicker: dataset.verify=quick)" if full else ""
                _log.info("checking  %s sounds, %s done%s", f"{len(to_check):,}", f"{number:,}", hint)
    if full and to_check:
        _keep(source, {name: (_mark(shelf, name), found[name]) for name in names if name in found})
    return found, unreadable


def _answer(method: object, shelf: Shelf, name: str) -> Checked | str:
    try:
        place = shelf.place(name)
        return _decoded(place) if method is _decoded else _looked_at(place)
    except reading.UNREADABLE as error:
        return reading.reason(error)


def _decoded(place: Place) -> Checked:
    sound = reading.decoded(place)
    content = Path(place).read_bytes() if isinstance(place, str) else place.getvalue()
    return _checked(hashlib.sha256(content).hexdigest(), sound.header, silent=sound.silent)


def _looked_at(place: Place) -> Checked:
    size = Path(place).stat().st_size if isinstance(place, str) else place.getbuffer().nbytes
    return _checked(str(size), reading.header(place), silent=False)


def _checked(digest: str, header: Header, *, silent: bool) -> Checked:
    return Checked(digest, header.rate, header.channels, header.frames, silent)


def _mark(shelf: Shelf, name: str) -> list[int]:
    try:
        return shelf.mark(name)
    except OSError:
        return []


def _known(source: str) -> dict[str, tuple[list[int], Any]]:
    try:
        found: dict[str, tuple[list[int], Any]] = json.loads(_store(source).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _keep(source: str, answers: dict[str, tuple[list[int], Checked]]) -> None:
    """Keep the answers; a cache that cannot be written costs the next check's time and nothing else."""
    path = _store(source)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(answers), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        _log.info("the check of the sounds is not kept: %s", error)


def _store(source: str) -> Path:
    name = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return cache_folder() / "sounds" / f"{name}.json"
