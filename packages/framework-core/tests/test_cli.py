"""The command ``fw``: what it offers, what it prints where, and how it ends."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer
import yaml

from framework_core import __version__
from framework_core.cli.app import app

EVERYWHERE = {"--without", "--no-plugins", "--strict", "--offline", "--debug", "--version"}
FILTERS = {"--domain", "--task", "--tag", "--plugin", "--json"}
SETTINGS = {"--config", "-c", "--config-dir"}
OPTIONS = {
    "": EVERYWHERE,
    "train": {"--model", "-m", "--dataset", "-d", *SETTINGS, "--resume", "--dry-run", "--each", "--register", "--json"},
    "evaluate": {"--split", "--json"},
    "predict": {"--output", "-o", "--resume", "--chunk", "--json", "--stream"},
    "export": {"--to", "--output", "-o", "--image", "--json"},
    "serve": {
        *("--runtime", "--host", "--port", "--name", "--key-file", "--threads", "--max-batch", "--delay"),
        *("--max-body", "--max-values", "--max-waiting", "--timeout", "--grace", "--reload-every"),
        *("--log", "--log-share", "--log-fields", "--log-size"),
    },
    "launch": {
        *("--render", "--output", "-o", "--name", "--image", "--storage", "--gpu"),
        *("--dry-run", "--ranks", "--json"),
    },
    "replay": {"--step", "--output-dir", "--json"},
    "report": {"--output", "-o", "--uri"},
    "slices": {"--by", "--metric", "--output", "-o", "--uri", "--json"},
    "drift": {"--fail-above", "--output", "-o", "--uri", "--json"},
    "reproduce": {"--uri", "--in", "--json"},
    "fit-check": {"--model", "-m", "--dataset", "-d", "--config", "-c", "--devices", "--json"},
    "find": set(),
    "find lr": {"--model", "-m", "--dataset", "-d", "--config", "-c", "--from", "--to", "--steps", "--json"},
    "find batch-size": {"--model", "-m", "--dataset", "-d", "--config", "-c", "--from", "--to", "--json"},
    "verify": set(),
    "verify parity": {"--to", "--json"},
    "verify resume": {"--model", "-m", "--dataset", "-d", "--config", "-c", "--json"},
    "verify scale": {"--model", "-m", "--dataset", "-d", "--config", "-c", "--devices", "--json"},
    "plugin": set(),
    "plugin list": {"--json"},
    "plugin disable": set(),
    "plugin enable": set(),
    "plugin new": {"--model", "--dataset", "--callback", "--strategy", "--config-group"},
    "plugin check": {"--set", "--thorough", "--certify", "--all", "--json"},
    "list": {"--certified"},
    "list models": {*FILTERS, "--pretrained", "--certified"},
    "list datasets": {*FILTERS, "--certified"},
    "list strategies": {"--json"},
    "list optimizers": {"--json"},
    "list schedulers": {"--json"},
    "list callbacks": {"--json"},
    "list plugins": {"--json"},
    "search": {"--json"},
    "info": set(),
    "info model": {"--json"},
    "info dataset": {"--json"},
    "info optimizer": {"--json"},
    "info scheduler": {"--json"},
    "config": set(),
    "config show": {*SETTINGS, "--json", "--origin"},
    "config why": {*SETTINGS, "--json"},
    "config diff": {"--json"},
    "config validate": SETTINGS,
    "config schema": set(),
    "data": set(),
    "data list": {"--json"},
    "data check": {"--seconds", "--json"},
    "data fetch": set(),
    "data verify": set(),
    "data gc": {"--size", "--dry-run"},
    "init": {"--model", "-m", "--dataset", "-d", "--local"},
    "doctor": {"--uri", "--output-dir", "--json"},
    "completion": set(),
    "artifacts": set(),
    "artifacts ls": {"--uri", "--json"},
    "artifacts get": {"--output", "-o", "--uri", "--json"},
    "checkpoint": set(),
    "checkpoint inspect": {"--keys", "--json"},
    "checkpoint consolidate": {"--output", "-o", "--json"},
    "checkpoint convert": {"--to", "--output", "-o", "--json"},
    "registry": set(),
    "registry register": {"--why", "--uri", "--json"},
    "registry list": {"--uri", "--json"},
    "registry show": {"--uri", "--json"},
    "registry promote": {"--why", "--replaces", "--policy", "--force", "--uri", "--json"},
    "registry demote": {"--why", "--uri", "--json"},
    "registry rollback": {"--why", "--uri", "--json"},
    "registry history": {"--uri", "--json"},
    "registry at": {"--uri", "--json"},
    "registry verify": {"--uri", "--json"},
    "runs": set(),
    "runs compare": {"--output", "-o", "--uri", "--json"},
    "runs gc": {"--older-than", "--status", "--keep", "--delete", "--uri", "--json"},
    "runs list": {
        "--experiment",
        "-e",
        "--filter",
        "-f",
        "--sort",
        "-s",
        "--columns",
        "--limit",
        "-n",
        "--uri",
        "--json",
    },
    "runs sync": {"--uri", "--json"},
    "watch": {"--uri", "--every"},
    "ui": {"--port", "-p", "--host", "--uri"},
}


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def options_of(command, name=""):
    """Every command below one, with its options."""
    yield name, {word for parameter in command.params for word in parameter.opts if word.startswith("-")}
    for each, below in getattr(command, "commands", {}).items():
        yield from options_of(below, f"{name} {each}".strip())


def test_no_option_is_added_unnoticed():
    """Settings are overrides; an option is for what is no setting."""
    assert dict(options_of(typer.main.get_command(app))) == OPTIONS


@pytest.mark.parametrize("words", [("--help",), ("-h",)])
def test_the_help_names_every_command_and_what_to_start_with(words, fw):
    done = fw(*words)
    assert done.code == 0
    for command in {name.partition(" ")[0] for name in OPTIONS}:
        assert command in done.out
    assert "fw train --model NAME" in done.out


@pytest.mark.parametrize("command", [name for name in OPTIONS if name])
def test_every_command_explains_its_options(command, fw):
    done = fw(*command.split(), "--help")
    assert done.code == 0
    assert f"Usage: fw {command} " in done.out
    for option in OPTIONS[command]:
        assert option in done.out


@pytest.mark.parametrize("command", ["train", "config show"])
def test_the_help_says_what_is_taken_where_an_option_is_left_out(command, fw):
    assert "(default: configs)" in fw(*command.split(), "--help").out


def test_the_version(fw):
    done = fw("--version")
    assert (done.code, done.out) == (0, f"framework-core {__version__}\n")


@pytest.mark.parametrize("words", [(), ("list",), ("config",)])
def test_a_command_alone_shows_its_help(words, fw):
    assert "Usage: fw" in "".join([(done := fw(*words)).out, done.err])
    assert done.code == 2


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("trian",), "train"),
        (("list", "modles"), "models"),
        (("info", "modle", "x"), "model"),
        (("train", "--modle", "x"), "--model"),
        (("list", "models", "--domian", "x"), "--domain"),
    ],
)
def test_a_misspelt_command_or_option_is_refused_with_the_nearest(words, near, fw):
    done = fw(*words)
    assert (done.code, done.out) == (2, "")
    wrong, possible, next_step = done.err.splitlines()
    assert repr(next(word for word in reversed(words) if word in wrong))[1:-1] in wrong
    assert (
        possible.strip() in (f"Near it: {near}.", f"Near it: {' '.join(['fw', *words[:-1], near])}.")
        or near in possible
    )
    assert next_step.endswith("--help")


def test_the_module_and_the_command_are_one_program(fresh, fw):
    (script,) = entry_points(group="console_scripts", name="fw")
    assert script.value == "framework_core.cli.program:program"
    assert fresh("list", "strategies").out == fw("list", "strategies").out


ZOO = """
from framework_core import hookimpl
from framework_core.contracts import DatasetSpec, ModelSpec

