"""Python and the installed packages, against what core and the plugins ask for."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions, entry_points, metadata
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from framework_core.doctor.finding import Finding
from framework_core.doctor.installer import installed_version, pip
from framework_core.doctor.known_bad import known_bad_versions

CORE = "framework-core"
GROUPS = ("framework.plugins", "framework.models", "framework.datasets", "framework.commands")
TRAINING = "torch"
"""Where this is not installed nothing is meant to be trained."""

BUILT_TOGETHER = ("torchvision", "torchaudio")
"""What these ask of torch is looked at with their builds."""


class Need(NamedTuple):
    """What a package asks for."""

    by: str
    requirement: Requirement
    direct: bool


def packages() -> Iterator[Finding]:
    """Python, versions known to be bad, ranges that are not kept, and packages that are there twice."""
    yield _python()
    bad = list(known_bad_versions())
    yield from bad
    named = _named_in(bad)
    wrong = [*_out_of_range(skip=named), *_twice(), *(() if "lightning" in named else _other_lightning())]
    yield from wrong
    if not bad and not wrong:
        owners = ", ".join(f"{name} {installed_version(name)}" for name in roots())
        yield Finding("packages", "ok", f"every version is in the range that {owners} ask for")


def roots() -> list[str]:
    """The distributions of core and of every plugin."""
    owners = {entry.dist.name for group in GROUPS for entry in entry_points(group=group) if entry.dist}
    return [CORE, *sorted(owners - {CORE})]


def _python() -> Finding:
    version = platform.python_version()
    about = metadata(CORE)
    allowed = SpecifierSet(about["Requires-Python"] or "")
    tested = [each.rpartition(" ")[2] for each in about.get_all("Classifier") or [] if "Python :: 3." in each]
    newest = max(map(Version, tested), default=Version(version))
    mend = f"uv venv --python {newest}"
    if not allowed.contains(version, prereleases=True):
        return Finding("packages", "problem", f"Python {version}, and framework-core needs {allowed}", mend)
    if sys.version_info[:2] > newest.release[:2]:
        return Finding("packages", "warning", f"Python {version}; framework-core is tested up to {newest}", mend)
    return Finding("packages", "ok", f"Python {version} in {sys.prefix}")


def _out_of_range(skip: set[str]) -> Iterator[Finding]:
    missing: dict[str, Need] = {}
    version_of = cache(installed_version)
    for need in _needs():
        name, specifier = need.requirement.name, need.requirement.specifier
        version = version_of(name)
        wanted = f"{name}{specifier}"
        if canonicalize_name(name) in skip:
            continue
        if not version:
            missing.setdefault(wanted, need)
        elif not _contains(specifier, version):
            detail = f"{name} {version} is installed, and {need.by} needs {wanted}"
            yield Finding("packages", "problem" if need.direct else "warning", detail, pip("install", wanted))
    if missing and not installed_version(TRAINING):
        others = len({need.requirement.name for need in missing.values()} - {TRAINING})
        lacks = f"{TRAINING} and {others} other packages are not installed"
        detail = f"nothing can be trained here: {lacks}. Listing and settings work without them"
        yield Finding("packages", "warning", detail, pip("install", f"{CORE}[train]", *roots()[1:]))
        return
    for wanted, need in missing.items():
        detail = f"{need.requirement.name} is not installed, and {need.by} needs {wanted}"
        yield Finding("packages", "problem", detail, pip("install", wanted))


def _needs() -> Iterator[Need]:
    """What core and the plugins ask for, and what that asks for in turn."""
    waiting: list[tuple[str, tuple[str, ...], bool]]
    waiting = [(root, ("train",) if root == CORE else (), True) for root in roots()]
    seen = set()
    while waiting:
        name, extras, direct = waiting.pop(0)
        for extra in ("", *extras):
            if (canonicalize_name(name), extra) in seen:
                continue
            seen.add((canonicalize_name(name), extra))
            by = f"{name} {installed_version(name)}"
            for requirement in _requirements(name, extra):
                waiting.append((requirement.name, tuple(requirement.extras), False))
                if not (name in BUILT_TOGETHER and requirement.name == TRAINING):
                    yield Need(by, requirement, direct)


def _requirements(name: str, extra: str) -> Iterator[Requirement]:
    try:
        texts = distribution(name).requires or []
    except PackageNotFoundError:
        return
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None:
            applies = not extra
        else:
            needs_extra = not requirement.marker.evaluate({"extra": ""})
            applies = requirement.marker.evaluate({"extra": extra}) and needs_extra == bool(extra)
        if applies:
            yield requirement


def _contains(specifier: SpecifierSet, version: str) -> bool:
    try:
        return specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return True


def _twice() -> Iterator[Finding]:
    """Distributions with two versions in one folder, as an upgrade that was cut short leaves them."""
    for folder in dict.fromkeys(sys.path):
        found = list(distributions(path=[folder])) if folder else []
        names = Counter(canonicalize_name(each.name) for each in found if _has_name(each))
        for name, count in names.items():
            if count > 1:
                versions = sorted(str(each.version) for each in found if canonicalize_name(each.name) == name)
                detail = f"{name} is in {folder} in {count} versions: {' and '.join(versions)}"
                yield Finding("packages", "warning", detail, pip("install --force-reinstall", name))


def _has_name(found: Distribution) -> bool:
    return bool(found.metadata["Name"])


def _other_lightning() -> Iterator[Finding]:
    """A ``pytorch_lightning`` of another version: classes of the one are none of the other."""
    own, other = installed_version("lightning"), installed_version("pytorch-lightning")
    if own and other and own != other:
        detail = f"pytorch-lightning {other} stands beside lightning {own}; what imports one does not fit the other"
        yield Finding("packages", "warning", detail, pip("install", f"pytorch-lightning=={own}"))


def _named_in(findings: list[Finding]) -> set[str]:
    return {canonicalize_name(finding.detail.partition(" ")[0]) for finding in findings}
