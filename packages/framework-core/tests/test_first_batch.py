"""The closer look before the first epoch: what looks wrong is said, and nothing is changed by looking."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from framework_core import BaseModel, DataSpec
from framework_core.training.first_batch import look

DATA = DataSpec(task="tabular-classification", input_shape=(4,), class_names=("a", "b", "c"))


class Net(BaseModel):
    gain = 1.0

    def _build_model(self):
        return nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3))

    def forward(self, x):
        return self.gain * self.model(x)

    def loss(self, outputs, target):
        return nn.functional.cross_entropy(outputs, target)

    def expected_loss(self):
        return 1.0986


class Idle(Net):
    def _build_model(self):
        network = super()._build_model()
        network.idle = nn.Identity()
        self.idle = nn.Linear(2, 2)
        return network


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(8, 4), torch.arange(8) % 3


def test_a_healthy_batch_is_passed_without_remark_and_with_its_cost(batch):
    seen = look(Net(data=DATA), *batch)
    assert seen.warnings == ()
    assert seen.samples == 4
    assert seen.seconds > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda inputs: inputs * 60, "they look as if they were not normalised"),
        (lambda inputs: torch.zeros_like(inputs), "there is nothing to learn from"),
    ],
)
def test_inputs_out_of_range_are_told(change, said, batch):
    inputs, target = batch
    (warning,) = [each for each in look(Net(data=DATA), change(inputs), target).warnings if "input" in each]
    assert said in warning


def test_a_first_loss_far_from_chance_is_told(batch):
    model = Net(data=DATA)
    model.gain = 60.0
    assert "far above the 1.1 of a model that has learned nothing" in look(model, *batch).warnings[0]


def test_parameters_that_no_gradient_reaches_are_named(batch):
    (warning,) = look(Idle(data=DATA), *batch).warnings
    assert warning == "no gradient reaches 2 of 6 parameters: idle.weight, idle.bias"


def test_looking_changes_nothing(batch):
    model = Net(data=DATA).eval()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(3)
    look(model, *batch)
    after = torch.rand(())
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(()))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training


def test_a_run_says_what_looking_cost_and_may_do_without(train):
    words = ("trainer.limit_train_batches=1", "mlops.tracking.backend=none", "--dry-run")
    assert "preflight 4 samples forward and backward in" in train(*words).err
    assert "preflight" not in train(*words, "preflight=false").err
