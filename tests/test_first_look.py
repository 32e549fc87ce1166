"""The first look refuses nothing that the full check accepts, and says what it says in the same words."""

from __future__ import annotations

import random
import re

import pytest
from typos import LINES, plain

from framework_core.cli.words import all_known, read
from framework_core.config.compose import compose
from framework_core.config.first_look import Line, problems
from framework_core.config.moved import MOVED
from framework_core.errors import ConfigError, FrameworkError, UnknownNameError
from framework_core.wording import told_together

VALUES = (
    *("null", "true", "false", "yes", "off", "0", "1", "-1", "3", "4", "16", "32", "007", "1_000", "0.5", ".5", "5."),
    *("1e-3", "1E3", "inf", "-inf", "nan", "3.0", "-0.0", '""', "???", "ten", "auto", "cpu", "gpu", "16-mixed", "bf16"),
    *("max", "min", "norm", "simple", "warn", "standard", "none", "ddp", "dpd", "00:01:00:00", "a.b", "val/loss"),
    *("http://x:1", "[1,2]", "[]", "{a:1}", "'3'", "${seed}", "${trainer.max_epochs}", "4294967296", "a,b", "-x"),
    *("+3", "0x10", "1__0", "1_", "_1", "00", "1e400"),
)
COMPONENTS = {
    "model": ["resnet20", "vit", "resnet50", "wide_resnet28_10", "framework-plugins-vision:vit", "resnt20", "vit.py:A"],
    "dataset": ["digits", "cifar10", "image_folder", "digit"],
    "optimizer": ["sgd", "adamw", "lbfgs", "sdg", "3"],
    "scheduler": ["cosine", "step", "plateau", "cosin"],
    "trainer": ["debug", "default", "deterministic", "debgu"],
}
LINE_COUNTS = [60, pytest.param(1000, marks=pytest.mark.thorough)]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRAMEWORK_CACHE", str(tmp_path.parent / "cache"))
    (tmp_path / "my.yaml").write_text("model: resnet20\n")


@pytest.fixture
def vocabulary():
    return all_known()["settings"]


def keys_of(node, prefix=""):
    for name, below in node["keys"].items():
        yield f"{prefix}{name}"
        if "keys" in below:
            yield from keys_of(below, f"{prefix}{name}.")


def lines(vocabulary, count, seed):
    """Lines of a few settings, each key with any value: many are allowed, many are not."""
    drawn = random.Random(seed)
    own = sorted(
        {
            f"{group}.{key}"
            for group, kind in vocabulary["kinds"].items()
            for offer in vocabulary["offers"][kind]
            if offer["class"] is not None
            for key in keys_of(vocabulary["classes"][offer["class"]])
        }
    )
    keys = [*keys_of(vocabulary["settings"]), *own, "model.nmae", "trainer.max_epoch", "foo.bar", "seed.x"]
    for number in range(count):
        words = [f"{drawn.choice(['', '', '+', '++'])}{drawn.choice(keys)}={drawn.choice(VALUES)}"]
        if number % 2:
            words += [f"{key}={drawn.choice(VALUES)}" for key in drawn.sample(keys, drawn.randint(0, 2))]
            words += [f"{group}={drawn.choice(names)}" for group, names in COMPONENTS.items() if drawn.random() < 0.4]
        drawn.shuffle(words)
        if not any(word.startswith("model=") for word in words):
            words.insert(0, "model=vit")
        yield words


def full_check(words):
    try:
        compose(words)
    except FrameworkError as error:
        return error
    return None


def told(error):
    """Each problem of an error, without what may have been meant."""
    if isinstance(error, ConfigError):
        return {
            re.sub(r" Did you mean .*|; there (is|are) .*|; it takes no settings.*", "", str(each)).rstrip(".")
            for each in error.problems
        }
    return {str(error)}


