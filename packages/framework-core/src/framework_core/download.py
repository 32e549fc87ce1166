"""Files from the network: checked, continued where they were cut off, from the first address that gives them."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from framework_core.download_progress import megabytes, shown_progress
from framework_core.errors import DataError

if TYPE_CHECKING:
    import requests

OFFLINE = "FRAMEWORK_OFFLINE"
"""Environment variable: anything but 0 fetches nothing from the network, as ``--offline`` does."""

_log = logging.getLogger("framework_core")

CHUNK = 1 << 12
"""Bytes that are waited for at once: few, so that a server that gives a byte now and then is noticed."""

BLOCK = 1 << 20
TIMEOUT_SECONDS = 30
"""How long a server may be silent."""

SLOWEST = 1024
"""Bytes a second; a server that gives less for ``SLOW_SECONDS`` is given up."""

SLOW_SECONDS = 60.0
ATTEMPTS = 3
"""How often a connection that breaks is taken up again, at each address."""

PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class RemoteFile:
    """A file that is somewhere on the network.

    Args:
        url: Its own address.
        digest: ``sha256:...`` or ``md5:...``; what is fetched has to have it.
        mirrors: Other addresses of the same file, tried first, in this order.
        size: How many bytes it has, where that is known.
        folder: What it becomes when it is unpacked, for an archive.
    """

    url: str
    digest: str
    mirrors: tuple[str, ...] = ()
    size: int | None = None
    folder: str = ""

    @property
    def name(self) -> str:
        """The last part of its address."""
        return self.url.rpartition("/")[2]


def download(file: RemoteFile, path: Path) -> Path:
    """Fetch a file, unless it is there. It appears whole and checked, or not at all.

    What arrived before a connection broke is kept beside it, as ``*.part``, and the rest is asked for the next time.
    Several processes may ask for the same file: one fetches it, the others wait.

    Args:
        file: What to fetch.
        path: Where it goes.

    Returns:
        ``path``.

    Raises:
        DataError: No address gives it, or what they give is not that file.
    """
    if not path.exists():
        _refuse_offline(file, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(path):
            if not path.exists():
                _fetch(file, path)
    return path


def is_offline() -> bool:
    """Whether nothing may be fetched from the network."""
    return os.environ.get(OFFLINE, "0") not in ("", "0")


def go_offline() -> None:
    """Fetch nothing from the network, here and in every process that is started from here; nor may the hub's tools."""
    for name in (OFFLINE, "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        os.environ[name] = "1"


def _refuse_offline(file: RemoteFile, path: Path) -> None:
    if is_offline():
        raise UnreachableError(
            f"{file.name} is not here, and nothing is fetched from the network (--offline).",
            paths=[path],
            possible=f"It has to be at {path}",
            next_step=f"Fetch it where there is a network, from {file.url}, and put it there.",
        )


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Let one process fetch a file, while the others wait."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        lock.acquire(timeout=1)
    except Timeout:
        _log.info("waiting   another process fetches %s", path.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a tar archive of a single folder. The folder appears whole or not at all.

    Args:
        archive: The archive.
        folder: What the archive's folder becomes.

    Returns:
        ``folder``.

    Raises:
        DataError: It is no such archive.
    """
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as place:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(place, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(f"The archive {archive} cannot be unpacked: {error}", paths=[archive]) from error
        inside = list(Path(place).iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            raise DataError(f"The archive {archive} does not hold a single folder.", paths=[archive])
        shutil.move(inside[0], folder)
    return folder


def _fetch(file: RemoteFile, path: Path) -> None:
    import requests

    part = path.with_name(path.name + ".part")
    causes, reached = [], False
    for url in [*file.mirrors, file.url]:
        try:
            _fetch_from(url, part, file.size)
        except _WrongFileError as error:
            part.unlink(missing_ok=True)
            causes.append(f"  {url}: {error}")
            reached = True
            continue
        except requests.RequestException as error:
            reached |= not isinstance(error, requests.ConnectionError | requests.Timeout)
            causes.append(f"  {url}: {_cause(error)}")
            continue
        found = digest(part, file.digest.partition(":")[0])
        if found == file.digest:
            part.replace(path)
            return
        part.unlink()
        reached = True
        causes.append(f"  {url}: it gives another file, {found} in place of {file.digest}")
    kind = DataError if reached else UnreachableError
    raise kind(
        "\n".join([f"{file.name} cannot be fetched:", *causes]),
        paths=[path],
        next_step=f"Try again, or fetch it elsewhere and put it at {path}",
    )


class UnreachableError(DataError):
    """A file that is not here, and no network to fetch it by: nothing is said against the file."""


class _WrongFileError(Exception):
    """A server gives something that cannot be the file."""


def _fetch_from(url: str, part: Path, size: int | None) -> None:
    """Fetch into ``part``, going on where it ends."""
    import requests

    for attempt in range(1, ATTEMPTS + 1):
        try:
            _continue(url, part, size)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
            if attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS * attempt)
        else:
            return


def _continue(url: str, part: Path, size: int | None) -> None:
    import requests

    there = part.stat().st_size if part.exists() else 0
    if size is not None and there >= size:
        return
    headers = {"Range": f"bytes={there}-"} if there else {}
    # Compressed on the way, the length and the range would be of something else.
    headers["Accept-Encoding"] = "identity"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return
        response.raise_for_status()
        goes_on = response.status_code == requests.codes.partial_content
        _save(response, part, there if goes_on else 0, size)


def _save(response: requests.Response, part: Path, there: int, size: int | None) -> None:
    import requests

    length = response.headers.get("Content-Length")
    told = there + int(length) if length else None
    if size is not None and told is not None and told != size:
        raise _WrongFileError(f"it gives another file, of {told:,} bytes in place of {size:,}")
    total = size if told is None else told
    _announce(response.url, part, there, total)
    watch = _Watch()
    with part.open("ab" if there else "wb") as file, shown_progress(part.stem, total, there) as progress:
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            there += len(chunk)
            progress.update(there)
            if total is not None and there > total:
                raise _WrongFileError(f"it gives another file, of more than {total:,} bytes")
            if watch.too_slow(len(chunk)):
                raise requests.RequestException(f"it gives less than {SLOWEST:,} bytes a second")
    if total is not None and there < total:
        raise requests.ConnectionError(f"it ended after {there} of {total} bytes")


def _announce(url: str, part: Path, there: int, total: int | None) -> None:
    """Say what is about to be fetched, from where and how much of it."""
    size = f", {megabytes(total)}" if total else ""
    already = f", {megabytes(there)} of it here already" if there else ""
    _log.info("download  %s from %s%s%s, to %s", part.stem, urlsplit(url).hostname, size, already, part.parent)


class _Watch:
    """Sees whether a server is too slow to wait for."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._arrived = 0

    def too_slow(self, count: int) -> bool:
        """Whether it was, over the last ``SLOW_SECONDS``."""
        self._arrived += count
        took = time.monotonic() - self._since
        if took < SLOW_SECONDS:
            return False
        slow = self._arrived < SLOWEST * took
        self._since, self._arrived = time.monotonic(), 0
        return slow


def digest(path: Path, algorithm: str) -> str:
    """The digest of a file, as ``algorithm:digits``."""
    # MD5 is what some publishers give; it guards against a broken file there, not against an attacker.
    found = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return f"{algorithm}:{found.hexdigest()}"


def _cause(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    innermost: BaseException = error
    while (deeper := innermost.__cause__ or innermost.__context__) is not None:
        innermost = deeper
    return str(innermost) or type(innermost).__name__


def mirrored(file: RemoteFile, mirror: str | None) -> RemoteFile:
    """The same file, with the folder of a mirror in front."""
    if not mirror:
        return file
    return replace(file, mirrors=(f"{mirror.rstrip('/')}/{file.name}", *file.mirrors))
