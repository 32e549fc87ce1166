"""Downloaded data: a folder for each dataset, in the user's cache, with a size that can be limited."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from framework_core.cache import cache_folder
from framework_core.download import RemoteFile, digest, download, unpack
from framework_core.errors import DataError, near_names

LIMIT = "FRAMEWORK_DATA_SIZE"
"""Environment variable: how much downloaded data is kept, as ``20GB``; what was not used for longest goes first."""

USED = ".used"
"""An empty file in a dataset's folder, touched whenever the data is used."""

PART = ".part"
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Held:
    """The data of a dataset in the cache."""

    name: str
    folder: Path
    size: int
    """Bytes on the disk."""

    used: float
    """When it was last used, in seconds since 1970."""


def data_folder() -> Path:
    """Where downloaded data is kept; it may not be there yet."""
    return cache_folder() / "data"


def fetch(name: str, files: Sequence[RemoteFile]) -> Path:
    """Fetch a dataset's files, as far as they are missing, and unpack its archives.

    Args:
        name: The dataset; names its folder.
        files: What it needs.

    Returns:
        The folder that they are in.

    Raises:
        DataError: One cannot be fetched or unpacked.
    """
    folder = data_folder() / name
    if missing := [file for file in files if not is_here(file, folder)]:
        _make_room(sum(file.size or 0 for file in missing), keep=name)
    for file in missing:
        archive = download(file, folder / file.name)
        if file.folder:
            unpack(archive, folder / file.folder)
    with contextlib.suppress(OSError):
        (folder / USED).touch()
    return folder


def is_here(file: RemoteFile, folder: Path) -> bool:
    """Whether a file is there, unpacked where it is an archive."""
    return (folder / (file.folder or file.name)).exists()


def held() -> list[Held]:
    """The data that is in the cache, by name."""
    folder = data_folder()
    folders = sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    return [Held(each.name, each, size_of(each), _last_used(each)) for each in folders]


def wrong_in(folder: Path, files: Sequence[RemoteFile]) -> list[str]:
    """What is wrong with a dataset's files, one sentence each; empty where they are as they were published.

    An archive that was unpacked is compared with its files one by one.
    """
    found = []
    for file in files:
        path = folder / file.name
        if not path.exists():
            found.append(f"{path} is not here")
        elif (there := digest(path, file.digest.partition(":")[0])) != file.digest:
            found.append(f"{path} is another file: {there} in place of {file.digest}")
        elif file.folder:
            found += _changed_since_unpacked(path, folder / file.folder)
    return found


def remove(name: str) -> int:
    """Remove a dataset's files.

    Returns:
        The bytes that became free.
    """
    folder = data_folder() / name
    size = size_of(folder)
    shutil.rmtree(folder)
    return size


def left_over() -> Iterator[Path]:
    """What interrupted downloads left behind; what a process is at work on is none of it."""
    for each in sorted(data_folder().rglob("*")) if data_folder().is_dir() else ():
        if (each.suffix == PART and not _at_work(each)) or each.name.startswith(".unpacking-"):
            yield each


def remove_left_over(path: Path) -> None:
    """Remove a file or folder that an interrupted download left; another process may have done it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def longest_unused(limit: int, *, keep: str = "") -> list[Held]:
    """What would have to go so that no more than ``limit`` bytes are kept, the longest unused first."""
    there = held()
    total = sum(each.size for each in there)
    going = []
    for each in sorted((each for each in there if each.name != keep), key=lambda each: each.used):
        if total <= limit:
            break
        going.append(each)
        total -= each.size
    return going


def bytes_of(text: str) -> int:
    """The number of bytes that ``20GB``, ``500 MB`` or ``1000`` stands for.

    Raises:
        DataError: It stands for none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise DataError(
            f"{text!r} is no size.",
            possible="A size is a number of bytes, with a unit where it is large: 500MB, 20GB, 1TB.",
            next_step="For example: fw data gc --size 20GB",
        )
    return int(float(match[1]) * UNITS[match[2].upper()])


def limit() -> int | None:
    """How many bytes are kept at most; ``None`` where nobody said."""
    chosen = os.environ.get(LIMIT)
    return bytes_of(chosen) if chosen else None


def named(name: str, known: Sequence[str]) -> DataError:
    """The error for a name of which nothing is kept."""
    near = near_names(name, known)
    return DataError(
        f"Nothing of {name!r} is in the cache.",
        possible=f"Near it: {', '.join(near)}." if near else f"There is {', '.join(known) or 'nothing'}.",
        next_step="See what is there: fw data list",
    )


def size_of(folder: Path) -> int:
    """The bytes of everything in a folder."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _make_room(wanted: int, *, keep: str) -> None:
    """Remove what was not used for longest, where the limit would be passed."""
    most = limit()
    if most is None:
        return
    for each in longest_unused(most - wanted, keep=keep):
        _log.info("removing  %s, not used for %.0f days (%s)", each.name, (time.time() - each.used) / 86400, LIMIT)
        remove(each.name)


def _at_work(path: Path) -> bool:
    """Whether a process holds the lock of a download."""
    lock = path.with_suffix(".lock")
    if not lock.exists():
        return False
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _last_used(folder: Path) -> float:
    mark = folder / USED
    return (mark if mark.exists() else folder).stat().st_mtime


def _changed_since_unpacked(archive: Path, folder: Path) -> Iterator[str]:
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if not member.isfile():
                    continue
                path = folder / Path(*Path(member.name).parts[1:])
                content = tar.extractfile(member)
                if not path.is_file():
                    yield f"{path} is not here; it is in {archive.name}"
                elif content is None or path.stat().st_size != member.size or path.read_bytes() != content.read():
                    yield f"{path} is not what {archive.name} holds"
    except (tarfile.TarError, EOFError, OSError) as error:
        yield f"{archive} cannot be read: {error}"
