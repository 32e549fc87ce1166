"""Freezing, layer-wise learning rates, adaptive clipping."""

from __future__ import annotations

import copy

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from framework_core.config.compose import compose
from framework_core.contracts import FinetuneConfig
from framework_core.errors import ConfigError, ContractError
from framework_core.run import train
from framework_core.training.adaptive_clipping import clip
from framework_core.training.freezing import frozen_layers

LAYERED = '''

class Layered(Net):
    def _build_model(self):
        return nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
        )

    def parameter_layers(self):
        return [[f"model.{n}.{kind}" for n in layer for kind in ("weight", "bias")] for layer in ([0, 1], [3], [5])]
'''


@pytest.fixture
def layered(components, project):
    (project / components).write_text((project / components).read_text() + LAYERED)
    common = ("model=mine.py:Layered", "dataset=mine.py:Iris", "mlops.tracking.backend=none")

    def settings(*words):
        return compose([*common, "trainer.accelerator=cpu", "trainer.enable_progress_bar=false", *words]).config

    return settings


class Epochs(Callback):
    """The state of the model at the end of each epoch, and the gradients before each step."""

    def __init__(self):
        self.states, self.rates, self.worst = [], {}, 0.0

    def on_fit_start(self, trainer, pl_module):
        self.states.append(copy.deepcopy(pl_module.state_dict()))
        named = {parameter: name for name, parameter in pl_module.named_parameters()}
        for group in trainer.optimizers[0].param_groups:
            self.rates |= {named[parameter]: group["initial_lr"] for parameter in group["params"]}

    def on_train_epoch_end(self, trainer, pl_module):
        self.states.append(copy.deepcopy(pl_module.state_dict()))

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        for parameter in [*pl_module.model[0].parameters(), *pl_module.model[3].parameters()]:
            if parameter.grad is not None and parameter.ndim > 1:
                ratio = parameter.grad.norm(dim=1) / parameter.detach().norm(dim=1).clamp(min=1e-3)
                self.worst = max(self.worst, float(ratio.max()))

    def changed(self, epoch):
        before, after = self.states[epoch], self.states[epoch + 1]
        return {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])}


def test_layers_are_frozen_with_their_statistics_and_freed_one_by_one(layered):
    seen = Epochs()
    words = ("finetune.freeze_epochs=1", "finetune.unfreeze_every_n_epochs=1", "trainer.max_epochs=3")
    train(layered(*words), callbacks=[seen])
    assert [seen.changed(epoch) for epoch in range(3)] == [{"5"}, {"3", "5"}, {"0", "1", "3", "5"}]


def test_all_layers_are_freed_at_once_where_nothing_else_is_said(layered):
    seen = Epochs()
    train(layered("finetune.freeze_epochs=1", "trainer.max_epochs=2"), callbacks=[seen])
    assert [seen.changed(epoch) for epoch in range(2)] == [{"5"}, {"0", "1", "3", "5"}]


@pytest.mark.parametrize(("every", "expected"), [(None, [3, 3, 0, 0]), (1, [3, 3, 2, 1, 0, 0]), (2, [3, 3, 2, 2, 1])])
def test_what_is_frozen_follows_from_the_epoch_alone(every, expected):
    settings = FinetuneConfig(freeze_epochs=2, unfreeze_every_n_epochs=every)
    assert [frozen_layers(settings, epoch, 3) for epoch in range(len(expected))] == expected


def test_earlier_layers_learn_more_slowly(layered):
    seen = Epochs()
    train(layered("finetune.layer_decay=0.5", "optimizer.lr=0.08", "trainer.max_epochs=1"), callbacks=[seen])
    rates = {name.removeprefix("model."): rate for name, rate in seen.rates.items() if name.endswith("weight")}
    assert rates == pytest.approx({"0.weight": 0.02, "1.weight": 0.02, "3.weight": 0.04, "5.weight": 0.08})


@pytest.mark.parametrize("words", [["finetune.layer_decay=0.5"], ["finetune.freeze_epochs=1"]])
def test_a_model_that_does_not_say_its_layers_is_refused(words, layered):
    with pytest.raises(ContractError, match="parameter_layers"):
        train(layered("model=mine.py:Net", *words))


def test_gradients_are_cut_by_the_norm_of_their_weights(layered):
    free, cut = Epochs(), Epochs()
    train(layered("trainer.max_epochs=1"), callbacks=[free])
    train(layered("adaptive_gradient_clip_val=0.01", "trainer.max_epochs=1"), callbacks=[cut])
    assert free.worst > 0.05
    assert cut.worst == pytest.approx(0.01, rel=1e-3)


def test_a_gradient_is_cut_unit_by_unit():
    weights, gradient = torch.tensor([[3.0, 4.0], [0.3, 0.4]]), torch.tensor([[0.3, 0.4], [3.0, 4.0]])
    clip(gradient, weights, 0.1)
    torch.testing.assert_close(gradient, torch.tensor([[0.3, 0.4], [0.03, 0.04]]))
    vector = torch.full((4,), 5.0)
    clip(vector, torch.full((4,), 1.0), 0.5)
    torch.testing.assert_close(vector, torch.full((4,), 0.5))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["finetune.unfreeze_every_n_epochs=1"], "with finetune.freeze_epochs only"),
        (["finetune.layer_decay=1.5"], "finetune.layer_decay"),
        (["adaptive_gradient_clip_val=0.1", "trainer.gradient_clip_val=1"], "gradients are cut in one way"),
        (["adaptive_gradient_clip_val=0.1", "strategy=deepspeed"], "the weights are spread over the devices"),
    ],
)
def test_what_makes_no_sense_is_refused(words, said, layered):
    with pytest.raises(ConfigError) as error:
        layered(*words)
    assert said in str(error.value)


def test_the_head_of_a_network_learns_while_the_rest_is_frozen_and_the_model_is_left_free(layered):
    model = {}

    class Keep(Callback):
        def on_fit_end(self, trainer, pl_module):
            model["it"] = pl_module

    train(layered("finetune.freeze_epochs=5", "trainer.max_epochs=1"), callbacks=[Keep()])
    assert all(parameter.requires_grad for parameter in model["it"].parameters())
    assert isinstance(model["it"].model[5], nn.Linear)
