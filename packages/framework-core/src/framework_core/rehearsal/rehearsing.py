"""From a training of many processes to what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from framework_core.errors import ProofError, UsageError
from framework_core.rehearsal.asked import Asked
from framework_core.rehearsal.faults import Fault, faults
from framework_core.rehearsal.told import Told, told_in

LIMIT_SECONDS = 900.0
"""How long a rank may take."""


@dataclass(frozen=True)
class Rehearsal:
    """What was found.

    Attributes:
        ranks: How many ranks were gone through.
        strategy: How the model was wrapped.
        calls: What one rank does together with others, the most of all.
        seconds: How long it took.
        faults: What is wrong; empty where nothing is.
    """

    ranks: int
    strategy: str
    calls: int
    seconds: float
    faults: tuple[Fault, ...]


def rehearse(asked: Asked) -> Rehearsal:
    """Go through two steps and a validation of every rank, each alone, and compare what they do. Writes nothing.

    Args:
        asked: The training.

    Raises:
        UsageError: The first rank already finds that what was asked for cannot be done.
    """
    began = time.monotonic()
    told = _told(asked)
    first = told[0].trouble
    if len(told) < asked.ranks and first is not None:
        raise UsageError(first.what, command="fw train", possible=first.possible, next_step=first.next_step)
    return Rehearsal(
        asked.ranks,
        told[0].strategy,
        max(len(each.calls) for each in told),
        time.monotonic() - began,
        tuple(faults(told)),
    )


def _told(asked: Asked) -> list[Told]:
    """What each rank tells, in their order."""
    with tempfile.TemporaryDirectory(prefix="fw-rehearse-") as folder:
        request = {
            "words": dict(asked.words),
            "nodes": asked.nodes,
            "devices": asked.devices,
            "folder": folder,
            "at_once": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            "seconds": LIMIT_SECONDS,
        }
        command = [sys.executable, "-m", "framework_core.rehearsal.crew", json.dumps(request)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as crew:
            try:
                _, said = crew.communicate()
            except BaseException:
                crew.terminate()
                raise
        if crew.returncode:
            raise ProofError(crew.returncode, said.decode(errors="replace").strip()[-1000:])
        files = sorted(Path(folder).glob("*.json"), key=lambda file: int(file.stem))
        return [told_in(file.read_text("utf-8")) for file in files]
