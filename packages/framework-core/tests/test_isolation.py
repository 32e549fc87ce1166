"""What a plugin does at import costs that plugin only; and plugins are switched off and on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from framework_core.plugins import switches
from framework_core.plugins.registry import registry

pytestmark = pytest.mark.drawn

GOOD = """
from framework_core import hookimpl
from framework_core.contracts import ModelSpec

@hookimpl
def register_components():
    yield ModelSpec(name="good_model", builder="good.models:Model", summary="works")
"""


@pytest.fixture
def good(install):
    return install("good-dist", {"good_plugin": GOOD}, {"framework.plugins": {"good": "good_plugin"}})


@pytest.fixture
def bad(install):
    """Installs a plugin whose module begins with some code."""

    def installed(code, version="0.3"):
        modules = {"bad_plugin": f"{code}\n{GOOD.replace('good', 'bad')}"}
        return install("bad-dist", modules, {"framework.plugins": {"bad": "bad_plugin"}}, version=version)

    return installed


def plugin(name):
    return next(each for each in registry.plugins.found if each.name == name)


def names():
    return registry.catalogue.names("model")


def test_a_plugin_that_hangs_is_left_out_after_a_time(good, bad, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_IMPORT_SECONDS", "0.3")
    bad("import time; time.sleep(60)")
    assert "good_model" in names()
    assert plugin("bad").cause == "ImportTimeoutError: importing it did not end within 0.3 seconds"
    assert plugin("bad").seconds < 10


def test_a_plugin_that_swallows_the_end_of_its_time_gets_no_more_of_it(bad, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_IMPORT_SECONDS", "0.1")
    bad("import time\ntry: time.sleep(60)\nexcept Exception: time.sleep(60)")
    assert plugin("bad").state == "broken"


def test_a_listing_that_a_script_reads_holds_nothing_that_a_plugin_prints(good, bad, fresh):
    site = bad("print('hello from bad')")
    done = fresh("list", "models", "--plugin", "good-dist", "--json", path=[site, good])
    assert [row["name"] for row in done.json] == ["good_model"]
    assert "hello from bad" in done.err


def test_a_plugin_that_forks_answers_once(good, bad, fresh):
    site = bad("import os; os.fork()")
    done = fresh("list", "models", "--plugin", "good-dist", "--json", path=[site, good])
    assert [row["name"] for row in done.json] == ["good_model"]


def test_a_plugin_that_ends_the_process_does_so_twice_and_no_more(good, bad, fresh, fw):
    path = [bad("import os; os._exit(7)"), good]
    assert [fresh("list", "models", path=path).code for _ in range(3)] == [7, 7, 0]
    listed = {row["name"]: row for row in fresh("plugin", "list", "--json", path=path).json}
    assert listed["good"]["state"] == "active"
    assert listed["bad"]["state"] == "disabled"
    assert listed["bad"]["cause"].startswith("disabled: 2 times a process ended, or hung, while it was imported")
    assert fresh("plugin", "enable", "bad", path=path).code == 0
    assert fresh("plugin", "list", path=path).code == 7, "it is tried again"


def test_another_version_of_what_ended_the_process_is_tried(bad, fresh):
    path = [bad("import os; os._exit(7)", version="0.5")]
    assert [fresh("list", "models", path=path).code for _ in range(3)] == [7, 7, 0]
    (path[0] / "bad_plugin.py").write_text(GOOD.replace("good", "bad"))
    info = (path[0] / "bad_dist-0.5.dist-info").rename(path[0] / "bad_dist-0.6.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-dist\nVersion: 0.6\n")
    assert "bad_model" in fresh("list", "models", path=path).out


def test_processes_that_were_ended_together_say_nothing_against_a_plugin(bad, fresh, project, cache):
    """As those of a job that is cancelled while it starts."""
    site = bad(
        "import os, time\nif os.path.exists('wait'):\n    open('wait', 'a').write('.'); time.sleep(60)", version="0.8"
    )
    (project / "wait").touch()
    environment = {**os.environ, "FRAMEWORK_CACHE": str(cache), "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "framework_core", "plugin", "list"]
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(3)]
    while (project / "wait").stat().st_size < len(started):
        assert all(process.poll() is None for process in started)
        time.sleep(0.05)
    for process in started:
        process.kill()
    for process in started:
        process.wait()
    (project / "wait").unlink()
    listed = {row["name"]: row for row in fresh("plugin", "list", "--json", path=[site]).json}
    assert listed["bad"]["state"] == "active"
    assert not [path for path in (cache / "importing").iterdir() if "0.8" in path.read_text()]


def test_one_end_that_a_signal_may_have_caused_is_forgotten_with_the_next_import(bad, fresh, project, cache):
    site = bad("import os\nif os.path.exists('end'): os._exit(7)", version="0.7")
    for _ in range(3):
        (project / "end").touch()
        assert fresh("plugin", "list", path=[site]).code == 7
        (project / "end").unlink()
        assert fresh("plugin", "list", path=[site]).code == 0
    assert not [path for path in (cache / "importing").iterdir() if "0.7" in path.read_text()]


def test_disabled_it_stays_away_until_it_is_enabled(good, fw):
    assert fw("plugin", "disable", "good-dist").code == 0
    assert "good_model" not in names()
    assert plugin("good").cause == "disabled; fw plugin enable good-dist brings it back"
    done = fw("plugin", "enable", "good")
    assert (done.code, done.err.strip()) == (0, "good is enabled.")
    assert "good_model" in names()
    assert fw("plugin", "enable", "good").err.strip() == "good was not disabled."


def test_what_is_enabled_and_still_left_out_is_told(good, fw, monkeypatch):
    fw("plugin", "disable", "good")
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "vision")
    registry.refresh()
    done = fw("plugin", "enable", "good")
    assert done.err.strip() == "good is enabled, and still left out: good: not named in FRAMEWORK_PLUGINS."


@pytest.mark.parametrize("word", ["disable", "enable"])
def test_only_what_is_installed_can_be_switched(word, good, fw):
    done = fw("plugin", word, "godo")
    assert done.code == 2
    assert "There is no plugin named 'godo'." in done.err
    assert "good" in done.err
    assert fw("plugin", word, "core").code == 2


def test_settings_that_cannot_be_written_are_one_message(good, fw, tmp_path):
    (tmp_path / "config").write_text("a file")
    done = fw("plugin", "disable", "good")
    assert (done.code, done.out) == (2, "")
    assert str(tmp_path / "config") in done.err
    assert "Traceback" not in done.err


def test_a_spoilt_note_counts_as_none(good, fw, tmp_path):
    fw("plugin", "disable", "good")
    (note,) = (tmp_path / "config").iterdir()
    assert json.loads(note.read_text())["plugins"]["good"]
    note.write_text("[[")
    registry.refresh()
    assert "good_model" in names()


def test_only_the_plugins_of_the_environment_variable_are_looked_at(good, bad, monkeypatch, caplog):
    bad("raise RuntimeError('x')")
    monkeypatch.setenv("FRAMEWORK_PLUGINS", "good-dist")
    assert names() == ["good_model"]
    assert plugin("bad").cause == "not named in FRAMEWORK_PLUGINS"
    assert not caplog.records


@pytest.mark.parametrize("words", [("--no-plugins",), ()])
def test_without_plugins_there_is_core_alone(words, good, fw, monkeypatch):
    if not words:
        monkeypatch.setenv("FRAMEWORK_PLUGINS", "")
    done = fw("list", "models", "--json", *words)
    assert (done.code, done.json) == (0, [])
    assert fw("list", "optimizers", "--json", *words).json


def test_a_process_that_is_started_sees_the_same_plugins(good):
    switches.configure(without=["good"], only=["good", "vision"])
    assert os.environ["FRAMEWORK_WITHOUT_PLUGINS"] == "good"
    assert os.environ["FRAMEWORK_PLUGINS"] == "good,vision"
    switches.configure()
    assert not {"FRAMEWORK_WITHOUT_PLUGINS", "FRAMEWORK_PLUGINS"} & set(os.environ)


def test_a_name_that_a_plugin_brings_which_is_left_out_is_told(fw):
    done = fw("train", "--model", "resnet50", "--without", "vision")
    assert done.code == 2
    assert "It may come with framework-plugins-vision, which is left out: switched off" in done.err