@pytest.mark.drawn
@pytest.mark.parametrize("count", LINE_COUNTS)
def test_whatever_the_full_check_accepts_is_passed_and_what_both_refuse_is_said_alike(count, vocabulary):
    accepted = refused = alike = 0
    for words in lines(vocabulary, count, seed=7):
        first = problems(Line(words), vocabulary)
        error = full_check(words)
        if error is None:
            accepted += 1
            assert not first, (words, [str(each) for each in first])
        elif first:
            refused += 1
            both = told(told_together(first)) & told(error)
            alike += bool(both)
    assert accepted > count // 40
    assert refused > count // 4
    assert alike > 0.8 * refused


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer.lr=${seed}"],
        ["dataset=image_folder", "dataset.path=a,b"],
        ["model='mine.py:Net'", "model.anything=3"],
        ["trainer.max_epochs=ten", "trainer.max_epochs=3"],
        ["trainer.max_epochs=ten", "trainer={max_epochs: 3}"],
        ["~trainer.max_epoch"],
        ["+experiment=mine", "model.horns=3"],
        ["model.name=resnet50", "model.drop_path_rate=0.1"],
        ["experiment.name=null"],
        ["trainer.max_time.hours=2"],
        ["experiment.tags.owner=me"],
    ],
)
def test_what_cannot_be_judged_is_passed(words, vocabulary, tmp_path):
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "mine.yaml").write_text("# @package _global_\n")
    named = {} if words[0].startswith(("model", "+experiment")) else {"model": "vit"}
    assert not problems(Line(words, named), vocabulary)


def test_options_of_ones_own_are_known_as_soon_as_they_are_written(vocabulary, tmp_path):
    line = Line(["model=wide", "+zoo=gnu"])
    assert problems(line, vocabulary)
    for name in ("model/wide", "zoo/gnu"):
        (tmp_path / "configs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "configs" / f"{name}.yaml").write_text("name: vit\n")
    assert not problems(line, vocabulary)


def test_the_keys_of_a_file_are_looked_at(vocabulary):
    body = {"model": {"name": "vit", "widht": 3}, "trainer": {"max_epoch": 1}, "sede": 1}
    found = problems(Line([], body=body), vocabulary)
    assert [(each.path, each.near[0]) for each in found] == [
        ("model.widht", "model.width"),
        ("trainer.max_epoch", "trainer.max_epochs"),
        ("sede", "seed"),
    ]
    assert not problems(Line([], body={"model": "vit", "trainer": {"max_epochs": 1}}), vocabulary)


def test_all_problems_are_told_at_once(vocabulary):
    words = ["trainr.max_epochs=3", "trainer.precision=bf17", "optimizer.lr=-1", "seed=x", "max_epochs=2"]
    error = told_together(problems(Line(words, {"model": "vit", "optimizer": "adamw"}), vocabulary))
    assert [each.path for each in error.problems] == [word.partition("=")[0] for word in words]
    assert [each.near[:1] for each in error.problems] == [
        ("trainer.max_epochs",),
        ("bf16",),
        (),
        (),
        ("trainer.max_epochs",),
    ]


def test_a_component_that_nobody_offers_is_an_error_of_its_own(vocabulary):
    error = told_together(problems(Line([], {"model": "resnt50"}), vocabulary))
    assert isinstance(error, UnknownNameError)
    assert error.near[0] == "resnet50"


def test_the_lines_of_the_typo_test_are_read_as_typer_reads_them():
    commands = all_known()["commands"]
    for line in LINES:
        found = read(plain(line), commands)
        assert found.clear
        assert found.path == tuple(word for word in plain(line)[: len(found.path)])


CHOSEN = ("model=resnet20", "dataset=image_folder", "dataset.path=.")


@pytest.mark.parametrize(("word", "here"), MOVED.items())
def test_what_a_setting_is_called_elsewhere_leads_to_one_that_there_is(word, here, vocabulary):
    (problem,) = problems(Line([*CHOSEN, f"{word}=1"]), vocabulary)
    assert str(problem) == f"{word}: there is no such setting. Did you mean {here}?"
    if here.startswith("fw "):
        commands = all_known()["commands"]
        for name in here.partition(" --")[0].split()[1:]:
            commands = commands["commands"][name]
        return
    path, _, value = here.partition("=")
    found = problems(Line([*CHOSEN, f"{path}={value or '[]'}"]), vocabulary)
    assert not [problem for problem in found if "no such" in str(problem) or value]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("averaging=ema", "averaging.kind=ema"),
        ("checkpoint=min", "checkpoint.mode=min"),
        ("dataset.augmentation=randaugment", "dataset.auto_augment=randaugment"),
    ],
)
def test_a_word_in_the_wrong_place_leads_to_the_setting_that_takes_it(word, meant, vocabulary):
    (problem,) = problems(Line(["model=resnet20", "dataset=image_folder", word]), vocabulary)
    assert str(problem).endswith(f" Did you mean {meant}?")