@hookimpl
def register_components():
    yield ModelSpec(name="gnu_small", builder="zoo_parts:Gnu", summary="A small gnu", domain="savanna",
                    tasks=("grazing",), tags=("hooves", "tiny"))
    yield ModelSpec(name="gnu_large", builder="zoo_parts:Gnu", summary="A large gnu", domain="savanna",
                    tasks=("grazing", "running"), tags=("hooves",), weights=("gnu.v1",))
    yield ModelSpec(name="auk", builder="zoo_parts:Gnu", summary="Flies, unlike a gnu", domain="coast",
                    tasks=("running",), paper="On Auks")
    yield DatasetSpec(name="steppe", builder="zoo_parts:Steppe", summary="Grass for a gnu", domain="savanna")
"""
PARTS = '''
class Gnu:
    """A gnu.

    Args:
        horns: How many horns it has.
        colour: Its colour.
    """

    def __init__(self, horns: int = 2, colour: str = "brown"):
        pass

class Steppe:
    def __init__(self, size: float = 1.5):
        pass
'''


@pytest.fixture
def zoo(install):
    modules = {"zoo_plugin": ZOO, "zoo_parts": PARTS}
    return install("zoo-dist", modules, {"framework.plugins": {"zoo": "zoo_plugin"}})


def first_column(done):
    return [line.split()[0] for line in done.out.splitlines()[1:]]


def test_a_listing_is_a_table_on_stdout_and_its_count_on_stderr(zoo, fw):
    done = fw("list", "models", "--plugin", "zoo-dist")
    assert done.code == 0
    assert done.out.splitlines()[0].split() == ["name", "from", "what"]
    assert first_column(done) == ["auk", "gnu_large", "gnu_small"]
    assert done.out.splitlines()[2].split(maxsplit=2) == ["gnu_large", "zoo-dist", "A large gnu"]
    assert "3 of " in done.err


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--domain", "savanna"), ["gnu_large", "gnu_small"]),
        (("--task", "running"), ["auk", "gnu_large"]),
        (("--tag", "hooves"), ["gnu_large", "gnu_small"]),
        (("--tag", "tiny", "--domain", "savanna"), ["gnu_small"]),
        (("--pretrained", "--plugin", "zoo-dist"), ["gnu_large"]),
    ],
)
def test_a_listing_is_filtered(words, names, zoo, fw):
    assert first_column(fw("list", "models", *words)) == names
    assert [row["name"] for row in fw("list", "models", *words, "--json").json] == names


def test_datasets_are_filtered_too(zoo, fw):
    assert first_column(fw("list", "datasets", "--domain", "savanna")) == ["steppe"]


@pytest.mark.parametrize(
    ("option", "word", "near"),
    [
        ("--domain", "savana", "savanna"),
        ("--task", "runing", "running"),
        ("--tag", "hoves", "hooves"),
        ("--plugin", "zo-dist", "zoo-dist"),
    ],
)
def test_a_filter_that_nothing_can_have_is_refused_with_the_nearest(option, word, near, zoo, fw):
    done = fw("list", "models", option, word)
    assert (done.code, done.out) == (2, "")
    assert f"named {word!r}" in done.err
    assert f"Near it: {near}" in done.err


def test_a_domain_of_which_nothing_is_installed_is_an_empty_listing(zoo, fw):
    done = fw("list", "models", "--domain", "audio", "--plugin", "zoo-dist")
    assert (done.code, done.out) == (0, "")
    assert "0 of " in done.err


def test_the_json_of_a_listing_holds_what_the_table_holds(zoo, fw):
    rows = fw("list", "models", "--plugin", "zoo-dist", "--json").json
    table = fw("list", "models", "--plugin", "zoo-dist").out.splitlines()[1:]
    assert [line.split(maxsplit=2) for line in table] == [
        [row["name"], row["distribution"], row["summary"]] for row in rows
    ]
    assert rows[1]["tasks"] == ["grazing", "running"]


def test_a_name_offered_twice_is_listed_with_its_package(zoo, install, fw):
    code = ZOO.replace("zoo_parts", "other_parts")
    install("other-dist", {"other_plugin": code}, {"framework.plugins": {"other": "other_plugin"}})
    done = fw("list", "models", "--domain", "coast")
    assert first_column(done) == ["other-dist:auk", "zoo-dist:auk"]
    assert "Offered twice" in done.err


def test_strategies_are_listed(fw):
    assert {"auto", "ddp", "fsdp", "deepspeed"} <= set(first_column(fw("list", "strategies")))
    assert {row["name"] for row in fw("list", "strategies", "--json").json} >= {"auto", "ddp"}


def test_plugins_are_listed_with_what_is_wrong(zoo, install, fw):
    install("bad-dist", {"bad_plugin": "raise RuntimeError('no driver')"}, {"framework.plugins": {"bad": "bad_plugin"}})
    rows = {row["name"]: row for row in fw("list", "plugins", "--json").json}
    assert 0 < rows["zoo"].pop("seconds") < 10
    assert rows["zoo"] == {
        "name": "zoo",
        "distribution": "zoo-dist",
        "version": "1.2.3",
        "state": "active",
        "cause": "",
        "hooks": ["register_components"],
        "offers": 4,
        "certificate": "",
    }
    assert (rows["bad"]["state"], rows["bad"]["offers"]) == ("broken", 0)
    line = next(line for line in fw("list", "plugins").out.splitlines() if line.startswith("bad "))
    words = line.split(maxsplit=7)
    assert [*words[:5], *words[6:]] == ["bad", "bad-dist", "1.2.3", "broken", "0", "ms", "RuntimeError: no driver"]


def test_searching_finds_every_word_and_puts_names_first(zoo, fw):
    found = fw("search", "gnu", "--json").json
    assert [row["name"] for row in found] == ["gnu_large", "gnu_small", "steppe", "auk"]
    table = fw("search", "gnu").out.splitlines()
    assert [line.split()[:2] for line in table[1:]] == [[row["kind"], row["name"]] for row in found]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("gnu", "small"), ["gnu_small"]),
        (("gnu large",), ["gnu_large"]),
        (("GNU", "Hooves", "tiny"), ["gnu_small"]),
        (("on auks",), ["auk"]),
    ],
)
def test_searching_looks_in_summaries_tags_and_papers(words, names, zoo, fw):
    assert [row["name"] for row in fw("search", *words, "--json").json] == names


def test_searching_puts_what_begins_with_the_word_before_what_holds_it(install, fw):
    names = ("old_emu", "emu_b", "emu")
    specs = "".join(f"    yield ModelSpec(name='{name}', builder='x:Y')\n" for name in names)
    head = "from framework_core import hookimpl\nfrom framework_core.contracts import ModelSpec\n"
    code = f"{head}@hookimpl\ndef register_components():\n{specs}"
    install("emu-dist", {"emu_plugin": code}, {"framework.plugins": {"emu": "emu_plugin"}})
    assert [row["name"] for row in fw("search", "emu", "--json").json] == ["emu", "emu_b", "old_emu"]


def test_finding_nothing_is_no_error(fw):
    done = fw("search", "zzzzzz")
    assert (done.code, done.out) == (0, "")
    assert "fw list models" in done.err
    assert fw("search", "zzzzzz", "--json").json == []


def test_what_is_known_of_a_model_is_shown_with_its_settings(zoo, fw):
    done = fw("info", "model", "gnu_large")
    assert (done.code, done.err) == (0, "")
    facts, _, settings = done.out.partition("\nsettings\n")
    assert dict(line.split(maxsplit=1) for line in facts.splitlines()) == {
        "name": "gnu_large",
        "summary": "A large gnu",
        "domain": "savanna",
        "tasks": "grazing, running",
        "tags": "hooves",
        "weights": "gnu.v1",
        "distribution": "zoo-dist",
    }
    assert [line.split("  ")[0] for line in settings.splitlines()] == ["key", "model.horns", "model.colour"]
    known = fw("info", "model", "gnu_large", "--json").json
    assert known["weights"] == ["gnu.v1"]
    assert [(each["name"], each["default"]) for each in known["settings"]] == [("horns", "2"), ("colour", '"brown"')]


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [
        ("dataset", "steppe", "dataset.size"),
        ("optimizer", "sgd", "optimizer.lr"),
        ("scheduler", "cosine", "scheduler."),
    ],
)
def test_what_is_known_of_other_components_is_shown(kind, name, key, zoo, fw):
    done = fw("info", kind, name)
    assert done.code == 0
    assert name in done.out
    assert key in done.out


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("info", "model", "gnu_smal"), "gnu_small"),
        (("info", "dataset", "stepe"), "steppe"),
        (("info", "optimizer", "adamww"), "adamw"),
        (("info", "scheduler", "cosin"), "cosine"),
        (("train", "--model", "gnu_smal", "--dataset", "steppe"), "gnu_small"),
        (("config", "validate", "model=gnu_small", "dataset=stepe"), "steppe"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(words, near, zoo, fw):
    done = fw(*words)
    assert (done.code, done.out) == (2, "")
    assert near in done.err
    assert "Traceback" not in done.err


def test_settings_are_shown_as_a_file_that_is_valid_input(zoo, fw, project):
    words = ("config", "show", "model=gnu_small", "dataset=steppe", "model.horns=3")
    shown = fw(*words)
    assert (shown.code, shown.err) == (0, "")
    assert yaml.safe_load(shown.out)["model"] == {"name": "gnu_small", "horns": 3, "colour": "brown"}
    assert fw(*words, "--json").json == yaml.safe_load(shown.out)
    (project / "mine.yaml").write_text(shown.out)
    assert fw("config", "show", "--config", "mine.yaml").out == shown.out


def test_settings_are_validated_and_everything_wrong_is_told(zoo, fw):
    good = fw("config", "validate", "model=gnu_small", "dataset=steppe")
    assert (good.code, good.out) == (0, "")
    assert "These settings are allowed: gnu_small on steppe." in good.err
    bad = fw("config", "validate", "model=gnu_small", "dataset=steppe", "model.horn=3", "trainer.max_epochs=-9")
    assert (bad.code, bad.out) == (2, "")
    assert "2 settings are not allowed" in bad.err
    assert "model.horn: there is no such setting. Did you mean model.horns?" in bad.err
    assert "trainer.max_epochs: must be at least -1 (given: -9)" in bad.err


def test_the_schema_holds_the_settings_of_what_is_installed(zoo, fw):
    done = fw("config", "schema")
    assert (done.code, done.err) == (0, "")
    models, optimizers = (done.json["properties"][section]["anyOf"] for section in ("model", "optimizer"))
    assert {"gnu_small", "gnu_large"} <= set(models[0]["enum"])
    alternatives = [each["then"] for each in optimizers[2]["allOf"]]
    sgd = next(each for each in alternatives if each["properties"]["name"]["enum"] == ["sgd"])
    assert sgd["properties"]["momentum"]["type"] == "number"
    assert "max_epochs" in done.json["$defs"]["TrainerConfig"]["properties"]


FORMS = [
    lambda option, words: (*option, *words),
    lambda option, words: (*words, *option),
    lambda option, words: (words[0], *option, *words[1:]),
]


@pytest.mark.some_of(4)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "option", [("--without", "zoo"), ("--without=zoo-dist",), ("--without", "x", "--without", "zoo")]
)
def test_a_plugin_is_left_out_wherever_the_option_stands(form, option, zoo, fw):
    names = [row["name"] for row in fw(*form(option, ("list", "datasets", "--json"))).json]
    assert "steppe" not in names


@pytest.mark.parametrize("form", FORMS)
def test_strict_makes_a_broken_plugin_an_error_wherever_it_stands(form, install, fw):
    install("bad-dist", {"bad_plugin": "raise RuntimeError('no driver')"}, {"framework.plugins": {"bad": "bad_plugin"}})
    done = fw(*form(("--strict",), ("list", "datasets")))
    assert (done.code, done.out) == (1, "")
    assert "error: The plugin 'bad' of bad-dist 1.2.3 is broken: RuntimeError: no driver" in done.err
    assert "--without bad" in done.err


def test_without_strict_a_broken_plugin_is_one_warning(install, fw):
    install("bad-dist", {"bad_plugin": "raise RuntimeError('no driver')"}, {"framework.plugins": {"bad": "bad_plugin"}})
    done = fw("list", "datasets")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if "no driver" in line]
    assert line.startswith("warning: Plugin 'bad' of bad-dist 1.2.3 is broken and left out")


@pytest.mark.parametrize("form", FORMS)
def test_debug_shows_where_an_error_arose_and_changes_no_exit_code(form, fw):
    done = fw(*form(("--debug",), ("info", "model", "zzzzz")))
    assert (done.code, done.out) == (2, "")
    assert "Traceback (most recent call last)" in done.err
    assert "There is no model named 'zzzzz'" in done.err


def test_without_debug_there_is_only_the_message(fw):
    done = fw("info", "model", "zzzzz")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: There is no model named 'zzzzz'")
    assert "Traceback" not in done.err


def test_an_option_without_its_value_is_refused(fw):
    done = fw("list", "models", "--without")
    assert (done.code, done.out) == (2, "")
    assert "fw needs a value after --without." in done.err


def test_after_two_dashes_nothing_is_an_option(fw):
    done = fw("search", "--", "--strict")
    assert done.code == 0
    assert "'--strict'" in done.err


COMMAND = """
import signal
import typer

