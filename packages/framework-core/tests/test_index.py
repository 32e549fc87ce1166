"""The answer of ``fw list`` is kept between commands, and made anew when something has changed."""

import json
import os
import shutil
import stat

import pytest

pytestmark = pytest.mark.drawn

PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import ModelSpec

@hookimpl
def register_components():
    with open({log!r}, "a") as log:
        log.write("asked ")
    yield ModelSpec(name="{name}", builder="nowhere:Model")
"""


@pytest.fixture
def cache(tmp_path):
    """A cache of its own for every test."""
    return tmp_path / "cache"


@pytest.fixture
def offering(install, tmp_path):
    """Install a plugin that offers one model and notes when it is asked."""

    def make(name, plugin="zoo"):
        code = PLUGIN.format(name=name, log=str(tmp_path / f"{plugin}.log"))
        return install(
            f"{plugin}-dist", {f"{plugin}.plugin": code}, {"framework.plugins": {plugin: f"{plugin}.plugin"}}
        )

    return make


@pytest.fixture
def listed(fresh):
    """The names that a new process lists."""

    def names(*sites, words=()):
        done = fresh("list", "models", "--json", *words, path=sites)
        assert done.code == 0, done.err
        assert "Traceback" not in done.err
        return {row["name"] for row in done.json}

    return names


@pytest.fixture
def asked(tmp_path):
    """How often a plugin was asked."""

    def count(plugin="zoo"):
        log = tmp_path / f"{plugin}.log"
        return len(log.read_text().split()) if log.exists() else 0

    return count


@pytest.fixture
def kept(tmp_path):
    """The files that are kept."""
    return lambda: list((tmp_path / "cache" / "index").glob("*"))


def test_the_second_listing_asks_no_plugin_and_says_the_same(offering, listed, asked, kept):
    site = offering("gnu")
    first = listed(site)
    assert "gnu" in first
    assert (asked(), len(kept())) == (1, 1)
    assert listed(site) == first
    assert asked() == 1


def test_every_kind_is_kept_at_once(offering, listed, fresh, asked):
    site = offering("gnu")
    listed(site)
    assert "ddp" in fresh("list", "strategies", path=[site]).out
    assert "gnu" in fresh("search", "gnu", path=[site]).out
    assert asked() == 1


def test_what_is_installed_later_is_listed(offering, listed):
    site = offering("gnu")
    assert "gnu" in listed(site)
    other = offering("auk", plugin="coast")
    assert {"gnu", "auk"} <= listed(site, other)


def test_what_is_installed_in_a_folder_that_was_there_is_listed(offering, listed):
    site = offering("gnu")
    assert "gnu" in listed(site)
    other = offering("auk", plugin="coast")
    for each in other.iterdir():
        shutil.move(each, site)
    assert {"gnu", "auk"} <= listed(site)


def test_what_is_removed_is_not_listed(offering, listed):
    site = offering("gnu")
    assert "gnu" in listed(site)
    shutil.rmtree(next(site.glob("*.dist-info")))
    assert "gnu" not in listed(site)


def test_a_plugin_whose_source_is_edited_is_asked_again(offering, listed, asked):
    site = offering("gnu")
    assert "gnu" in listed(site)
    source = site / "zoo" / "plugin.py"
    source.write_text(source.read_text().replace("gnu", "okapi"))
    names = listed(site)
    assert "okapi" in names
    assert "gnu" not in names
    assert asked() == 2


def test_a_plugin_that_is_left_out_is_not_in_the_answer(offering, listed):
    site = offering("gnu")
    assert "gnu" in listed(site)
    assert "gnu" not in listed(site, words=["--without", "zoo"])
    assert "gnu" in listed(site)


def test_while_a_plugin_is_broken_nothing_is_kept(offering, install, fresh, kept):
    site = offering("gnu")
    bad = install("bad-dist", {"bad_plugin": "raise RuntimeError('x')"}, {"framework.plugins": {"bad": "bad_plugin"}})
    for _ in range(2):
        assert "'bad' of bad-dist" in fresh("list", "models", path=[site, bad]).err
    assert kept() == []


@pytest.mark.some_of(2)
@pytest.mark.parametrize(
    "content",
    ["", "not JSON", "{}", "[]", "null", '{"sources": 3, "content": {}}', "\0\1\2"],
)
def test_a_damaged_answer_is_made_anew(content, offering, fw, kept):
    offering("gnu")
    assert "gnu" in fw("list", "models").out
    (path,) = kept()
    path.write_text(content)
    done = fw("list", "models")
    assert (done.code, "gnu" in done.out) == (0, True)
    assert "gnu" in {row["name"] for row in json.loads(path.read_text())["content"]["model"]}


def test_an_answer_cut_short_is_made_anew(offering, fw, kept):
    offering("gnu")
    fw("list", "models")
    (path,) = kept()
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    assert "gnu" in fw("list", "models").out
    assert json.loads(path.read_text())["content"] == json.loads(whole)["content"]


def test_a_cache_that_cannot_be_written_does_no_harm(offering, fw, monkeypatch, tmp_path):
    offering("gnu")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("FRAMEWORK_CACHE", str(tmp_path / "file" / "cache"))
    for _ in range(2):
        done = fw("list", "models")
        assert (done.code, "gnu" in done.out) == (0, True)
        assert "Traceback" not in done.err


def test_a_read_only_cache_does_no_harm(offering, fw, monkeypatch, tmp_path):
    offering("gnu")
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    monkeypatch.setenv("FRAMEWORK_CACHE", str(folder / "cache") if os.getuid() else "/proc/self/cache")
    assert "gnu" in fw("list", "models").out


def test_old_answers_are_cleared_away(offering, fw, kept, tmp_path):
    offering("gnu")
    folder = tmp_path / "cache" / "index"
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"{number:032d}.json").write_text("{}")
    fw("list", "models")
    assert len(kept()) <= 21
    assert any("gnu" in path.read_text() for path in kept())
