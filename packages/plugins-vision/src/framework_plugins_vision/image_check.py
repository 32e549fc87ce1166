"""Checking image files before training, each once: the answer is kept for files that do not change."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from framework_core.cache import cache_folder
from framework_plugins_vision import reading

PATIENCE_SECONDS = 2.0
"""A check that takes longer says so."""

_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_TAIL = 4096
"""Bytes at the end of a file in which its end mark is looked for."""

_log = logging.getLogger("framework_core")


def check_images(folder: Path, paths: Sequence[Path], *, verify: str) -> tuple[dict[Path, str], dict[Path, str]]:
    """Look whether images can be read.

    Args:
        folder: The folder they are in; names what is kept.
        paths: The images.
        verify: ``full`` decodes each, ``quick`` looks at its beginning and end, ``none`` at its size only.

    Returns:
        A digest of each readable image (of its content, or of its size where not ``full``), and the reason for each
        that is not.
    """
    full = verify == "full"
    known = _known(folder) if full else {}
    digests: dict[Path, str] = {}
    unreadable: dict[Path, str] = {}
    to_check = []
    for path in paths:
        mark = _mark(path)
        before = known.get(str(path))
        if before is not None and before[:2] == mark:
            digests[path] = str(before[2])
        else:
            to_check.append(path)
    started = time.monotonic()
    said = False
    # The filter of warnings belongs to the process, not to a thread: it is set here, and not where they arise.
    with reading.quiet(), ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        answers = pool.map(_METHODS[verify], to_check)
        for number, (path, (digest, why)) in enumerate(zip(to_check, answers, strict=True), 1):
            if why:
                unreadable[path] = why
            else:
                digests[path] = digest
            if not said and time.monotonic() - started > PATIENCE_SECONDS:
                said = True
                hint = " (once; quicker: dataset.verify=quick)" if full else ""
                _log.info("checking %s images, %s done%s", f"{len(to_check):,}", f"{number:,}", hint)
    if full and to_check:
        _keep(folder, {str(path): [*_mark(path), digests[path]] for path in paths if path in digests})
    return digests, unreadable


def _decoded(path: Path) -> tuple[str, str]:
    """The digest of an image's content, or why it cannot be decoded."""
    try:
        content = path.read_bytes()
        reading.pixels(content, 3)
    except reading.UNREADABLE as error:
        return "", reading.reason(error)
    return hashlib.sha256(content).hexdigest(), ""


def _looked_at(path: Path) -> tuple[str, str]:
    """The size of an image file that begins and ends as its format does, or what is wrong."""
    try:
        size = path.stat().st_size
        with Image.open(path) as image:
            end = _ENDS.get(image.format or "")
        with path.open("rb") as file:
            file.seek(max(0, size - _TAIL))
            tail = file.read()
    except reading.UNREADABLE as error:
        return "", reading.reason(error)
    if end is not None and end not in tail:
        return "", "it is cut short"
    return str(size), ""


def _listed(path: Path) -> tuple[str, str]:
    """The size of a file that is there."""
    try:
        return str(path.stat().st_size), ""
    except OSError as error:
        return "", reading.reason(error)


_METHODS = {"full": _decoded, "quick": _looked_at, "none": _listed}


def _mark(path: Path) -> list[int]:
    """What changes when a file changes."""
    try:
        status = path.stat()
    except OSError:
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]


def _known(folder: Path) -> dict[str, list[int | str]]:
    try:
        found: dict[str, list[int | str]] = json.loads(_store(folder).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _keep(folder: Path, answers: dict[str, list[int | str]]) -> None:
    """Keep the answers; a cache that cannot be written costs the next check's time and nothing else."""
    path = _store(folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(answers), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        _log.info("the check of the images is not kept: %s", error)


def _store(folder: Path) -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:24]
    return cache_folder() / "images" / f"{name}.json"
