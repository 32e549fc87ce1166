from pathlib import Path

import pytest

from framework_core.config.compose import complete, compose
from framework_core.config.saved import settings_text
from framework_core.errors import ConfigError, ConfigFileError, ImportTargetError, UnknownNameError
from framework_core.plugins.registry import registry

PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import CallbackSpec, DatasetSpec, ModelSpec, StrategySpec

@hookimpl
def register_components():
    yield ModelSpec(name="net", domain="tables", builder="demo.parts:Net", config="demo.settings:NetConfig")
    yield ModelSpec(name="deep_net", domain="tables", builder="demo.parts:Net", config="demo.settings:NetConfig")
    yield ModelSpec(name="homeless", domain="nowhere", builder="demo.parts:Net", config="demo.settings:NetConfig")
    yield DatasetSpec(
        name="rows", domain="tables", default=True, builder="demo.parts:Rows", config="demo.settings:RowsConfig"
    )
    yield DatasetSpec(
        name="files", domain="tables", builder="demo.parts:Rows", config="demo.settings:FilesConfig"
    )
    yield CallbackSpec(name="notes", builder="demo.parts:Notes", config="demo.settings:NotesConfig")

@hookimpl
def register_config_packages():
    return ["demo.conf"]
"""
SETTINGS = """
from pydantic import Field
from framework_core.contracts import ComponentConfig

class NetConfig(ComponentConfig):
    width: int = Field(default=8, ge=1)
    layers: list[int] = [1, 2]

class RowsConfig(ComponentConfig):
    batch_size: int = 4

class FilesConfig(RowsConfig):
    path: str

class NotesConfig(ComponentConfig):
    every: int = 1
