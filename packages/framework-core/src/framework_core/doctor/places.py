"""The folders a run writes to: whether it can, and how much is free."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from framework_core.cache import CACHE, cache_folder
from framework_core.doctor.finding import Finding, State
from framework_core.errors import quoted

GIB = 2**30
LITTLE = 5 * GIB
TOO_LITTLE = 200 * 2**20


def places(output_dir: Path) -> Iterator[Finding]:
    """The working directory, the folder of runs, the cache and the temporary folder.

    Args:
        output_dir: The folder in which runs make their folders.
    """
    elsewhere = "fw train output_dir=FOLDER mlops.tracking.uri=sqlite:////FOLDER/mlflow.db ..."
    needed: dict[str, tuple[Path, State, str]] = {
        "working directory": (Path.cwd(), "problem", elsewhere),
        "folder of runs": (output_dir.absolute(), "problem", "fw train output_dir=FOLDER ..."),
        "cache": (cache_folder().absolute(), "warning", f"export {CACHE}=FOLDER"),
        "temporary folder": (_temporary_folder(), "problem", "export TMPDIR=FOLDER"),
    }
    free: dict[int, tuple[str, Path]] = {}
    wrong = False
    for what, (folder, state, otherwise) in needed.items():
        there = _nearest(folder)
        cause = _cannot_write(there)
        if cause:
            wrong = True
            yield Finding("folders", state, f"{what} {there}: {cause}", _mend(there, otherwise))
        else:
            free.setdefault(there.stat().st_dev, (what, there))
    if not wrong:
        yield Finding("folders", "ok", ", ".join(needed).capitalize() + " can be written")
    for what, folder in free.values():
        yield _disk(what, folder)


def _temporary_folder() -> Path:
    """Where temporary files go; the folder that was chosen where none can be written at all."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return Path(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108  # it is looked at, not written to


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there: in that one it would be made."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _cannot_write(folder: Path) -> str:
    """Why nothing can be written there; found by writing, because permissions do not tell all."""
    if not folder.is_dir():
        return "is a file, not a folder"
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".fw-doctor-") as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        return f"cannot be written: {error.strerror or error}"
    return ""


def _mend(folder: Path, otherwise: str) -> str:
    own = hasattr(os, "getuid") and folder.is_dir() and folder.stat().st_uid == os.getuid()
    closed = own and not folder.stat().st_mode & 0o200
    return f"chmod u+w {quoted(str(folder))}" if closed else otherwise


def _disk(what: str, folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    detail = f"{usage.free / GIB:,.1f} of {usage.total / GIB:,.1f} GiB are free where the {what} is: {folder}"
    if usage.free >= LITTLE:
        return Finding("folders", "ok", detail)
    mend = f"du -sh {quoted(str(folder))}/* | sort -h | tail  # what fills it"
    return Finding("folders", "problem" if usage.free < TOO_LITTLE else "warning", detail, mend)
