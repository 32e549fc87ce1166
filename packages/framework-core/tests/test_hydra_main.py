"""``FrameworkTrainer``: training from settings that were composed elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from framework_core import FrameworkTrainer, compose
from framework_core.errors import ConfigError
from framework_core.training.checkpoint_io import read

SCRIPT = """
import hydra
from framework_core import FrameworkTrainer

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    result = FrameworkTrainer(cfg).train()
    print("ended:", result.status, result.run.name, sorted(result.metrics))

if __name__ == "__main__":
    main()
"""
SETTINGS = """
defaults:
  - trainer: short
  - _self_

model: {name: "mine.py:Net", width: 7}
dataset: {name: "mine.py:Iris"}
mlops: {tracking: {backend: none}}
experiment: {name: "${model.width}-wide", run_name: first}
"""


@pytest.fixture
def script(components, project):
    (project / "conf" / "trainer").mkdir(parents=True)
    (project / "conf" / "config.yaml").write_text(SETTINGS)
    (project / "conf" / "trainer" / "short.yaml").write_text("max_epochs: 2\naccelerator: cpu\n")
    (project / "program.py").write_text(SCRIPT)

    def run(*words):
        return subprocess.run([sys.executable, "program.py", *words], capture_output=True, text=True, timeout=300)

    return run


def saved(run):
    return yaml.safe_load((Path("runs") / run / "config.yaml").read_text())


@pytest.mark.drawn
@pytest.mark.long
def test_a_program_under_hydra_main_trains_where_it_was_started(script):
    done = script("trainer.max_epochs=1", "model.width=5", "+optimizer=sgd", "+seed=3")
    assert done.returncode == 0, done.stderr
    assert "ended: finished first ['test/accuracy', 'test/loss', 'val/accuracy', 'val/loss']" in done.stdout
    found = saved("first")
    assert found["model"] == {"name": "mine.py:Net", "width": 5, "drop_rate": 0.0}
    assert found["trainer"]["max_epochs"] == 1
    assert found["optimizer"]["name"] == "sgd"
    assert found["experiment"]["name"] == "5-wide"
    assert found["seed"] == 3


@pytest.mark.drawn
@pytest.mark.long
def test_a_program_under_hydra_main_is_told_everything_that_is_wrong(script):
    done = script("trainer.max_epochs=-7", "+model.widht=5")
    assert done.returncode == 1
    assert "2 settings are not allowed" in done.stderr
    assert "trainer.max_epochs: must be at least -1 (given: -7)" in done.stderr
    assert "Did you mean model.width?" in done.stderr
    assert not Path("runs").exists()


WORDS = ["trainer.max_epochs=1", "trainer.accelerator=cpu", "mlops.tracking.backend=none", "experiment.run_name=mine"]


@pytest.mark.drawn
def test_checked_settings_are_taken_as_they_are(components):
    words = [*WORDS, "performance.auto=false"]
    config = compose(words, model=f"{components}:Net", dataset=f"{components}:Iris").config
    result = FrameworkTrainer(config).train()
    assert (result.status, result.run.name) == ("finished", "mine")
    assert result.run.config == config


@pytest.mark.drawn
def test_lightning_arguments_are_passed_on(components):
    config = compose(WORDS, model=f"{components}:Net", dataset=f"{components}:Iris").config
    result = FrameworkTrainer(config, limit_train_batches=1, max_epochs=2).train()

    assert read(result.last_checkpoint)["global_step"] == 2


@pytest.mark.parametrize("make", [dict, OmegaConf.create])
def test_a_mapping_is_completed(make, components):
    given = {
        "model": {"name": f"{components}:Net"},
        "dataset": {"name": f"{components}:Iris", "batch_size": 45},
        "trainer": {"max_epochs": 1, "accelerator": "cpu"},
        "mlops": {"tracking": {"backend": "none"}},
    }
    config = FrameworkTrainer(make(given)).config
    assert config.dataset.batch_size == 45
    assert (config.optimizer.name, config.scheduler.name) == ("adamw", "cosine")
    assert config.seed == 42


def test_a_mapping_that_is_not_allowed_is_refused_at_once(components):
    with pytest.raises(ConfigError) as caught:
        FrameworkTrainer({"model": f"{components}:Net", "dataset": f"{components}:Iris", "trainr": {}})
    (problem,) = caught.value.problems
    assert (problem.path, problem.near[0]) == ("trainr", "trainer")


def test_whatever_is_left_out_has_its_default(components):
    config = FrameworkTrainer({"model": f"{components}:Net", "dataset": f"{components}:Iris"}).config
    composed = compose(model=f"{components}:Net", dataset=f"{components}:Iris").config
    assert config.model_dump() == composed.model_dump()
