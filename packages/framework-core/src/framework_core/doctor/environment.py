"""Environment variables that change how a run goes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from framework_core.cache import CACHE
from framework_core.data_cache import LIMIT
from framework_core.doctor.finding import Finding
from framework_core.doctor.machine import usable_cores
from framework_core.download import OFFLINE
from framework_core.errors import near_names, quoted
from framework_core.plugins.disabled import CONFIG
from framework_core.plugins.importing import SECONDS
from framework_core.plugins.switches import ONLY, WITHOUT
from framework_core.process import COMPLETE, FIRST, JOB
from framework_core.training.folders import CHILDREN_USE

OWN = (CACHE, CHILDREN_USE, COMPLETE, CONFIG, FIRST, JOB, LIMIT, OFFLINE, ONLY, SECONDS, WITHOUT)
"""Every variable that the framework reads under a name of its own."""


def environment() -> Iterator[Finding]:
    """Variables that are misspelt, have values that make no sense, or make everything slow."""
    found = [*_threads(), *_bytecode(), *_unknown(), *_left_from_a_run()]
    yield from found or [Finding("environment", "ok", "no variable is in the way")]


def _threads() -> Iterator[Finding]:
    name = "OMP_NUM_THREADS"
    value, cores = os.environ.get(name), usable_cores()
    if value is None:
        return
    first = value.partition(",")[0].strip()
    if not first.isdigit() or int(first) == 0:
        yield Finding("environment", "warning", f"{name}={value!r} is no number of threads", f"unset {name}")
    elif int(first) > cores:
        detail = f"{name}={value}, and there {'are' if cores > 1 else 'is'} {cores} core{'s' if cores > 1 else ''}"
        yield Finding("environment", "warning", f"{detail}: threads wait for one another", f"unset {name}")


def _bytecode() -> Iterator[Finding]:
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        detail = "PYTHONDONTWRITEBYTECODE is set: each start may compile every module anew, two to three times as slow"
        yield Finding("environment", "warning", detail, "unset PYTHONDONTWRITEBYTECODE")


def _unknown() -> Iterator[Finding]:
    for name in sorted(os.environ):
        if not name.startswith("FRAMEWORK_") or name in OWN:
            continue
        near = near_names(name, OWN, most=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        mend = f"export {near[0]}={quoted(os.environ[name])}; unset {name}" if near else f"unset {name}"
        yield Finding("environment", "warning", f"{name} is set, and nothing reads it{meant}", mend)


def _left_from_a_run() -> Iterator[Finding]:
    for name in (CHILDREN_USE, FIRST):
        if name in os.environ:
            detail = f"{name} is set: it is for processes that a run starts, and not for a shell"
            yield Finding("environment", "warning", detail, f"unset {name}")
