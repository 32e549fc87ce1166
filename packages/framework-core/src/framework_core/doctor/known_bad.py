"""Versions that must not be installed, whatever asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files

from packaging.specifiers import SpecifierSet

from framework_core.doctor.finding import Finding
from framework_core.doctor.installer import installed_version, pip


def known_bad_versions() -> Iterator[Finding]:
    """One finding for each distribution that is installed in a version known to be bad."""
    told = set()
    for entry in json.loads(files("framework_core.doctor").joinpath("known_bad.json").read_text("utf-8")):
        name, version = entry["distribution"], installed_version(entry["distribution"])
        bad = version and any(SpecifierSet(each).contains(version, prereleases=True) for each in entry["versions"])
        if bad and name not in told:
            told.add(name)
            detail = f"{name} {version} {entry['what']} ({entry['reference']})"
            yield Finding("packages", "problem", detail, pip("install", entry["instead"]))
