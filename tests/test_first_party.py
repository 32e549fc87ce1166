"""The packages of this repository keep the promises that everybody's plugins make."""

import random
from importlib.metadata import distributions

import pytest

from framework_core.plugins.registry import registry
from framework_core.testing.check import checks_of
from framework_core.testing.examination import examine, outcome
from framework_core.testing.subjects import PackageSubject

PACKAGES = sorted(found.name for found in distributions() if found.name and found.name.startswith("framework-plugins-"))
SMALL = 1_000_000
"""Parameters that a model may have to be trained here."""


def offered(package):
    """The datasets and small models of a package."""
    found = [
        offer.spec for plugin in registry.plugins.found if plugin.distribution == package for offer in plugin.offers
    ]
    small = [spec for spec in found if spec.kind == "model" and (spec.parameters is None or spec.parameters <= SMALL)]
    return sorted(spec.name for spec in [*small, *(spec for spec in found if spec.kind == "dataset")])


def is_fetched(name):
    """Whether it is a dataset that wants a network."""
    return any(offer.spec.files for offer in registry.catalogue.offers("dataset") if offer.spec.name == name)


def broken(package, *names):
    return [each for each in examine(package, only=names) if each.is_failure]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("package", PACKAGES)
def test_one_of_what_a_package_offers_keeps_its_promises(package):
    draw, names = random.Random(0), offered(package)
    while is_fetched(name := draw.choice(names)):
        continue
    assert broken(package, name) == []


@pytest.mark.catalogue
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_and_what_it_offers_keep_their_promises(package):
    found = [outcome(check, PackageSubject(package), package) for check in checks_of("package")]
    assert [each for each in found if each.is_failure] == []
    assert broken(package, *offered(package)) == []


def test_each_kind_of_thing_has_promises():
    assert all(checks_of(kind) for kind in ("package", "component", "model", "dataset"))
