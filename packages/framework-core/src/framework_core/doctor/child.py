"""Asking in a process of its own: what crashes or hangs there is an answer too."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a process has said."""

    said: list[Any]
    """What it handed over by ``tell``, in order."""

    failure: str = ""
    """How it ended, where it did not end well."""


def ask(module: str, *words: str, limit: float, variables: Mapping[str, str] | None = None) -> Answer:
    """Run the ``main`` of a module in a process of its own, which imports from where this one does.

    Args:
        module: A module of this package.
        *words: Its arguments.
        limit: Seconds after which it is ended.
        variables: Environment variables for it; secrets belong here and not among the words, which everybody
            on the machine can read.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"
    environment = {**os.environ, **(variables or {})}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=limit)
        failure = _failure(process.returncode, err)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        failure = f"no answer within {limit:.0f} s"
    return Answer([json.loads(line) for line in out.splitlines() if line.startswith(("{", "["))], failure)


def tell(answer: Any) -> None:
    """Hand something over to the process that asked."""
    os.write(_to_parent(), (json.dumps(answer) + "\n").encode())


_kept: list[int] = []


def _to_parent() -> int:
    """The pipe to the parent; what libraries print goes to stderr from then on."""
    if not _kept:
        _kept.append(os.dup(1))
        os.dup2(2, 1)
    return _kept[0]


def _failure(code: int, err: str) -> str:
    if code == 0:
        return ""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"the process was ended by {signal.Signals(-code).name}"
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    return lines[-1] if lines else f"the process ended with exit code {code}"
