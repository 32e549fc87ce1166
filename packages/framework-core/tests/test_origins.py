"""Every value knows where it comes from, and what it replaced."""

import pytest
import yaml

pytestmark = pytest.mark.drawn

NIGHT = """\
# @package _global_
defaults:
  - override /optimizer: sgd

trainer:
  max_epochs: 20
optimizer:
  momentum: 0.8
"""
SETTINGS = """\
trainer:
  max_epochs: 7
  precision: ${oc.env:PRECISION}
optimizer: adam
experiment:
  description: ${trainer.precision}
"""
CLASSY = """
from components import Iris, Net

class Classy(Net):
    def __init__(self, num_classes: int, depth: int = 2, **kwargs):
        super().__init__(**kwargs)
"""


@pytest.fixture
def configured(project, components, monkeypatch):
    """A project with an experiment, a group of its own, a settings file and a variable."""
    (project / "components.py").write_text((project / components).read_text())
    (project / "classy.py").write_text(CLASSY)
    for name, text in {"experiment/night": NIGHT, "trainer/short": "defaults: [default]\nmax_epochs: 2\n"}.items():
        file = project / "configs" / f"{name}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    (project / "my.yaml").write_text(SETTINGS)
    monkeypatch.setenv("PRECISION", "bf16-mixed")
    return project


@pytest.fixture
def why(fw, configured):
    def ask(key, *words):
        done = fw("config", "why", key, "model=classy.py:Classy", "dataset=mine.py:Iris", *words, "--json")
        assert done.code == 0, done.err
        return {each["key"]: each for each in done.json}

    return ask


def places(explanation):
    """The kind, place, file and line of the value in force, and of those it replaced."""
    found = [explanation["from"], *explanation["replaces"]]
    return [(each["kind"], each["place"], each["file"], each["line"], each["written"]) for each in found]


def test_a_value_is_followed_through_every_layer(why):
    found = why("trainer.max_epochs", "--config", "my.yaml", "+experiment=night", "trainer.max_epochs=3")
    assert found["trainer.max_epochs"]["value"] == "3"
    assert places(found["trainer.max_epochs"]) == [
        ("command line", "trainer.max_epochs=3", "", 0, 3),
        ("experiment", "night", "configs/experiment/night.yaml", 6, 20),
        ("settings file", "", "my.yaml", 2, 7),
        ("core default", "", "", 0, 15),
    ]


def test_a_config_group_of_ones_own_is_a_place(why):
    assert places(why("trainer.max_epochs", "trainer=short")["trainer.max_epochs"])[0] == (
        "config group",
        "",
        "configs/trainer/short.yaml",
        2,
        2,
    )


def test_a_value_from_the_environment_names_the_variable_and_where_it_is_asked_for(why):
    found = why("trainer.precision", "--config", "my.yaml")["trainer.precision"]
    assert places(found)[0] == (
        "environment",
        "PRECISION, named by settings file: my.yaml:3",
        "",
        0,
        "${oc.env:PRECISION}",
    )


