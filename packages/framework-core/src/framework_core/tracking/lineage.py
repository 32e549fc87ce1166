"""What a run came from: the code with its uncommitted changes, the packages, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

DIFF_LIMIT = 5_000_000
"""Characters of a diff that are kept."""


@dataclass(frozen=True)
class CodeState:
    """The state of the working directory's repository."""

    commit: str
    """The commit; empty outside a repository."""

    diff: str
    """What differs from it and is tracked."""

    untracked: tuple[str, ...]
    """Files that git neither tracks nor ignores."""


def code_state(folder: Path) -> CodeState:
    """Ask git about ``folder``; an empty answer where there is no repository, no commit or no git."""
    commit = _git(folder, "rev-parse", "HEAD").strip()
    if not commit:
        return CodeState("", "", ())
    diff = _git(folder, "diff", "--no-color", "--no-ext-diff", "HEAD")
    untracked = _git(folder, "ls-files", "--others", "--exclude-standard").splitlines()
    return CodeState(commit, diff[:DIFF_LIMIT], tuple(untracked))


def packages() -> dict[str, str]:
    """Every installed distribution with its version."""
    texts = (dist.read_text("METADATA") or dist.read_text("PKG-INFO") or "" for dist in distributions())
    found = dict(_name_and_version(text) for text in texts if text)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _name_and_version(metadata: str) -> tuple[str, str]:
    # The ``metadata`` of a distribution reads its description as well.
    headers = dict(line.split(": ", 1) for line in metadata.partition("\n\n")[0].splitlines() if ": " in line)
    return headers.get("Name", ""), headers.get("Version", "")


def machine() -> dict[str, str]:
    """The machine and the interpreter, in words."""
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "gpus": ", ".join(gpus),
        "cuda": str(torch.version.cuda or ""),
        "executable": sys.executable,
    }


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