"""
EXPERIMENT = "# @package _global_\ndefaults:\n  - override /model: deep_net\nseed: 7\ntrainer:\n  max_epochs: 2\n"


@pytest.fixture(autouse=True)
def demo(install):
    """A package with models, data, settings, a callback and an experiment; its parts import what is not there."""
    site = install(
        "demo-dist",
        {
            "demo.plugin": PLUGIN,
            "demo.settings": SETTINGS,
            "demo.parts": "raise ImportError('composing must not import the parts')",
            "demo.__init__": "",
            "demo.conf.__init__": "",
        },
        {"framework.plugins": {"demo": "demo.plugin"}},
    )
    (site / "demo" / "conf" / "experiment").mkdir()
    (site / "demo" / "conf" / "experiment" / "shipped.yaml").write_text(EXPERIMENT)
    return site


def problems(*overrides, **files):
    with pytest.raises(ConfigError) as caught:
        compose(overrides, **files)
    return [str(problem) for problem in caught.value.problems]


def test_a_model_is_enough_and_its_domain_brings_the_data():
    composed = compose(["model=net"])
    config = composed.config
    assert (config.model.name, config.dataset.name) == ("net", "rows")
    assert composed.chosen == {"dataset": "rows", "optimizer": "adamw", "scheduler": "cosine", "trainer": "default"}
    assert config.experiment.name == "net_rows"


def test_what_was_chosen_is_not_among_what_was_taken():
    assert compose(["model=net", "dataset=rows", "optimizer=sgd"]).chosen == {
        "scheduler": "cosine",
        "trainer": "default",
    }


def test_group_options_come_from_settings_classes_and_take_overrides():
    config = compose(["model=net", "model.width=3", "model.layers=[4,5]", "optimizer=sgd", "optimizer.lr=0.5"]).config
    assert (config.model.width, config.model.layers) == (3, [4, 5])
    assert (config.optimizer.name, config.optimizer.lr, config.optimizer.momentum) == ("sgd", 0.5, 0.9)


@pytest.mark.some_of(4)
@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("trainer.max_epochs=100", "trainer.max_epochs", 100),
        ("distributed.enabled=true", "distributed.enabled", True),
        ("distributed.devices=4", "distributed.devices", 4),
        ("experiment.name=mine", "experiment.name", "mine"),
        ("mlops.tracking.backend=none", "mlops.tracking.backend", "none"),
        ("mlops.tracking.uri=mongodb://localhost:27017", "mlops.tracking.uri", "mongodb://localhost:27017"),
        ("strategy=ddp", "strategy", "ddp"),
        ("+trainer.max_steps=5", "trainer.max_steps", 5),
        ("seed=3", "seed", 3),
    ],
)
def test_every_override_of_the_design_is_taken(override, path, value):
    found = compose(["model=net", override]).config
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_an_interpolation_is_filled_in():
    config = compose(["model=net", "experiment.name=${model.name}_${dataset.name}_w${model.width}"]).config
    assert config.experiment.name == "net_rows_w8"


def test_an_interpolation_that_leads_nowhere_is_told():
    assert "Interpolation key 'model.nothing' not found" in problems("model=net", "experiment.name=${model.nothing}")[0]


def test_an_experiment_of_a_plugin_chooses_and_sets():
    config = compose(["+experiment=shipped"]).config
    assert (config.model.name, config.seed, config.trainer.max_epochs) == ("deep_net", 7, 2)
    assert config.dataset.name == "rows"


def test_the_command_line_goes_before_an_experiment():
    config = compose(["+experiment=shipped", "model=net", "seed=1"]).config
    assert (config.model.name, config.seed) == ("net", 1)


def test_experiments_and_options_of_ones_own_are_found_in_configs(project):
    (project / "configs" / "experiment").mkdir(parents=True)
    (project / "configs" / "experiment" / "custom_experiment.yaml").write_text(EXPERIMENT)
    (project / "configs" / "model").mkdir()
    (project / "configs" / "model" / "wide.yaml").write_text("name: net\nwidth: 99\n")
    assert compose(["+experiment=custom_experiment"]).config.seed == 7
    assert compose(["model=wide"]).config.model.width == 99


def test_another_folder_of_options_is_named(project):
    (project / "other" / "model").mkdir(parents=True)
    (project / "other" / "model" / "wide.yaml").write_text("name: net\nwidth: 99\n")
    assert compose(["model=wide"], config_dir=Path("other")).config.model.width == 99
    assert "there is no folder nowhere" in problems("model=net", config_dir=Path("nowhere"))[0]


def test_a_trainer_preset_of_core_is_an_option():
    config = compose(["model=net", "trainer=debug"]).config
    assert (config.trainer.max_epochs, config.trainer.limit_train_batches) == (1, 5)


def test_callbacks_are_options_and_settings():
    assert compose(["model=net", "+callbacks=notes"]).config.callbacks["notes"].every == 1
    assert compose(["model=net", "callbacks.notes.every=5"]).config.callbacks["notes"].every == 5
    assert "no callback named 'nots'. Did you mean notes?" in problems("model=net", "callbacks.nots.every=5")[0]


SPECIFIED = """
defaults:
  - model: net
  - dataset: rows
  - trainer: default
experiment:
  name: ${model.name}_${dataset.name}
mlops:
  tracking:
    backend: mlflow
    uri: mongodb://localhost:27017
