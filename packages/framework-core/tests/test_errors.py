"""The errors that a user can meet."""

import inspect
import re
import subprocess
import sys

import pytest

from framework_core import errors
from framework_core.errors import (
    AmbiguousNameError,
    ConfigError,
    ConfigProblem,
    ContractError,
    FrameworkError,
    MissingPackageError,
    OutputError,
    PluginError,
    RunInterrupted,
    RunNotFoundError,
    TrackingError,
    UnknownNameError,
    near_names,
    quoted,
)

EVERY = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, FrameworkError) and each.__module__.startswith(errors.__name__)
]


def drawn():
    """The tree at the top of the module: each error with its parent."""
    above, found = {}, {}
    for line in errors.__doc__.splitlines():
        if named := re.search(r"(Framework\w+|\w+Error|RunInterrupted)\s{2,}", line):
            depth = (named.start() - 4) // 4
            above[depth] = named[1]
            found[named[1]] = above.get(depth - 1)
    return found


def test_the_tree_is_drawn_as_it_is():
    parents = {each.__name__: each.__base__.__name__ for each in EVERY}
    assert drawn() == {**parents, "FrameworkError": None}


def test_exit_codes_follow_the_tree():
    codes = {each.__name__: each.exit_code for each in EVERY}
    assert codes.pop("RunInterrupted") == 130
    for each in EVERY:
        if each is not RunInterrupted:
            assert codes[each.__name__] == (2 if issubclass(each, errors.RequestError) else 1)


def test_an_error_says_what_is_wrong_what_is_possible_and_what_to_type():
    assert str(FrameworkError("wrong", possible="right", next_step="type")) == "wrong\nright\ntype"
    assert str(FrameworkError("wrong", next_step="type")) == "wrong\ntype"
    assert str(FrameworkError("wrong")) == "wrong"


def test_an_unknown_name_shows_the_near_ones():
    error = UnknownNameError("model", "resnet5", ["vit", "resnet50", "resnet18"], listing="fw list models")
    assert error.near[0] == "resnet50"
    assert str(error).splitlines() == [
        "There is no model named 'resnet5'.",
        f"Near it: {', '.join(error.near)}.",
        "List them all: fw list models",
    ]


def test_an_unknown_name_like_no_other_shows_what_there_is():
    assert "There are 2: a, b." in str(UnknownNameError("model", "zzzzz", ["b", "a"]))
    assert "No model is installed." in str(UnknownNameError("model", "zzzzz", []))


def test_of_many_names_the_first_are_shown():
    names = [f"m{number:02d}" for number in range(40)]
    line = str(UnknownNameError("model", "zzzzz", names)).splitlines()[1]
    assert line == f"There are 40: {', '.join(names[:12])} ..."


def test_what_would_provide_a_name_goes_before_the_listing():
    error = UnknownNameError("model", "x", ["y"], listing="fw list models", hint="pip install it")
    assert error.next_step == "pip install it"


def test_all_settings_that_are_wrong_are_told_together():
    problems = [
        ConfigProblem("trainer.max_epochs", "must be at least -1", value=-2),
        ConfigProblem("model.widht", "there is no such setting", near=("width", "weight", "depth")),
    ]
    assert str(ConfigError(problems)).splitlines() == [
        "2 settings are not allowed:",
        "  trainer.max_epochs: must be at least -1 (given: -2).",
        "  model.widht: there is no such setting. Did you mean width or weight?",
        "See every setting with its value: fw config show",
    ]
    assert str(ConfigError(problems[:1])).startswith("A setting is not allowed:")


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (AmbiguousNameError("model", "vit", ["a", "b"]), ["a and b", "a:vit or b:vit", "--without"]),
        (MissingPackageError("torch", needed_for="fw train", requirement="core[train]"), ["pip install 'core[train]'"]),
        (ContractError("A and B do not fit", ["one", "two"]), ["A and B do not fit:", "  one", "  two"]),
        (
            RunNotFoundError("x", "no runs/ here.", known=["r1"]),
            ["There is no run 'x': no runs/ here.", "r1", "'last'"],
        ),
        (RunNotFoundError("x", ""), ["There is no run 'x'."]),
        (OutputError("/there", "it is read-only."), ["Cannot write to /there: it is read-only."]),
        (TrackingError("http://x", "nothing answers."), ["The tracking store http://x cannot be used", "offline=true"]),
        (PluginError("p", "dist", "1", "no driver"), ["'p' of dist 1 is broken: no driver", "--without p"]),
        (RunInterrupted("Ctrl-C", run="r1"), ["Stopped by Ctrl-C.", "fw train --resume r1"]),
    ],
)
def test_what_a_message_holds(error, parts):
    for part in parts:
        assert part in str(error)


def test_an_interruption_without_a_run_promises_no_continuation():
    assert str(RunInterrupted("Ctrl-C")) == "Stopped by Ctrl-C."


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("resnet5", ["vit", "resnet50"], ["resnet50"]),
        ("RESNET50", ["resnet50"], ["resnet50"]),
        ("digit", ["digits", "iris"], ["digits"]),
        ("sdg", ["sgd", "adam"], ["sgd"]),
        ("zzzz", ["resnet50"], []),
        ("x", [], []),
    ],
)
def test_near_names(name, known, found):
    assert near_names(name, known) == found


def test_what_only_looks_different_comes_first():
    assert near_names("resnet2O", ["resnet26", "resnet32", "resnet20"])[0] == "resnet20"


def test_near_names_are_few():
    assert len(near_names("resnet", [f"resnet{number}" for number in range(30)])) == 3


@pytest.mark.parametrize("text", ["plain", "two words", "core[train]", "it's"])
def test_a_quoted_text_is_one_word_of_a_shell(text):
    out = subprocess.run(["sh", "-c", f"printf %s {quoted(text)}"], capture_output=True, text=True, check=True).stdout
    assert out == text


def test_errors_are_light():
    code = "import framework_core.errors, sys; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
