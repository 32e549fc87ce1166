"""A user's own model and dataset, written as the documentation shows them."""

from __future__ import annotations

import pytest

from framework_core import registry
from framework_core.errors import AmbiguousNameError, ContractError

pytestmark = pytest.mark.drawn

OWN = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from framework_core import register_dataset, register_model
from framework_plugins_vision import BaseVisionDataModule, BaseVisionModel


@register_model("custom_resnet")
class CustomResNet(BaseVisionModel):
    def _build_model(self):
        # Build your model architecture
        model = nn.Sequential(
            nn.Conv2d(self.data.channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(self.data.num_classes)
        )
        model(torch.zeros(1, *self.data.input_shape))
        return model

    def _setup_metrics(self):
        # Setup metrics
        metrics = {"mine": MulticlassAccuracy(self.data.num_classes, average="micro")}
        return metrics

    def forward(self, x):
        # Forward pass
        return self.model(x)


@register_dataset("custom_dataset")
class CustomDataset(BaseVisionDataModule):
    def prepare_data(self):
        # Download/prepare data
        with open("prepared.txt", "a") as file:
            file.write("prepared\\n")

    def setup(self, stage=None):
        # Setup datasets
        labels = torch.arange(60) % 3
        images = torch.randn(60, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.1
        images += labels.view(-1, 1, 1, 1)
        self.class_names = ("low", "middle", "high")
        self.train_dataset = TensorDataset(images[:40], labels[:40])
        self.val_dataset = TensorDataset(images[40:50], labels[40:50])
        self.test_dataset = TensorDataset(images[50:], labels[50:])
"""
QUICK = ("trainer.max_epochs=2", "checkpoint.monitor=val/mine", "checkpoint.mode=max", "dataset.batch_size=8")


@pytest.fixture
def own(project):
    (project / "own.py").write_text(OWN)
    return "own.py"


def test_a_model_and_a_dataset_of_ones_own_train(own, train, project):
    done = train("--model", f"{own}:CustomResNet", "--dataset", f"{own}:CustomDataset", *QUICK)
    assert done.code == 0, done.err
    assert done.json["status"] == "finished"
    assert set(done.json["metrics"]) == {"val/mine", "val/loss", "test/mine", "test/loss"}
    assert "40 train, 10 val, 10 test samples of 3x8x8, 3 classes" in done.err
    assert (project / "prepared.txt").read_text() == "prepared\n"


def test_they_learn(own, train):
    words = (*QUICK[1:], "trainer.max_epochs=15", "optimizer.lr=0.02")
    done = train("--model", f"{own}:CustomResNet", "--dataset", f"{own}:CustomDataset", *words)
    assert done.json["metrics"]["test/mine"] > 0.9


def test_once_imported_they_have_the_names_they_were_registered_under(own, data, train, monkeypatch, project):
    monkeypatch.syspath_prepend(project)
    import importlib

    module = importlib.import_module("own")
    model = registry.create_model("custom_resnet", data=data(3, 8, classes=3))
    assert type(model) is module.CustomResNet
    assert isinstance(registry.create_dataset("custom_dataset", batch_size=4), module.CustomDataset)
    done = train("--model", "custom_resnet", "--dataset", "custom_dataset", *QUICK)
    assert done.code == 0, done.err


def test_a_name_that_another_class_has_is_refused(own, monkeypatch, project):
    monkeypatch.syspath_prepend(project)
    import importlib

    importlib.import_module("own")
    with pytest.raises(AmbiguousNameError, match=r"own:CustomResNet and .*Other"):
        registry.register_model("custom_resnet")(type("Other", (), {"__module__": "elsewhere"}))


def test_settings_of_a_class_are_the_parameters_of_its_constructor(project, train):
    text = OWN.replace(
        "    def _build_model(self):",
        "    def __init__(self, width: int = 4, **kwargs):\n        super().__init__(**kwargs)\n"
        "        self.width = width\n\n    def _build_model(self):",
    ).replace("self.data.channels, 4, 3", "self.data.channels, self.width, 3")
    (project / "own.py").write_text(text)
    words = ("--model", "own.py:CustomResNet", "--dataset", "own.py:CustomDataset", *QUICK)
    done = train(*words, "model.width=6", "trainer.max_epochs=1")
    assert done.code == 0, done.err
    refused = train(*words, "model.widht=6")
    assert refused.code == 2
    assert "Did you mean model.width?" in refused.err


def test_the_datasets_own_model_may_be_any_other(own, train):
    done = train("--model", "resnet20", "--dataset", f"{own}:CustomDataset", "--dry-run")
    assert done.code == 0, done.err


def test_a_model_without_a_network_says_what_is_missing(own, train, project, data):
    text = OWN.replace("def _build_model", "def build_model")
    (project / "own.py").write_text(text)
    done = train("--model", "own.py:CustomResNet", "--dataset", "own.py:CustomDataset")
    assert done.code == 2
    assert "it has no method _build_model" in done.err
    assert "Traceback" not in done.err
    from framework_plugins_vision import BaseVisionModel

    with pytest.raises(ContractError, match="_build_model"):
        BaseVisionModel(data=data())
