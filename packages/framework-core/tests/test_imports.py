"""What is light stays light: looking around imports none of the heavy packages, training only those it needs."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

HEAVY = {"torch", "torchmetrics", "torchvision", "lightning", "mlflow", "timm", "transformers", "matplotlib", "sklearn"}
HEAVY |= {"numpy", "pandas", "pyarrow"}
SHOWN = """
import atexit, sys
atexit.register(lambda: print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr))
"""
PLUGIN = """
from framework_core import hookimpl
from framework_core.contracts import DatasetSpec, ModelSpec

@hookimpl
def register_components():
    yield ModelSpec(name="gnu", builder="heavy_parts:Gnu", config="light_parts:GnuConfig", domain="savanna")
    yield DatasetSpec(name="steppe", builder="heavy_parts:Steppe", config="light_parts:SteppeConfig", domain="savanna")
"""
LIGHT = """
from framework_core.contracts.config import ComponentConfig

class GnuConfig(ComponentConfig):
    horns: int = 2

class SteppeConfig(ComponentConfig):
    pass
"""

AT_ITS_FIRST_STEP = """
import sys
from mine import Net

class Showing(Net):
    def on_train_batch_end(self, *given):
        if self.trainer.global_step == 13:
            print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}), "step 13", file=sys.stderr)
"""


@pytest.fixture
def site(install):
    """A plugin with a light module and one that must not be imported."""
    modules = {"light.plugin": PLUGIN, "light_parts": LIGHT, "heavy_parts": "import torch", "sitecustomize": SHOWN}
    return install("light-dist", modules, {"framework.plugins": {"light": "light.plugin"}})


@pytest.mark.some_of(6)
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("--help", 0),
        ("train --help", 0),
        ("list models", 0),
        ("list datasets", 0),
        ("list strategies", 0),
        ("list plugins", 0),
        ("data list", 0),
        ("search gnu", 0),
        ("info model gnu", 0),
        ("info optimizer sgd", 0),
        ("config show model=gnu dataset=steppe model.horns=3", 0),
        ("config validate model=gnu dataset=steppe", 0),
        ("config schema", 0),
        ("train --model gnu --dataset steppe trainer.max_epochs=-7 model.horn=3", 2),
        ("train --model gmu", 2),
        ("trian", 2),
    ],
)
def test_looking_around_imports_nothing_heavy(command, code, site, fresh):
    done = fresh(*command.split(), path=[site])
    assert done.code == code, done.err
    imported = set(done.err.rpartition("imported:")[2].split())
    assert "framework_core" in imported
    assert not imported & {*HEAVY, "heavy_parts"}


def test_the_package_itself_imports_nothing_heavy(site):
    code = "import framework_core; framework_core.registry.catalogue.names('model'); framework_core.compose"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    imported = set(done.stderr.rpartition("imported:")[2].split())
    assert "framework_core" in imported
    assert not imported & {*HEAVY, "heavy_parts"}


def test_help_needs_no_plugin_and_no_settings(site, fresh):
    imported = set(fresh("--help", path=[site]).err.rpartition("imported:")[2].split())
    assert not imported & {"light", "pydantic", "pluggy", "hydra", "omegaconf", "yaml"}


def test_a_second_listing_needs_no_plugin(site, fresh):
    first, second = (set(fresh("list", "models", path=[site]).err.rpartition("imported:")[2].split()) for _ in range(2))
    assert {"light", "pluggy"} <= first
    assert not second & {"light", "pluggy"}


@pytest.mark.drawn
def test_what_the_metrics_bring_along_is_not_imported_before_it_is_asked_for():
    code = """
import sys
import framework_core
from lightning.pytorch import LightningModule
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics import Metric, MetricCollection
assert issubclass(MulticlassAccuracy, Metric)
print(*sorted({"scipy", "torchvision", "transformers"} & set(sys.modules)))
import torchmetrics
print(torchmetrics.MeanMetric.__name__, torchmetrics.functional.accuracy.__name__, torchmetrics.__version__)
from torchmetrics.audio import SignalNoiseRatio
from torchmetrics.text import Perplexity
print(*[torchmetrics.Metric is Metric, Perplexity.__name__, "Accuracy" in dir(torchmetrics)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second, third = done.stdout.split("\n")[:3]
    assert first == ""
    assert second == f"MeanMetric accuracy {version('torchmetrics')}"
    assert third == "True Perplexity True"


@pytest.mark.drawn
def test_a_run_that_goes_on_makes_its_first_step_before_it_imports_what_its_store_needs(train, fresh, project):
    from mlflow import MlflowClient

    (project / "showing.py").write_text(AT_ITS_FIRST_STEP)
    begun = train("--model", "showing.py:Showing", "experiment.run_name=on", "--json").json
    done = fresh("train", "--resume", "on", "trainer.max_epochs=3", "--json")
    assert done.code == 0, done.err
    imported = set(done.err.rpartition("imported:")[2].partition("step 13")[0].split())
    assert "lightning" in imported
    assert not imported & {"mlflow", "sqlalchemy", "pandas", "scipy", "sklearn", "torchvision", "transformers"}
    assert done.json["run_id"] == begun["run_id"]
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    points = client.get_metric_history(begun["run_id"], "train/loss")
    assert [point.step for point in points] == list(range(1, 19))
    assert client.get_run(begun["run_id"]).info.status == "FINISHED"