def test_the_store_of_the_environment_is_named(why, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere")
    assert places(why("mlops.tracking.uri")["mlops.tracking.uri"])[0][:2] == ("environment", "MLFLOW_TRACKING_URI")


def test_a_default_names_whose_it_is(why):
    found = why("model")
    assert places(found["model.depth"]) == [("plugin default", "classy, ClassyConfig", "", 0, 2)]
    assert places(why("optimizer.lr")["optimizer.lr"])[0][:2] == ("core default", "AdamW")


def test_what_the_data_fills_in_is_said(why):
    found = why("model.num_classes")["model.num_classes"]
    assert places(found)[0][:2] == ("data", "DataSpec.num_classes, known when the dataset is set up")


@pytest.mark.parametrize(
    ("words", "origin"),
    [
        (["optimizer=sgd", "--config", "my.yaml"], ("command line", "optimizer=sgd", "", 0)),
        (["--config", "my.yaml"], ("settings file", "", "my.yaml", 4)),
        (["+experiment=night"], ("experiment", "night", "configs/experiment/night.yaml", 3)),
        ([], ("core default", "taken where nobody chooses", "", 0)),
    ],
)
def test_a_component_comes_from_whoever_chose_it(why, words, origin):
    assert places(why("optimizer.name", *words)["optimizer.name"])[0][:4] == origin


def test_a_name_that_is_made_says_so(why):
    found = why("experiment.name")["experiment.name"]
    assert places(found)[0][1] == "made from the model Classy and the dataset Iris"


def test_it_is_told_in_words(fw, configured):
    done = fw("config", "why", "trainer.max_epochs", "model=mine.py:Net", "dataset=mine.py:Iris", "--config", "my.yaml")
    assert done.out.splitlines() == [
        "trainer.max_epochs = 7",
        "  from      settings file: my.yaml:2",
        "  replaces  15  core default",
        "  what      How many epochs at most; -1 has no end.",
        "  takes     whole number >= -1",
        "  change    trainer.max_epochs=VALUE",
    ]


def test_a_group_is_told_as_a_table(fw, configured):
    done = fw("config", "why", "checkpoint", "model=mine.py:Net", "dataset=mine.py:Iris", "checkpoint.save_top_k=3")
    lines = done.out.splitlines()
    assert lines[0].split() == ["key", "value", "from"]
    assert "checkpoint.save_top_k           3      command line: checkpoint.save_top_k=3" in lines


def test_an_unknown_key_is_answered_with_the_nearest(fw, configured):
    done = fw("config", "why", "trainer.max_epoch", "model=mine.py:Net", "dataset=mine.py:Iris")
    assert done.code == 2
    assert "trainer.max_epoch: there is no such setting. Did you mean trainer.max_epochs" in done.err


def test_settings_with_their_origins_are_the_same_settings(fw, configured):
    words = ("model=mine.py:Net", "dataset=mine.py:Iris", "--config", "my.yaml", "model.width=3")
    told = fw("config", "show", "--origin", *words).out
    assert yaml.safe_load(told) == yaml.safe_load(fw("config", "show", *words).out)
    comments = {line.split(":")[0].strip(): line.partition("  # ")[2] for line in told.splitlines() if "  # " in line}
    assert comments["width"] == "command line: model.width=3"
    assert comments["max_epochs"] == "settings file: my.yaml:2"
    assert comments["betas"] == "core default: Adam"
    leaves = fw("config", "show", "--origin", "--json", *words).json
    assert leaves["model.width"]["from"]["kind"] == "command line"


def test_two_files_are_compared_by_what_they_mean(fw, configured):
    (configured / "a.yaml").write_text("model: mine.py:Net\ndataset: mine.py:Iris\ntrainer: {max_epochs: 15}\n")
    (configured / "b.yaml").write_text("model: mine.py:Net\ndataset: mine.py:Iris\nmodel.width: 3\n")
    done = fw("config", "diff", "a.yaml", "b.yaml")
    assert done.code == 2
    (configured / "b.yaml").write_text("model: {name: 'mine.py:Net', width: 3}\ndataset: mine.py:Iris\n")
    assert fw("config", "diff", "a.yaml", "b.yaml", "--json").json == [{"key": "model.width", "a": "16", "b": "3"}]
    assert fw("config", "diff", "a.yaml", "b.yaml").out.splitlines()[1].split() == ["model.width", "16", "3"]
    assert "the same settings" in fw("config", "diff", "a.yaml", "a.yaml").err


def test_runs_are_compared_too(train, fw):
    first, second = (train(*words, "--json").json["name"] for words in ([], ["model.width=3", "optimizer=sgd"]))
    found = {each["key"]: (each["a"], each["b"]) for each in fw("config", "diff", first, "last", "--json").json}
    assert found["model.width"] == ("16", "3")
    assert found["optimizer.name"] == ("adamw", "sgd")
    assert found["optimizer.betas"] == ("[0.9, 0.999]", "-")
    assert fw("config", "diff", first, second, "--json").json == fw("config", "diff", first, "last", "--json").json
    assert "There is no run 'lost'" in fw("config", "diff", first, "lost").err
