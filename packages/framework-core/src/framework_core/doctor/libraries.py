"""The libraries that train: whether they are built for one another, import, and see the devices."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from importlib.metadata import requires
from typing import Any

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from framework_core.doctor.child import ask
from framework_core.doctor.devices import gpus
from framework_core.doctor.finding import Finding
from framework_core.doctor.installer import installed_version, pip

PARTNERS = {"torchvision": "problem", "torchaudio": "warning"}
"""What is built against one torch, and how bad it is where it does not fit."""

TRAINING = "framework_core.run"
LIMIT_SECONDS = 120.0
"""How long the imports may take; from a cold network disk a minute is common."""


def libraries() -> Iterator[Finding]:
    """The builds of torch with its partners, what training imports, and the GPUs."""
    if importlib.util.find_spec("torch") is None:
        return
    partners = [name for name in PARTNERS if importlib.util.find_spec(name) is not None]
    said = _imported(["torch", *partners, TRAINING])
    torch = said["torch"]
    if "error" in torch:
        detail = f"importing torch {installed_version('torch')} failed: {torch['error']}"
        yield Finding("torch", "problem", detail, pip("install --force-reinstall", "torch", *partners))
        return
    unfit = [finding for name in partners for finding in _unfit(name, said[name])]
    yield from unfit
    if not unfit:
        together = ", ".join(f"{name} {installed_version(name)}" for name in partners)
        build = f"for CUDA {torch['build']}" if torch["build"] else "for the processor alone"
        detail = f"torch {installed_version('torch')} {build}" + (f" with {together}" if together else "")
        yield Finding("torch", "ok", detail)
    yield _training(said[TRAINING], consequence=bool(unfit))
    yield from gpus(torch)


def _imported(names: list[str]) -> dict[str, dict[str, Any]]:
    """Import each in one process; where one of them ends it, the next goes on in another."""
    found: dict[str, dict[str, Any]] = {}
    left = list(names)
    while left:
        answer = ask("framework_core.doctor.importing", *left, limit=LIMIT_SECONDS)
        found |= {each["module"]: each for each in answer.said}
        left = [name for name in left if name not in found]
        if left:
            found[left.pop(0)] = {"error": answer.failure or "the process ended without a word"}
        if "error" in found["torch"]:
            break
    return found


def _unfit(name: str, said: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong between torch and a partner: versions, builds, and what importing it says; the first of them."""
    torch, partner = installed_version("torch"), installed_version(name)
    state = "problem" if PARTNERS[name] == "problem" else "warning"
    wanted = next((each for each in map(Requirement, _requires(name)) if each.name == "torch"), None)
    mend = pip("install -U", "torch", name)
    if wanted is not None and torch and not wanted.specifier.contains(torch, prereleases=True):
        detail = f"{name} {partner} is made for torch{wanted.specifier}, and torch {torch} is installed"
    elif (tags := (_build_tag(torch), _build_tag(partner)))[0] != tags[1] and all(tags):
        detail = f"torch {torch} is built for {tags[0]}, {name} {partner} for {tags[1]}"
        mend = pip("install --force-reinstall", "torch", name)
    elif "error" in said:
        detail = f"importing {name} {partner} beside torch {torch} failed: {said['error']}"
    else:
        return
    if name == "torchaudio":
        mend = pip("uninstall", name)
    yield Finding("torch", "problem" if state == "problem" else "warning", detail, mend)


def _requires(name: str) -> list[str]:
    return (requires(name) or []) if installed_version(name) else []


def _build_tag(version: str) -> str:
    """What a build is for, ``cpu`` or ``cu130``, where the version says it."""
    try:
        return Version(version).local or ""
    except InvalidVersion:
        return ""


def _training(said: dict[str, Any], *, consequence: bool) -> Finding:
    names = ("lightning", "mlflow", "torchmetrics")
    versions = ", ".join(f"{name} {installed_version(name)}" for name in names if installed_version(name))
    if "error" not in said:
        return Finding("torch", "ok", f"what trains can be imported: {versions}")
    after = " (mend the above first)" if consequence else ""
    detail = f"what trains cannot be imported{after}: {said['error']}"
    return Finding("torch", "problem", detail, pip("install -U", "framework-core[train]"))
