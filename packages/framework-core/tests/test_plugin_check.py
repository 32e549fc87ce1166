"""The checks of plugins: a good one passes all, and each defect is found by the check that names it."""

import json
import os
import random
import subprocess
import sys

import pytest
from planted import DEFECTS, ENTRIES, FILES, METADATA

from framework_core.download import OFFLINE
from framework_core.testing import subjects
from framework_core.testing.check import all_checks, checks_of
from framework_core.testing.examination import outcome
from framework_core.testing.subjects import PackageSubject, subjects_of

TOAD = """
from framework_core import hookimpl
from framework_core.contracts import ModelSpec

@hookimpl
def register_components():
    yield ModelSpec(name="toad", builder="toad:Toad")
"""
SUITES = """
from framework_core.testing import DatasetSuite, ModelSuite, PackageSuite


class TestPackage(PackageSuite):
    package = "frog"


class TestLeaper(ModelSuite):
    name = "leaper"


class TestPond(DatasetSuite):
    name = "pond"
"""


@pytest.fixture
def frog(install):
    """Install the plugin, with one thing changed."""

    def installed(file="", before="", after=""):
        texts = {**FILES, "METADATA": METADATA, "ENTRIES": ENTRIES}
        if file:
            name = file if file in texts else f"frog/{file}" if "." in file else f"frog/{file}.py"
            assert before in texts[name]
            texts[name] = texts[name].replace(before, after)
        site = install("frog", {}, {}, more=texts.pop("METADATA"))
        (info,) = site.glob("*.dist-info")
        (info / "entry_points.txt").write_text(texts.pop("ENTRIES"))
        for name, text in texts.items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text)
        return site

    return installed


def check_of(name):
    return next(each for each in all_checks() if each.name == name)


def subject_of(check):
    package = PackageSubject("frog")
    if check.kind == "package":
        return package
    found = {offer.spec.kind: subjects_of(offer, offer.spec.check_settings) for offer in package.offers}
    return found["dataset" if check.kind == "dataset" else "model"][check.kind]


@pytest.mark.drawn
def test_a_good_plugin_keeps_every_promise(frog, fw):
    frog()
    done = fw("plugin", "check", "frog", "--json")
    assert done.code == 0, done.out
    found = {(each["subject"], each["check"]): each["ending"] for each in json.loads(done.out)}
    assert set(found.values()) == {"kept"}
    assert {check for _, check in found} == {each.name for each in all_checks() if not each.thorough}


FIRST = random.Random(0).sample(sorted(DEFECTS), 18)
"""The others run in a session of their own."""


@pytest.mark.some_of(8)
@pytest.mark.parametrize(
    "defect", [pytest.param(each, marks=[] if each in FIRST else [pytest.mark.thorough]) for each in DEFECTS]
)
def test_a_defect_is_found_by_the_check_that_names_it(defect, frog, install, monkeypatch):
    name, *change = DEFECTS[defect]
    frog(*change)
    install("toad", {"toad": TOAD}, {"framework.plugins": {"toad": "toad"}})
    monkeypatch.setattr(subjects, "IMPORT_SECONDS", 4.0)
    check = check_of(name)
    found = outcome(check, subject_of(check), "frog")
    assert found.ending == "broken", found
    assert found.why


PART = """
        parts = nn.Sequential(nn.Linear(features, self.width), nn.ReLU(), nn.Linear(self.width, classes))
        self.more = nn.Linear(features, classes)
        return parts
"""
APART = {
    "none": ("self.model(x)", "kept", ""),
    "a part that only one process uses": (
        "self.model(x) + (0 if os.environ.get('RANK') == '1' else self.more(x))",
        "broken",
        "Expected to have finished reduction in the prior iteration",
    ),
    "another computation in each process": (
        "self.model(x) * (1 + int(os.environ.get('RANK', 0)))",
        "broken",
        "differs by",
    ),
}


