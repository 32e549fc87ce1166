"""A package that keeps its promises is certified, until one of its files changes."""

from __future__ import annotations

import json
import zipfile
from hashlib import sha256

import pytest

from framework_core.plugins.registry import registry
from framework_core.testing.certifying import certify
from framework_core.testing.examination import Outcome
from framework_core.testing.installing import install_into

PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import CallbackSpec

@hookimpl
def register_components():
    yield CallbackSpec(name="croak", builder="frog.calls:Croak", summary="Croaks {times}")
"""
CALLBACK = """
from lightning.pytorch import Callback

class Croak(Callback):
    \"\"\"Croaks.\"\"\"
"""
METADATA = "License-Expression: MIT\nRequires-Dist: framework-core<9,>=0.1\n"


@pytest.fixture
def frog(install):
    """An installed package with the list of its files that an installer writes."""
    modules = {"frog.__init__": "", "frog.plugin": PLUGIN.format(times="once"), "frog.calls": CALLBACK}
    site = install("frog-dist", modules, {"framework.plugins": {"frog": "frog.plugin"}}, more=METADATA)
    info = site / "frog_dist-1.2.3.dist-info"
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: py3-none-any\n")
    files = [path.relative_to(site) for path in sorted(site.rglob("*")) if path.is_file()]
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in [*files, info.relative_to(site) / "RECORD"]))
    return site


def certificates(fw):
    return {row["distribution"]: row["certificate"] for row in fw("plugin", "list", "--json").json}


def test_it_says_what_was_checked_by_what_and_on_which_files(frog, fw):
    assert certificates(fw)["frog-dist"] == ""
    done = fw("plugin", "check", "frog-dist", "--certify")
    assert done.code == 0, done.out
    path = frog / "frog_dist-1.2.3.dist-info" / "framework_certificate.json"
    assert "Certified: frog-dist" in done.err
    said = json.loads(path.read_text())
    assert said["checks"]["frog-dist"]["import_is_light"] == "kept"
    assert said["checks"]["callback croak"]
    assert {"kit", "core", "contract", "python", "date"} <= said.keys()
    assert said["files"]["frog/calls.py"] == sha256((frog / "frog" / "calls.py").read_bytes()).hexdigest()
    assert "framework_certificate.json" in (path.parent / "RECORD").read_text(), "it is removed with the package"
    assert certificates(fw)["frog-dist"] == "holds"


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_a_file_that_changes_voids_it(change, frog, fw):
    certify("frog-dist", [Outcome("frog-dist", "has_licence", "It says its licence", "kept")], thorough=False)
    assert certificates(fw)["frog-dist"] == "holds"
    calls = frog / "frog" / "calls.py"
    calls.write_text(f"{CALLBACK}\n# louder\n") if change == "edited" else calls.unlink()
    assert certificates(fw)["frog-dist"] == "void"
    assert "certificate" in fw("plugin", "list").out


def test_what_is_certified_can_be_listed_and_a_component_tells(frog, fw, install):
    more = PLUGIN.replace("CallbackSpec", "ModelSpec").replace("croak", "toad").format(times="never")
    install("toad-dist", {"toad_plugin": more}, {"framework.plugins": {"toad": "toad_plugin"}})
    (frog / "frog" / "plugin.py").write_text(PLUGIN.replace("CallbackSpec", "ModelSpec").format(times="once"))
    certify("frog-dist", [Outcome("frog-dist", "has_licence", "It says its licence", "kept")], thorough=False)
    registry.refresh()
    assert [row["name"] for row in fw("list", "models", "--certified", "--json").json] == ["croak"]
    assert fw("list", "datasets", "--certified", "--json").json == []
    assert [line.split()[:2] for line in fw("list", "--certified").out.splitlines()[1:]] == [["model", "croak"]]
    assert fw("list", "--certified", "models").code == 2
    (frog / "frog" / "calls.py").write_text(CALLBACK.replace("Croaks", "Quacks"))
    assert fw("list", "models", "--certified", "--json").json == []
    assert fw("list", "--certified").err.startswith("\n0 of ")


def test_a_broken_promise_gets_none(frog, fw):
    (frog / "frog" / "plugin.py").write_text(f"print('croak')\n{PLUGIN.format(times='once')}")
    done = fw("plugin", "check", "frog-dist", "--certify")
    assert done.code == 1
    assert "There is no certificate where a promise is broken." in done.err
    assert certificates(fw)["frog-dist"] == ""


def test_it_is_of_a_whole_package(frog, fw):
    done = fw("plugin", "check", "frog-dist", "croak", "--certify")
    assert done.code == 2
    assert "A certificate is of a whole package, not of croak." in done.err


def test_what_is_run_from_its_source_gets_none(frog, fw, project):
    (frog / "frog_dist-1.2.3.dist-info" / "direct_url.json").write_text('{"dir_info": {"editable": true}}')
    assert fw("plugin", "check", "frog-dist", "--certify").code == 2
    (project / "pyproject.toml").touch()
    done = fw("plugin", "check", ".", "--certify")
    assert done.code == 2
    assert "cannot be certified: it is a folder of sources, which change" in done.err


@pytest.mark.parametrize("text", ["[[", "{}", '{"checks": 3, "files": {}}'])
def test_a_spoilt_certificate_is_none(text, frog, fw):
    (frog / "frog_dist-1.2.3.dist-info" / "framework_certificate.json").write_text(text)
    assert certificates(fw)["frog-dist"] == ""


@pytest.mark.drawn
@pytest.mark.long
def test_a_wheel_carries_it_to_where_it_is_installed(frog, fresh, project, fw, monkeypatch):
    wheel = project / "frog_dist-1.2.3-py3-none-any.whl"
    (frog / "frog_dist-1.2.3.dist-info" / "framework_certificate.json").write_text("one of before")
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted(frog.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(frog))
    done = fresh("plugin", "check", wheel.name, "--certify")
    assert done.code == 0, done.out + done.err
    elsewhere = project / "elsewhere"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        assert sum("certificate" in name for name in archive.namelist()) == 1
        archive.extractall(elsewhere)
    monkeypatch.syspath_prepend(elsewhere)
    registry.refresh()
    assert certificates(fw)["frog-dist"] == "holds"


def test_a_wheel_is_checked_as_it_is_and_not_as_an_installation_of_it_was_edited(frog, project):
    wheel = project / "frog_dist-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted(each for each in frog.rglob("*") if each.is_file()):
            archive.write(path, path.relative_to(frog).as_posix())
    assert install_into(project / "one", wheel) == "frog-dist"
    edited = project / "one" / "frog" / "calls.py"
    with edited.open("a") as file:
        file.write("# edited\n")
    install_into(project / "two", wheel)
    assert (project / "two" / "frog" / "calls.py").read_text() == (frog / "frog" / "calls.py").read_text()
