"""Freezing, layer-wise learning rates, adaptive clipping."""

from __future__ import annotations

import copy

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from framework_core import BaseModel
from framework_core.config.compose import compose
from framework_core.contracts import FinetuneConfig
from framework_core.errors import ConfigError, ContractError
from framework_core.run import train
from framework_core.training.adaptive_clipping import AdaptiveGradientClipping, clip
from framework_core.training.freezing import Freezing, frozen_layers
from framework_core.training.optimization import Optimization
from framework_core.training.optimizer_settings import SGD
from framework_core.training.scheduler_settings import Constant

COMMON = ("model=mine.py:Net", "dataset=mine.py:Iris", "mlops.tracking.backend=none", "trainer.accelerator=cpu")


class Layered(BaseModel):
    def _build_model(self):
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))

    def loss(self, outputs, target):
        return nn.functional.cross_entropy(outputs, target)

    def parameter_layers(self):
        return [[f"model.{n}.{kind}" for n in layer for kind in ("weight", "bias")] for layer in ([0, 1], [3], [5])]


def fit(*callbacks, epochs=1, layer_decay=None):
    torch.manual_seed(0)
    samples = TensorDataset(torch.randn(32, 4), torch.arange(32) % 3)
    model = Layered()
    optimizer, scheduler = SGD(name="sgd", lr=0.08), Constant(name="constant", warmup_steps=0)
    model.optimization = Optimization(optimizer, scheduler, None, "min", layer_decay)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", logger=False, callbacks=list(callbacks), **quiet)
    trainer.fit(model, DataLoader(samples, 8), DataLoader(samples, 8))
    return model


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


def test_layers_are_frozen_with_their_statistics_and_freed_one_by_one():
    seen = Epochs()
    fit(Freezing(FinetuneConfig(freeze_epochs=1, unfreeze_every_n_epochs=1)), seen, epochs=3)
    assert [seen.changed(epoch) for epoch in range(3)] == [{"5"}, {"3", "5"}, {"0", "1", "3", "5"}]


def test_all_layers_are_freed_at_once_where_nothing_else_is_said():
    seen = Epochs()
    fit(Freezing(FinetuneConfig(freeze_epochs=1)), seen, epochs=2)
    assert [seen.changed(epoch) for epoch in range(2)] == [{"5"}, {"0", "1", "3", "5"}]


@pytest.mark.parametrize(("every", "expected"), [(None, [3, 3, 0, 0]), (1, [3, 3, 2, 1, 0, 0]), (2, [3, 3, 2, 2, 1])])
def test_what_is_frozen_follows_from_the_epoch_alone(every, expected):
    settings = FinetuneConfig(freeze_epochs=2, unfreeze_every_n_epochs=every)
    assert [frozen_layers(settings, epoch, 3) for epoch in range(len(expected))] == expected


def test_earlier_layers_learn_more_slowly():
    seen = Epochs()
    fit(seen, layer_decay=0.5)
    rates = {name.removeprefix("model."): rate for name, rate in seen.rates.items() if name.endswith("weight")}
    assert rates == pytest.approx({"0.weight": 0.02, "1.weight": 0.02, "3.weight": 0.04, "5.weight": 0.08})


@pytest.mark.parametrize("words", [["finetune.layer_decay=0.5"], ["finetune.freeze_epochs=1"]])
def test_a_model_that_does_not_say_its_layers_is_refused(words, components):
    with pytest.raises(ContractError, match="parameter_layers"):
        train(compose([*COMMON, *words]).config)


def test_all_three_together_train_through_the_command(train_in_layers):
    done = train_in_layers("finetune.freeze_epochs=1", "finetune.layer_decay=0.7", "adaptive_gradient_clip_val=0.1")
    assert done.code == 0, done.err
    assert "frozen    1 of 2 layers" in done.err
    assert "frozen    0 of 2 layers" in done.err


@pytest.fixture
def train_in_layers(train, project):
    """The command, with a model that says its layers."""
    layers = """
    def parameter_layers(self):
        return [[f"model.{layer}.weight", f"model.{layer}.bias"] for layer in (0, 3)]
"""
    text = (project / "mine.py").read_text()
    (project / "mine.py").write_text(text.replace("    def loss(", f"{layers}\n    def loss(", 1))
    return lambda *words: train(*words, "mlops.tracking.backend=none")


def test_gradients_are_cut_by_the_norm_of_their_weights():
    free, cut = Epochs(), Epochs()
    fit(free)
    fit(AdaptiveGradientClipping(0.01), cut)
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
        (
            ["trainer.gradient_clip_val=1", "trainer.gradient_clip_algorithm=value", "strategy=deepspeed_stage_2"],
            "trainer.gradient_clip_algorithm: value is not possible with strategy=deepspeed_stage_2. Possible: norm",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(words, said, components):
    with pytest.raises(ConfigError) as error:
        compose([*COMMON, *words])
    assert said in str(error.value)


def test_the_model_is_left_free():
    model = fit(Freezing(FinetuneConfig(freeze_epochs=5)))
    assert all(parameter.requires_grad for parameter in model.parameters())