@pytest.mark.ddp
@pytest.mark.parametrize(
    "defect", [pytest.param(each, marks=pytest.mark.thorough if each == "none" else []) for each in APART]
)
def test_what_two_processes_do_otherwise_than_one_is_found(defect, frog):
    computed, ending, why = APART[defect]
    site = frog("models", "self.model(x)\n", computed + "\n")
    models = site / "frog" / "models.py"
    layers = (
        "        return nn.Sequential(nn.Linear(features, self.width), nn.ReLU(), nn.Linear(self.width, classes))\n"
    )
    assert layers in models.read_text()
    if "more" in computed:
        models.write_text(models.read_text().replace(layers, PART))
    check = next(each for each in all_checks() if each.name == "two_processes_are_as_one")
    found = outcome(check, subject_of(check), "frog")
    assert (found.ending, why in found.why) == (ending, True), found


def test_there_is_a_defect_for_every_check():
    assert {name for name, *_ in DEFECTS.values()} == {each.name for each in all_checks() if not each.thorough}


def test_every_promise_is_a_sentence():
    for each in checks_of("package", "component", "model", "dataset", thorough=True):
        assert len(each.promise.split()) > 3, each.name


def test_what_is_broken_is_shown_with_the_reason(frog, fw):
    frog("models", "nn.Linear(self.width, classes))", "nn.Linear(self.width, 3))")
    done = fw("plugin", "check", "frog", "leaper")
    assert done.code == 1
    assert "model leaper: 20 kept, 1 broken" in done.out
    assert (
        "broken  takes_what_the_data_says: with 4 classes and inputs of 4 it gives 3 outputs for a sample" in done.out
    )


def test_a_failure_that_is_expected_is_shown_with_its_reason_and_one_that_is_none_is_an_error(frog, fw):
    reasons = "expected_failures={'samples_are_independent': 'it compares them', 'outputs_fit': 'they do not'}, summary"
    frog("plugin", "summary", reasons)
    done = fw("plugin", "check", "frog", "leaper")
    assert done.code == 1
    assert "unexpectedly kept  outputs_fit: it was expected to fail: they do not" in done.out


def test_a_package_that_ends_the_process_is_told_of_and_not_imported_here(frog, fw):
    frog("plugin", "\nfrom framework_core import hookimpl\n", "\nimport os\nos._exit(3)\n")
    done = fw("plugin", "check", "frog")
    assert done.code == 1
    assert "broken  import_works: importing it ended the process with status 3" in done.out


FETCHES = """    def prepare_data(self):
        from framework_core.download import RemoteFile, download

        if not self.path:
            download(RemoteFile("http://127.0.0.1:9/pond", "sha256:" + 64 * "0"), Path("pond"))

    def setup(self, stage=None):
"""


def test_data_that_is_fetched_is_not_broken_where_there_is_no_network(frog, fw, monkeypatch):
    monkeypatch.setenv(OFFLINE, "1")
    frog("data", "    def setup(self, stage=None):\n", FETCHES)
    done = fw("plugin", "check", "frog", "--json")
    assert done.code == 0, done.out
    why = {each["why"] for each in done.json if each["ending"] == "not applicable"}
    assert "pond is not here, and nothing is fetched from the network (--offline). Where there is" in " ".join(why)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frog", "leeper"], "The package frog offers no 'leeper'.\n  Near it: leaper."),
        (["newt"], "There is no package 'newt'"),
        (["frog", "--set", "leaper"], "--set leaper cannot be read."),
        (["."], "it is neither a wheel nor a folder with a pyproject.toml"),
        (["newt-1.0-cp27-none-any.whl"], "it is for cp27-none-any, which this Python is not"),
        (["newt.whl"], "its name is not that of a wheel"),
    ],
)
def test_what_cannot_be_checked_is_said(words, said, frog, fw, project):
    frog()
    for name in ("newt-1.0-cp27-none-any.whl", "newt.whl"):
        (project / name).touch()
    done = fw("plugin", "check", *words)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


@pytest.mark.drawn
@pytest.mark.long
def test_the_suites_find_the_same(frog, project):
    site = frog("models", "self.model(x)\n", "self.model(x - x.mean(0))\n")
    (project / "test_frog.py").write_text(SUITES)
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", "test_frog.py"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True)
    assert "FAILED test_frog.py::TestLeaper::test_promise[samples_are_independent]" in done.stdout
    assert "Found: alone and with others the first sample's output differs by" in done.stdout
    assert "1 failed, 52 passed" in done.stdout
