"""What a package's certificate says, and whether it still holds: ``fw plugin check --certify`` writes it.

It is a file in the package's ``dist-info``, which a wheel carries with it: what was checked, by which version, and the
digest of every file as it was then. It is a record and no signature: whoever can change the files can write another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import Any

FILE = "framework_certificate.json"
OF_THE_INSTALLER = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", FILE)
"""What stands beside a package's own files where it is installed, or changes with the certificate."""


@dataclass(frozen=True)
class Certificate:
    """A certificate, read beside the files that it speaks of."""

    said: dict[str, Any]
    """What stands in it."""

    changed: tuple[str, ...]
    """Files that are not what they were when it was written."""

    @property
    def holds(self) -> bool:
        """Whether every file is as it was."""
        return not self.changed

    def __str__(self) -> str:
        checks = sum(map(len, self.said["checks"].values()))
        made = f"{checks:,} checks on {self.said['date']}, by framework-core {self.said['core']}"
        return f"{made}; void: {self.changed[0]} was changed" if self.changed else made


def certificate_of(name: str) -> Certificate | None:
    """The certificate of an installed package; None where it has none that can be read.

    Args:
        name: The distribution's name.
    """
    try:
        installed = distribution(name)
        said = json.loads(installed.read_text(FILE) or "")
        before, now = dict(said["files"]), digests(installed)
        changed = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
        return Certificate(said, tuple(changed)) if said["checks"].items() and said["date"] and said["core"] else None
    except (PackageNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return None


def certified(names: Iterable[str]) -> Iterator[str]:
    """Those packages of whose files a certificate holds.

    Args:
        names: Names of distributions.
    """
    for name in names:
        found = certificate_of(name)
        if found is not None and found.holds:
            yield name


def digests(installed: Distribution) -> dict[str, str]:
    """The SHA-256 of every file of a package's own, by its path; empty where the file is gone.

    Args:
        installed: The package.
    """
    return {
        str(path): _digest(installed, path)
        for path in installed.files or ()
        if path.name not in OF_THE_INSTALLER and path.suffix != ".pyc" and not str(path).startswith("..")
    }


def _digest(installed: Distribution, path: PurePosixPath) -> str:
    try:
        return sha256(Path(str(installed.locate_file(path))).read_bytes()).hexdigest()
    except OSError:
        return ""
