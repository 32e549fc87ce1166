"""Files from the network: checked, continued where they were cut off, from a mirror where one is given."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from framework_core.errors import DataError

if TYPE_CHECKING:
    import requests

_log = logging.getLogger("framework_core")

CHUNK = 1 << 16
TIMEOUT_SECONDS = 30
ATTEMPTS = 3
"""How often a connection that breaks is taken up again, at each address."""

PAUSE_SECONDS = 1.0
LINE_SECONDS = 10.0
"""How often a download says how far it is."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that is somewhere on the network.

    Args:
        url: Its own address.
        digest: ``sha256:...`` or ``md5:...``; what is fetched has to have it.
        mirrors: Other addresses of the same file, tried first.
    """

    url: str
    digest: str
    mirrors: tuple[str, ...] = ()

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
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(path.name + ".lock")):
        if not path.exists():
            _fetch(file, path)
    return path


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
    causes = []
    for url in [*file.mirrors, file.url]:
        try:
            _fetch_from(url, part)
        except requests.RequestException as error:
            causes.append(f"  {url}: {_cause(error)}")
            continue
        found = _digest(part, file.digest.partition(":")[0])
        if found == file.digest:
            part.replace(path)
            return
        part.unlink()
        causes.append(f"  {url}: it gives another file, {found} in place of {file.digest}")
    raise DataError(
        "\n".join([f"{file.name} cannot be fetched:", *causes]),
        paths=[path],
        next_step=f"Try again, or fetch it elsewhere and put it at {path}",
    )


def _fetch_from(url: str, part: Path) -> None:
    """Fetch into ``part``, going on where it ends."""
    import requests

    for attempt in range(1, ATTEMPTS + 1):
        try:
            _continue(url, part)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
            if attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS * attempt)
        else:
            return


def _continue(url: str, part: Path) -> None:
    import requests

    there = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={there}-"} if there else {}
    # Compressed on the way, the length and the range would be of something else.
    headers["Accept-Encoding"] = "identity"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return
        response.raise_for_status()
        goes_on = response.status_code == requests.codes.partial_content
        _save(response, part, there if goes_on else 0)


def _save(response: requests.Response, part: Path, there: int) -> None:
    import requests

    length = response.headers.get("Content-Length")
    total = there + int(length) if length else None
    said = time.monotonic()
    _log.info("download  %s%s", response.url, f", {_megabytes(total)}" if total else "")
    with part.open("ab" if there else "wb") as file:
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            there += len(chunk)
            if time.monotonic() - said > LINE_SECONDS:
                said = time.monotonic()
                of = f" of {_megabytes(total)}" if total else ""
                _log.info("download  %s%s", _megabytes(there), of)
    if total is not None and there < total:
        raise requests.ConnectionError(f"it ended after {there} of {total} bytes")


def _digest(path: Path, algorithm: str) -> str:
    # MD5 is what some publishers give; it guards against a broken file there, not against an attacker.
    found = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return f"{algorithm}:{found.hexdigest()}"


def _cause(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    innermost: BaseException = error
    while (deeper := innermost.__cause__ or innermost.__context__) is not None:
        innermost = deeper
    return str(innermost) or type(innermost).__name__


def _megabytes(count: int | None) -> str:
    return f"{(count or 0) / 1e6:.1f} MB"


def mirrored(file: RemoteFile, mirror: str | None) -> RemoteFile:
    """The same file, with the folder of a mirror in front."""
    if not mirror:
        return file
    return RemoteFile(file.url, file.digest, (f"{mirror.rstrip('/')}/{file.name}", *file.mirrors))