"""


def test_the_file_of_the_specification_is_taken(project):
    (project / "config.yaml").write_text(SPECIFIED)
    config = compose([], config_file=Path("config.yaml")).config
    assert (config.model.name, config.experiment.name) == ("net", "net_rows")
    assert config.mlops.tracking.uri == "mongodb://localhost:27017"


@pytest.mark.parametrize("body", ["model: net\n", "model:\n  name: net\n", "defaults:\n  - override /model: net\n"])
def test_a_file_names_a_model_in_any_of_three_ways(body, project):
    (project / "my.yaml").write_text(body + "seed: 5\n")
    config = compose(["seed=6"], config_file=Path("my.yaml")).config
    assert (config.model.name, config.model.width, config.seed) == ("net", 8, 6)


WHOLE = """
model: {name: net, width: 3}
optimizer: {name: adamw, lr: 0.5, betas: [0.8, 0.9]}
trainer: {max_epochs: 40, gradient_clip_val: 2.0}
"""


def test_a_component_named_on_the_command_line_replaces_that_of_a_file_with_its_settings(project):
    (project / "my.yaml").write_text(WHOLE)
    config = compose(["optimizer=sgd"], config_file=Path("my.yaml")).config
    assert config.optimizer == compose(["model=net", "optimizer=sgd"]).config.optimizer
    assert config.model.width == 3
    again = compose(["optimizer=adamw", "optimizer.lr=0.1"], config_file=Path("my.yaml")).config
    assert (again.optimizer.lr, again.optimizer.betas) == (0.1, (0.8, 0.9))


def test_a_preset_named_on_the_command_line_goes_before_a_file(project):
    (project / "my.yaml").write_text(WHOLE)
    trainer = compose(["trainer=debug"], config_file=Path("my.yaml")).config.trainer
    assert (trainer.max_epochs, trainer.limit_train_batches, trainer.gradient_clip_val) == (1, 5, 2.0)
    saved = settings_text(compose(["model=net"]).config)
    (project / "saved.yaml").write_text(saved)
    assert compose(["trainer=debug"], config_file=Path("saved.yaml")).config.trainer.limit_train_batches == 5


def test_saved_settings_are_valid_input(project):
    first = compose(["model=net", "model.width=3", "optimizer=sgd", "+callbacks=notes", "seed=9"]).config
    (project / "saved.yaml").write_text(settings_text(first))
    again = compose([], config_file=Path("saved.yaml"))
    assert again.config == first
    assert again.chosen == {}


def test_saved_settings_hold_no_credentials():
    config = compose(["model=net", "mlops.tracking.uri=http://anna:secret@example.org:5000/x"]).config
    assert "http://example.org:5000/x" in settings_text(config)
    assert "secret" not in settings_text(config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: [", "line 1"),
        ("- a\n- b\n", "it holds no settings"),
        ("defaults:\n  - just_a_word\n", "is not of the form GROUP: OPTION"),
    ],
)
def test_a_file_that_is_none_is_refused(text, said, project):
    (project / "bad.yaml").write_text(text)
    with pytest.raises(ConfigFileError, match=said):
        compose([], config_file=Path("bad.yaml"))


def test_a_file_that_is_not_there_suggests_its_neighbour(project):
    (project / "config.yaml").write_text("model: net")
    with pytest.raises(ConfigFileError, match=r"config\.yaml"):
        compose([], config_file=Path("confg.yaml"))


def test_everything_wrong_comes_at_once_with_path_value_and_suggestion():
    said = problems(
        "model=nett", "trainer.max_epoch=1", "trainer.precision=bf17", "optimizer.lr=-1", "optimzer.lr=1", "seed=x"
    )
    assert sorted(said) == [
        next(line for line in said if line.startswith("model: There is no model named 'nett'. Did you mean net")),
        "optimizer.lr: must be more than 0 (given: -1).",
        "optimzer: there is no such setting. Did you mean optimizer?",
        "seed: must be a whole number (given: 'x').",
        "trainer.max_epoch: there is no such setting. Did you mean trainer.max_epochs or trainer.min_epochs?",
        next(line for line in said if line.startswith("trainer.precision: must be one of '32-true'")),
    ]


def test_an_unknown_model_alone_is_an_error_of_its_own():
    with pytest.raises(UnknownNameError) as caught:
        compose(["model=nett"])
    assert caught.value.near[0] == "net"


def test_no_model_at_all_is_one_problem():
    assert problems() == ["model: a model has to be named: --model NAME (fw list models)."]


@pytest.mark.parametrize("word", ["+experiment=nowhere", "experiment=nowhere"])
def test_an_unknown_experiment_is_told_by_its_name(word):
    assert problems("model=net", "dataset=ring", word)[0].startswith(
        "experiment: there is no experiment named 'nowhere'"
    )


def test_a_model_whose_domain_has_no_data_asks_for_some():
    assert "a dataset has to be named; there are" not in problems("model=homeless")[0]
    assert "comes with no data of its own" in problems("model=homeless")[0]


def test_what_has_to_be_set_is_asked_for():
    assert problems("model=net", "dataset=files") == ["dataset.path: it has to be set."]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("max_epochs", "this is no setting; a setting is KEY=VALUE"),
        ("trainer.max_epochs=1,2", "several values were given; one run takes one"),
        ("model=3", "must be a name (given: 3)"),
        ("trainer=debgu", "There is no trainer named 'debgu'"),
        ("+experiment=shiped", "there is no experiment named 'shiped'. Did you mean shipped?"),
        ("strategy=dpd", "there is no strategy 'dpd'. Did you mean ddp or dp?"),
        ("lr=0.1", "Did you mean optimizer.lr?"),
        ("trainer.logger=false", "Did you mean mlops.tracking?"),
        ("trainer.max_epochs=[", "this cannot be read"),
        ("model=deep_net", "model: is named twice: net and deep_net"),
    ],
)
def test_what_cannot_be_meant_is_refused(override, said):
    with pytest.raises((ConfigError, UnknownNameError)) as caught:
        compose(["model=net", override])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        (["trainer.max_epochs=-1"], "trainer.max_epochs"),
        (["trainer.strategy=ddp", "strategy=fsdp"], "trainer.strategy"),
        (["distributed.enabled=true", "distributed.devices=4", "trainer.devices=2"], "trainer.devices"),
        (["checkpoint.monitor=val/loss"], "checkpoint.mode"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(overrides, path):
    assert problems("model=net", *overrides)[0].startswith(path)


def test_training_without_an_end_is_possible_where_the_scheduler_needs_none():
    assert compose(["model=net", "trainer.max_epochs=-1", "scheduler=constant"]).config.trainer.max_epochs == -1


def test_devices_are_one_unless_more_were_asked_for():
    assert compose(["model=net"]).config.devices == 1
    assert compose(["model=net", "distributed.devices=4"]).config.devices == 1
    config = compose(
        ["model=net", "distributed.enabled=true", "distributed.devices=4", "distributed.num_nodes=2"]
    ).config
    assert (config.devices, config.num_nodes) == (4, 2)
    assert compose(["model=net", "trainer.devices=3"]).config.devices == 3


@pytest.mark.parametrize("uri", ["mongodb://h:1/d?replicaSet=rs0&w=1", "postgresql://h/d?a=b", "http://h:1/it's"])
def test_an_address_is_text_whatever_stands_in_it(uri):
    assert compose(["model=net", f"mlops.tracking.uri={uri}"]).config.mlops.tracking.uri == uri


def test_a_class_in_a_file_is_a_model_with_its_constructor_as_settings(components):
    config = compose([f"model='{components}:Net'", f"dataset='{components}:Iris'", "model.width=5"]).config
    assert config.model.name == "mine.py:Net"
    assert config.model.width == 5
    assert config.experiment.name == "Net_Iris"
    assert "model.widht" in problems(f"model='{components}:Net'", f"dataset='{components}:Iris'", "model.widht=5")[0]


def test_a_class_that_is_not_in_the_file_is_told(components):
    with pytest.raises(ImportTargetError):
        compose([f"model='{components}:Nett'", "dataset=rows"])


def test_a_name_offered_twice_is_chosen_with_its_package(install):
    other = PLUGIN.partition("yield Model")[0] + 'yield ModelSpec(name="net", domain="tables", builder="o:O")\n'
    install("other-dist", {"other_plugin": other}, {"framework.plugins": {"other": "other_plugin"}})
    assert compose(["model='demo-dist:net'"]).config.model.name == "demo-dist:net"


@pytest.mark.parametrize("form", [dict, None])
def test_settings_composed_elsewhere_are_completed(form):
    from omegaconf import OmegaConf

    given = {
        "model": {"name": "net", "width": 2},
        "trainer": {"max_epochs": 1},
        "experiment": {"name": "${model.name}"},
    }
    config = complete(given if form else OmegaConf.create(given))
    assert (config.model.width, config.dataset.name, config.trainer.max_epochs) == (2, "rows", 1)
    assert config.experiment.name == "net"


def test_composing_imports_no_torch_and_no_builder():
    import subprocess
    import sys

    registry.refresh()
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from framework_core import compose\n"
        "compose(['model=net', '+experiment=shipped', 'optimizer=sgd'])\n"
        "heavy = {'torch', 'lightning', 'mlflow', 'demo.parts'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
