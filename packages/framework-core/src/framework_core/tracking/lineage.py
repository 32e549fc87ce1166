"""What a run came from: the code with its uncommitted changes, the packages, the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from framework_core.config.saved import without_credentials
from framework_core.plugins.certificate import certificate_of
from framework_core.plugins.registry import registry

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


def origins() -> dict[str, dict[str, str]]:
    """Where each package was installed from that is from no package index: a file, a folder, a repository.

    A folder that is run as it is, or was installed from, has the commit of its repository.
    """
    found = {dist.name: facts for dist in distributions() if (facts := _origin(dist))}
    return dict(sorted(found.items()))


def _origin(dist: Distribution) -> dict[str, str]:
    text = dist.read_text("direct_url.json")
    if not text:
        return {}
    origin = json.loads(text)
    facts = {"from": without_credentials(origin["url"]), "commit": origin.get("vcs_info", {}).get("commit_id", "")}
    if "dir_info" in origin:
        folder = Path(url2pathname(urlsplit(origin["url"]).path))
        facts["commit"] = _git(folder, "rev-parse", "HEAD").strip()
        facts["editable"] = "yes" if origin["dir_info"].get("editable") else ""
    return {key: value for key, value in facts.items() if value}


def plugins() -> dict[str, dict[str, str]]:
    """The packages that bring plugins: version, where each was installed from, and a digest of its files.

    The digest is that of the list of files with their hashes which the installer wrote (RECORD): the same wheel gives
    the same digest. A package that is run from its source has the commit of its folder instead.
    """
    found = {}
    for name in sorted({plugin.distribution for plugin in registry.plugins.found if plugin.state == "active"}):
        with suppress(PackageNotFoundError):
            found[name] = _installed(distribution(name))
    return found


def _installed(dist: Distribution) -> dict[str, str]:
    facts = {"version": dist.version, "from": "a package index", **_origin(dist)}
    if "editable" not in facts and (record := dist.read_text("RECORD")):
        facts["sha256"] = sha256(_of_the_wheel(record).encode()).hexdigest()
    if certificate := certificate_of(dist.name):
        facts["certificate"] = str(certificate)
    return facts


def _of_the_wheel(record: str) -> str:
    """The lines that are the same wherever the wheel is installed."""
    kept = (line for line in record.splitlines() if ".dist-info/" not in line and line.split(",")[1:2] != [""])
    return "\n".join(sorted(kept))


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
