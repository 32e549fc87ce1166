import pytest

from framework_core.errors import PluginError
from framework_core.plugins import switches
from framework_core.plugins.hookspecs import HookSpecs
from framework_core.plugins.registry import registry

GOOD = """
from framework_core import hookimpl
from framework_core.contracts import ModelSpec

@hookimpl
def register_components():
    yield ModelSpec(name="good_model", builder="good.models:Model", summary="works")
"""


def plugin(name):
    return next(each for each in registry.plugins.found if each.name == name)


def names(kind="model"):
    return registry.catalogue.names(kind)


def test_a_plugin_brings_its_components_without_importing_them(install):
    install("good-dist", {"good.plugin": GOOD}, {"framework.plugins": {"good": "good.plugin"}})
    assert "good_model" in names()
    found = plugin("good")
    assert (found.distribution, found.version, found.state) == ("good-dist", "1.2.3", "active")
    assert found.hooks == ("register_components",)


def test_one_line_in_pyproject_offers_a_component_without_importing_it(install):
    entries = {
        "framework.models": {"lined": "not_there.models:Model"},
        "framework.datasets": {"data": "not_there:Data"},
    }
    install("lined-dist", {}, entries)
    assert "lined" in names()
    assert "data" in names("dataset")
    assert registry.catalogue.get("model", "lined").distribution == "lined-dist"


BROKEN = {
    "raises on import": ("raise RuntimeError('no driver')", "RuntimeError: no driver"),
    "misses a package": ("import not_installed_anywhere", "No module named 'not_installed_anywhere'"),
    "leaves the program": ("raise SystemExit(3)", "SystemExit: 3"),
    "is no Python": ("def (", "SyntaxError"),
    "misspells a hook": (
        "from framework_core import hookimpl\n@hookimpl\ndef register_componets(): return []",
        "there is no hook 'register_componets'; did you mean register_components?",
    ),
    "takes an argument that no hook gives": (
        "from framework_core import hookimpl\n@hookimpl\ndef run_started(runn): pass",
        "runn",
    ),
    "fails in a hook": (
        "from framework_core import hookimpl\n@hookimpl\ndef register_components(): raise KeyError('x')",
        "KeyError: 'x'",
    ),
    "gives no spec": (
        "from framework_core import hookimpl\n@hookimpl\ndef register_components(): return ['resnet']",
        "gave 'resnet', which is not a spec",
    ),
    "gives a spec that is wrong": (
        "from framework_core import hookimpl\nfrom framework_core.contracts import ModelSpec\n"
        "@hookimpl\ndef register_components(): return [ModelSpec(name='a b', builder='x:y')]",
        "name: String should match pattern",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_costs_one_warning_and_its_own_offers(case, install, caplog):
    code, cause = BROKEN[case]
    install("good-dist", {"good.plugin": GOOD}, {"framework.plugins": {"good": "good.plugin"}})
    install("bad-dist", {"bad_plugin": code}, {"framework.plugins": {"bad": "bad_plugin"}}, version="0.3")
    assert "good_model" in names()
    found = plugin("bad")
    assert found.state == "broken"
    assert cause in found.cause
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "'bad' of bad-dist 0.3" in warnings[0]
    assert cause in warnings[0]


def test_strict_makes_a_broken_plugin_an_error(install):
    install("bad-dist", {"bad_plugin": "raise RuntimeError('x')"}, {"framework.plugins": {"bad": "bad_plugin"}})
    switches.configure(strict=True)
    with pytest.raises(PluginError) as caught:
        _ = registry.plugins
    assert (caught.value.plugin, caught.value.distribution, caught.value.version) == ("bad", "bad-dist", "1.2.3")


def test_a_spec_for_a_newer_contract_is_used_with_a_warning(install, caplog):
    newer = GOOD.replace('summary="works"', "contract_version=99")
    install("new-dist", {"good.plugin": newer}, {"framework.plugins": {"good": "good.plugin"}})
    assert "good_model" in names()
    assert "contract 99" in caplog.text


@pytest.mark.parametrize(
    ("needs", "told"),
    [("framework-core<0.1", "framework-core<0.1, and this is"), ("framework-core[train]>=0.1,<9", ""), ("numpy", "")],
)
def test_a_plugin_made_for_another_core_is_told_with_what_mends_it(needs, told, install, caplog):
    entries = {"framework.plugins": {"good": "good_plugin"}}
    install("good-dist", {"good_plugin": GOOD}, entries, more=f"Requires-Dist: {needs}\n")
    assert "good_model" in names()
    assert told in caplog.text
    assert bool(caplog.records) == bool(told)
    assert not told or "pip install -U good-dist" in caplog.text


@pytest.mark.parametrize("name", ["good", "good-dist"])
def test_a_plugin_is_switched_off_by_its_name_or_its_distribution(name, install):
    install("good-dist", {"good.plugin": GOOD}, {"framework.plugins": {"good": "good.plugin"}})
    switches.configure(without=[name])
    assert "good_model" not in names()
    assert plugin("good").state == "disabled"


def test_a_switched_off_plugin_is_not_even_imported(install, caplog):
    install("bad-dist", {"bad_plugin": "raise RuntimeError('x')"}, {"framework.plugins": {"bad": "bad_plugin"}})
    switches.configure(without=["bad"])
    _ = registry.plugins
    assert not caplog.records


def test_the_environment_switches_off_too(install, monkeypatch):
    install("good-dist", {"good.plugin": GOOD}, {"framework.plugins": {"good": "good.plugin"}})
    monkeypatch.setenv("FRAMEWORK_WITHOUT_PLUGINS", "other, good")
    assert "good_model" not in names()


def test_config_packages_of_every_plugin_are_known(install):
    code = 'from framework_core import hookimpl\n@hookimpl\ndef register_config_packages(): return ["mine.conf"]'
    install("conf-dist", {"conf_plugin": code}, {"framework.plugins": {"conf": "conf_plugin"}})
    assert ("conf-dist", "mine.conf") in registry.plugins.config_packages()
    assert ("framework-core", "framework_core.conf") in registry.plugins.config_packages()


EVENTS = """
from framework_core import hookimpl
heard = []

@hookimpl
def run_started(run):
    heard.append(run)

@hookimpl
def run_ended():
    {ended}
"""


def test_events_reach_every_plugin_and_one_that_fails_stops_nothing(install, caplog):
    import importlib

    code = EVENTS.format(ended="heard.append('ended')")
    install("a-dist", {"a_plugin": EVENTS.format(ended="1 / 0")}, {"framework.plugins": {"a": "a_plugin"}})
    install("b-dist", {"b_plugin": code}, {"framework.plugins": {"b": "b_plugin"}})
    registry.plugins.announce("run_started", run="the run")
    registry.plugins.announce("run_ended", result="the result")
    assert importlib.import_module("b_plugin").heard == ["the run", "ended"]
    assert "Plugin 'a' failed in run_ended: ZeroDivisionError" in caplog.text


def test_every_hook_has_a_promise_and_an_example():
    hooks = [getattr(HookSpecs, name) for name in dir(HookSpecs) if not name.startswith("_")]
    assert len(hooks) == 6
    for hook in hooks:
        assert "Called" in hook.__doc__
        assert "Example::" in hook.__doc__
        assert f"def {hook.__name__}(" in hook.__doc__
