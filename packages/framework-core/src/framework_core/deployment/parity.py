"""Whether a trained model says the same by every way in which it can answer, from the file on."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from framework_core import __version__
from framework_core.deployment.comparison import TOLERANCE
from framework_core.deployment.export import export
from framework_core.deployment.golden_files import ROW_TOLERANCE
from framework_core.errors import ExportError
from framework_core.serving.exported import FILES, GOLDEN, ROWS
from framework_core.serving.installed import check_installed
from framework_core.serving.likeness import difference, furthest
from framework_core.serving.networks import INPUT, OUTPUTS
from framework_core.tracking.journal import FOLDER, JOURNAL, Journal
from framework_core.tracking.lookup import RUNS, RunRecord, find_run, write_whole
from framework_core.tracking.sync import send_run

CERTIFICATE = "parity.json"
FORMATS = ("onnx", "torch-export", "safetensors", "mlflow")
HTTP = "http"
SERVED = ("onnx", "torch-export")
SECONDS = 120
BYTES, BOUNDARY = "application/octet-stream", "fw-parity"


@dataclass(frozen=True)
class Way:
    """One way in which a model answers, against the training's own.

    Attributes:
        name: A format of ``fw export``, or ``http``.
        passed: Whether it answers as the trained model does.
        files: How many files of the test were compared from the file on; 0 compares prepared inputs alone.
        samples: How many prepared inputs were compared.
        difference: How far answers lie apart at most, as a share of the largest.
        tolerance: How far they may.
        why: What stands in the way, where it did not pass.
    """

    name: str
    passed: bool
    files: int = 0
    samples: int = 0
    difference: float = 0.0
    tolerance: float = TOLERANCE
    why: str = ""


@dataclass(frozen=True)
class Certificate:
    """What was found.

    Attributes:
        run_id: The run.
        passed: Whether every way that was tried passed, and there was one.
        ways: Each.
        made: When, in ISO 8601.
        framework_version: By which version.
    """

    run_id: str
    passed: bool
    ways: tuple[Way, ...]
    made: str
    framework_version: str = __version__


def verify_parity(run: str, *, ways: Sequence[str] = (*FORMATS, HTTP), output_dir: Path | None = None) -> Certificate:
    """Let a model answer by every way, and keep what was found with its run.

    It is written into the run's folder as ``parity.json``, and sent to where the run is recorded.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        ways: Formats of ``fw export``, and ``http``.
        output_dir: Where runs are; ``runs`` here.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
        MissingPackageError: A format needs a package that is not installed.
    """
    record = find_run(run, output_dir=output_dir or RUNS)
    found: list[Way] = []
    with tempfile.TemporaryDirectory(prefix="fw-parity-") as place:
        for name in (each for each in ways if each != HTTP):
            found.append(_exported(record, name, Path(place) / name))
        if HTTP in ways:
            found.append(_served(record, Path(place), found))
    made = datetime.now(timezone.utc).isoformat(timespec="seconds")
    certificate = Certificate(record.run_id, all(each.passed for each in found), tuple(found), made)
    _keep(record, certificate)
    return certificate


def _exported(record: RunRecord, name: str, folder: Path) -> Way:
    try:
        done = export(str(record.directory), name, folder)
    except ExportError as error:
        return Way(name, passed=False, why=error.cause)
    about = json.loads((folder / "export.json").read_text("utf-8"))
    files = about.get("compared_files")
    if files is None:
        return Way(name, passed=True, samples=done.samples, difference=done.difference)
    apart = max(done.difference, files["difference"]["answers"])
    return Way(name, passed=True, files=done.files, samples=done.samples, difference=apart, tolerance=ROW_TOLERANCE)


def _served(record: RunRecord, place: Path, exported: Sequence[Way]) -> Way:
    """What a server of the first format that can be served says."""
    ready = [each.name for each in exported if each.passed and each.name in SERVED]
    if not ready:
        name = SERVED[-1]
        if not (way := _exported(record, name, place / f"for-{HTTP}")).passed:
            return replace(way, name=HTTP)
        folder = place / f"for-{HTTP}"
    else:
        folder = place / ready[0]
    with _server(folder) as url:
        return _by_files(url, folder) if (folder / ROWS).exists() else _by_inputs(url, folder)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """The address of a server in a process of its own, as long as it is needed.

    Raises:
        MissingPackageError: What serves is not installed.
    """
    check_installed()
    command = [sys.executable, "-m", "framework_core", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101  # it is a pipe
            for line in process.stdout:
                name, _, value = line.partition(" ")
                if name == "listening":
                    yield value.strip()
                    return
            _, said = process.communicate(timeout=SECONDS)
            raise ExportError(said.splitlines()[0].removeprefix("error: ") if said else "the server ended at once")
        finally:
            process.terminate()


def _by_files(url: str, folder: Path) -> Way:
    apart, files = 0.0, 0
    for name, expected in json.loads((folder / ROWS).read_text("utf-8")).items():
        rows = _asked(url, (folder / FILES / name).read_bytes(), name)
        if why := difference(rows, expected, ROW_TOLERANCE):
            return Way(HTTP, passed=False, files=files, tolerance=ROW_TOLERANCE, why=f"{name}: {why}")
        apart, files = max(apart, furthest(rows, expected)), files + 1
    return Way(HTTP, passed=True, files=files, difference=apart, tolerance=ROW_TOLERANCE)


def _by_inputs(url: str, folder: Path) -> Way:
    with np.load(folder / GOLDEN) as golden:
        inputs, expected = golden[INPUT], {name: golden[name] for name in OUTPUTS if name in golden}
    body = json.dumps({"inputs": inputs.tolist()}).encode()
    rows = _ask(url, body, "application/json")
    largest = 0.0
    for name, values in expected.items():
        found = np.asarray([row[name] for row in rows])
        share = max(1.0, float(np.abs(values).max(initial=0.0)))
        largest = max(largest, float(np.abs(found - values).max(initial=0.0)) / share)
    passed = largest <= TOLERANCE
    why = "" if passed else f"its answers differ from the model's by {largest:.2g} of the largest"
    return Way(HTTP, passed=passed, samples=len(inputs), difference=largest, why=why)


def _asked(url: str, content: bytes, name: str) -> list[dict[str, Any]]:
    """The rows for a file, without what only the server adds."""
    told = f'content-disposition: form-data; name="file"; filename="{name}"\r\ncontent-type: {BYTES}'
    body = f"--{BOUNDARY}\r\n{told}\r\n\r\n".encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    rows = _ask(url, body, f"multipart/form-data; boundary={BOUNDARY}")
    return [{name: value for name, value in row.items() if name not in ("input", "file")} for row in rows]


def _ask(url: str, body: bytes, kind: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{url}/predict", body, {"content-type": kind})  # noqa: S310  # our own server
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            found: list[dict[str, Any]] = json.load(answer)["predictions"]
            return found
    except urllib.error.HTTPError as error:
        with closing(error):
            raise ExportError(f"the server says {json.load(error)['error']}") from error


def _keep(record: RunRecord, certificate: Certificate) -> None:
    """Into the run's folder, and to its store; where that is away, ``fw runs sync`` sends it later."""
    write_whole(record.directory / CERTIFICATE, json.dumps(asdict(certificate), indent=2) + "\n")
    if not (record.directory / FOLDER / JOURNAL).is_file():
        return
    with closing(Journal(record.directory / FOLDER)) as journal:
        journal.append([{"kind": "file", "path": CERTIFICATE, "to": "."}])
    send_run(record)