app = typer.Typer(help="What the zoo can do.")

@app.command()
def feed(animal: str, hay: int = 1):
    print(f"{animal} eats {hay}")

@app.command()
def sleep():
    signal.raise_signal(signal.SIGINT)
"""


def commands(install, module, code, name="zoo"):
    return install(f"{name}-dist", {module: code}, {"framework.commands": {name: f"{module}:app"}})


@pytest.mark.parametrize(
    "words",
    [
        ("zoo", "feed", "gnu", "--hay", "3"),
        ("--without", "vision", "zoo", "feed", "gnu", "--hay", "3"),
        ("zoo", "feed", "--strict", "gnu", "--hay=3"),
    ],
)
def test_a_plugin_brings_a_command(words, install, fresh):
    done = fresh(*words, path=[commands(install, "zoo_command", COMMAND)])
    assert (done.code, done.out) == (0, "gnu eats 3\n")


def test_the_help_names_the_commands_of_plugins_without_importing_them(install, fresh):
    site = commands(install, "bad_command", "raise RuntimeError('no driver')")
    done = fresh("--help", path=[site])
    assert (done.code, done.err) == (0, "")
    assert "Comes with zoo-dist." in done.out


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no driver')", "importing it failed with RuntimeError: no driver"),
        ("app = 3", "it is no typer.Typer"),
        ("import not_there_at_all", "it imports 'not_there_at_all', which is not installed"),
    ],
)
def test_a_broken_command_is_one_message_and_costs_no_other(code, said, install, fresh):
    sites = [commands(install, "bad_command", code, "bad"), commands(install, "zoo_command", COMMAND)]
    done = fresh("bad", path=sites)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: 'bad_command:app' cannot be used: ")
    assert said in done.err
    assert "Traceback" not in done.err
    assert fresh("zoo", "feed", "gnu", path=sites).code == 0


@pytest.mark.parametrize("name", ["zoo", "zoo-dist"])
def test_a_command_is_left_out_with_its_plugin(name, install, fresh):
    site = commands(install, "zoo_command", COMMAND)
    assert "zoo-dist" not in fresh("--help", "--without", name, path=[site]).out
    assert "There is no command 'fw zoo'" in fresh("zoo", "--without", name, path=[site]).err


def test_a_plugin_cannot_take_the_name_of_a_command(install, fresh):
    site = commands(install, "bad_command", "raise RuntimeError('no driver')", "list")
    assert fresh("list", "strategies", path=[site]).code == 0


def test_ctrl_c_ends_a_command_with_its_own_exit_code(install, fresh):
    done = fresh("zoo", "sleep", path=[commands(install, "zoo_command", COMMAND)])
    assert (done.code, done.out) == (130, "")
    assert done.err == "error: Stopped by Ctrl-C.\n"


def test_a_reader_that_closes_early_is_no_error_to_look_at(program):
    process = program("list", "strategies")
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert re.sub(r"\d+ strategies", "", err).strip() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("words", [["list", "strategies"], ["list", "strategies", "--json"], ["--help"]])
def test_a_result_that_cannot_be_written_is_told(program, words):
    with Path("/dev/full").open("w") as full:
        process = program(*words, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: Cannot write to the standard output: No space left on device." in err
    assert "Traceback" not in err


@pytest.mark.drawn
def test_a_program_without_stdout_and_stderr_does_its_work():
    command = [sys.executable, "-m", "framework_core", "list", "strategies"]
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(f"{shlex.join(command)} {closed}", shell=True, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0
        assert "Traceback" not in done.stderr
