"""Settings that were saved once are read by every later release."""

from pathlib import Path

import pytest
import yaml

from framework_core.config import migrations
from framework_core.config.migrations import KEY, VERSION, Migration, NewerSettingsError, migrated, moved, removed
from framework_core.config.saved import flattened

SAVED = Path(__file__).parent / "settings"
"""One file of each version, as a release of that version saved it; none of them is ever changed."""


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_what_each_version_saved_is_still_read(version, fw, components, project):
    saved = SAVED / f"version-{version}.yaml"
    assert yaml.safe_load(saved.read_text())[KEY] == version
    done = fw("config", "show", "--config", saved)
    assert done.code == 0, done.err
    found = yaml.safe_load(done.out)
    assert found[KEY] == VERSION
    assert (found["model"]["width"], found["optimizer"]["name"], found["trainer"]["max_epochs"]) == (24, "sgd", 3)


def test_nothing_that_was_saved_is_lost_without_a_new_version(fw, components):
    """A setting that is gone or renamed shows here: then a version and a migration are due."""
    saved = SAVED / f"version-{VERSION}.yaml"
    written = flattened(yaml.safe_load(fw("config", "show", "--config", saved).out))
    assert {key: written.get(key) for key in flattened(yaml.safe_load(saved.read_text()))} == flattened(
        yaml.safe_load(saved.read_text())
    )


def test_settings_of_a_later_release_are_refused(fw, project):
    (project / "later.yaml").write_text(f"{KEY}: {VERSION + 1}\nmodel: x\n")
    done = fw("config", "show", "--config", "later.yaml")
    assert done.code == 2
    assert f"version {VERSION + 1}; this release reads versions up to {VERSION}." in done.err
    assert "pip install -U framework-core" in done.err


@pytest.mark.parametrize("version", [0, -1, "one", True, None, 1.5])
def test_a_version_that_is_none_is_refused(version):
    with pytest.raises(NewerSettingsError):
        migrated({KEY: version})


STEPS = (
    Migration(2, "trainer.epochs is called trainer.max_epochs", moved("trainer.epochs", "trainer.max_epochs")),
    Migration(3, "trainer.magic is no more", removed("trainer.magic")),
    Migration(4, "seed is a part of reproducibility", moved("seed", "reproducibility.seed")),
)


def test_settings_are_brought_on_step_by_step():
    old = {KEY: 1, "trainer": {"epochs": 3, "magic": True}, "seed": 5}
    found, said = migrated(old, STEPS)
    assert found == {"trainer": {"max_epochs": 3}, "reproducibility": {"seed": 5}}
    assert said == [step.what for step in STEPS]
    assert old[KEY] == 1, "what was read is left as it is"


def test_only_the_steps_after_its_version_are_taken():
    assert migrated({KEY: 3, "trainer": {"epochs": 3}, "seed": 5}, STEPS) == (
        {"trainer": {"epochs": 3}, "reproducibility": {"seed": 5}},
        ["seed is a part of reproducibility"],
    )


def test_settings_without_a_version_are_of_this_release():
    assert migrated({"seed": 5}, STEPS) == ({"seed": 5}, [])


def test_what_is_not_there_is_not_changed_and_not_told():
    assert migrated({KEY: 1, "trainer": None}, STEPS) == ({"trainer": None}, [])


def test_the_user_is_told_what_was_changed(fw, components, project, monkeypatch):
    step = Migration(2, "trainer.epochs is called trainer.max_epochs", moved("trainer.epochs", "trainer.max_epochs"))
    monkeypatch.setattr(migrations, "MIGRATIONS", (step,))
    (project / "old.yaml").write_text(f"{KEY}: 1\nmodel: mine.py:Net\ndataset: mine.py:Iris\ntrainer:\n  epochs: 4\n")
    done = fw("config", "show", "--config", "old.yaml")
    assert yaml.safe_load(done.out)["trainer"]["max_epochs"] == 4
    assert "old.yaml was saved by an earlier release: trainer.epochs is called trainer.max_epochs" in done.err
