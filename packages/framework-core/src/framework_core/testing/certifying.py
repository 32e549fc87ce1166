"""Writing the certificate of a package whose promises were all kept."""

from __future__ import annotations

import base64
import csv
import io
import json
import platform
import zipfile
from collections.abc import Iterable
from datetime import datetime, timezone
from hashlib import sha256
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from framework_core import __version__
from framework_core.contracts import CONTRACT_VERSION
from framework_core.errors import NotCertifiableError
from framework_core.plugins.certificate import FILE, digests
from framework_core.testing.examination import Outcome

KIT_VERSION = 1
"""Rises with each change of what is checked."""


def certify(name: str, outcomes: Iterable[Outcome], *, thorough: bool) -> Path:
    """Write the certificate of an installed package beside its metadata.

    Args:
        name: The distribution's name.
        outcomes: How its checks ended.
        thorough: Whether those that train for long were among them.

    Returns:
        The file.

    Raises:
        NotCertifiableError: It is run from its source, or a file of it differs from what the installer wrote.
    """
    refuse_sources(name)
    installed = distribution(name)
    path = _information(installed) / FILE
    path.write_text(json.dumps(_said(installed, outcomes, thorough), indent=1) + "\n", "utf-8")
    record = path.with_name("RECORD")
    record.write_text(_with_line(record.read_text("utf-8"), f"{path.parent.name}/{FILE}", path.read_bytes()), "utf-8")
    return path


def refuse_sources(name: str) -> None:
    """Refuse a package that has no list of its files: one that is run from its source.

    Raises:
        NotCertifiableError: It is such a package.
    """
    installed = distribution(name)
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable") or not installed.read_text("RECORD"):
        raise NotCertifiableError(name, "it is run from its source, which changes")


def put_into_wheel(wheel: Path, certificate: str) -> None:
    """Put a certificate into a wheel, in place of the one before.

    Args:
        wheel: The wheel; it is replaced as a whole or not at all.
        certificate: The text.
    """
    temporary = wheel.with_name(f".{wheel.name}.partial")
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target:
        (record,) = (each for each in source.namelist() if each.endswith(".dist-info/RECORD"))
        own = record.replace("RECORD", FILE)
        for each in source.infolist():
            if each.filename not in (record, own):
                target.writestr(each, source.read(each), zipfile.ZIP_DEFLATED)
        target.writestr(own, certificate)
        target.writestr(record, _with_line(source.read(record).decode(), own, certificate.encode()))
    temporary.replace(wheel)


def _said(installed: Distribution, outcomes: Iterable[Outcome], thorough: bool) -> dict[str, Any]:
    checks: dict[str, dict[str, str]] = {}
    for each in outcomes:
        checks.setdefault(each.subject, {})[each.check] = each.ending
    return {
        "distribution": installed.name,
        "version": installed.version,
        "kit": KIT_VERSION,
        "core": __version__,
        "contract": CONTRACT_VERSION,
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "thorough": thorough,
        "checks": checks,
        "files": digests(installed),
    }


def _information(installed: Distribution) -> Path:
    (metadata,) = (path for path in installed.files or () if str(path).endswith(".dist-info/METADATA"))
    return Path(str(installed.locate_file(metadata))).parent


def _with_line(record: str, path: str, content: bytes) -> str:
    """The list of a package's files with one more, in place of the line that it has."""
    rows = [row for row in csv.reader(io.StringIO(record)) if row and row[0] != path]
    digest = base64.urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([*rows, [path, f"sha256={digest}", str(len(content))]])
    return written.getvalue()
