import inspect
import math

import pytest
import torch
from torch import nn

from framework_core.contracts import DecayingOptimizerConfig
from framework_core.plugins.catalogue import config_class, import_builder
from framework_core.plugins.registry import registry
from framework_core.training import schedulers
from framework_core.training.optimization import parameter_groups, warmup_steps
from framework_core.training.optimizer_settings import SGD, AdamW
from framework_core.training.scheduler_settings import Cosine

OPTIMIZERS = registry.catalogue.names("optimizer")
SCHEDULERS = registry.catalogue.names("scheduler")
NOT_OF_TORCH = {"name", "lr", "weight_decay", "decay_norm_and_bias"}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_settings_of_an_optimizer_are_torchs_with_torchs_defaults(name):
    offer = registry.catalogue.get("optimizer", name)
    parameters = inspect.signature(import_builder(offer)).parameters
    for field, info in config_class(offer).model_fields.items():
        if field in NOT_OF_TORCH or (name == "sgd" and field == "momentum"):
            continue
        assert field in parameters
        assert info.default == parameters[field].default


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_makes_the_loss_smaller(name):
    offer = registry.catalogue.get("optimizer", name)
    config = config_class(offer)(name=name)
    settings = config.settings()
    settings.pop("decay_norm_and_bias", None)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = import_builder(offer)(parameter_groups(model, config), **settings)
    inputs, target = torch.randn(64, 4), torch.randint(2, (64,))

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), target)
        loss.backward()
        return loss

    first = closure().item()
    for _ in range(20):
        optimizer.step(closure)
    assert closure().item() < first


def test_weight_decay_leaves_out_what_has_one_axis():
    model = network()
    decayed, plain = parameter_groups(model, AdamW(name="adamw"))
    assert [parameter.ndim for parameter in decayed["params"]] == [2, 2]
    assert {parameter.ndim for parameter in plain["params"]} == {1}
    assert plain["weight_decay"] == 0.0


@pytest.mark.parametrize("config", [AdamW(name="adamw", decay_norm_and_bias=True), SGD(name="sgd", weight_decay=0.0)])
def test_one_group_will_do_where_nothing_is_treated_apart(config):
    assert len(parameter_groups(network(), config)) == 1


def test_frozen_parameters_are_not_optimized():
    model = network()
    for parameter in model[0].parameters():
        parameter.requires_grad = False
    groups = parameter_groups(model, AdamW(name="adamw"))
    assert sum(len(group["params"]) for group in groups) == 4


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"warmup_steps": 7}, 7),
        ({"warmup_epochs": 2}, 20),
        ({"warmup_epochs": 0}, 0),
        ({}, 10),
        ({"warmup_steps": 1000}, 100),
    ],
)
def test_warm_up_is_said_in_steps_or_epochs_or_chosen(settings, expected):
    assert warmup_steps(Cosine(name="cosine", **settings), 100, 10) == expected


def test_warm_up_chosen_is_five_epochs_at_most():
    assert warmup_steps(Cosine(name="cosine"), 10_000, 10) == 50


def rates(name, steps=100, per_epoch=10, warmup=0, **settings):
    optimizer = torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": 1.0}], lr=1.0)
    common = {"total_steps": steps, "steps_per_epoch": per_epoch}
    if name not in ("one_cycle", "plateau"):
        common["warmup_steps"] = warmup
    scheduler = getattr(schedulers, name)(optimizer, **common, **settings)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def reference(scheduler_class, steps=100, **settings):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = scheduler_class(optimizer, **settings)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


TORCH = torch.optim.lr_scheduler


@pytest.mark.parametrize(
    ("ours", "torchs"),
    [
        (
            lambda: rates("cosine", min_lr=0.1),
            lambda: reference(TORCH.CosineAnnealingLR, T_max=100, eta_min=0.1),
        ),
        (
            lambda: rates("cosine_restarts", min_lr=0.0, cycles=4),
            lambda: reference(TORCH.CosineAnnealingWarmRestarts, T_0=25),
        ),
        (
            lambda: rates("linear", min_lr=0.0),
            lambda: reference(TORCH.LinearLR, start_factor=1.0, end_factor=0.0, total_iters=100),
        ),
        (
            lambda: rates("polynomial", min_lr=0.0, power=3.0),
            lambda: reference(TORCH.PolynomialLR, total_iters=100, power=3.0),
        ),
        (
            lambda: rates("step", step_epochs=2.5, gamma=0.5),
            lambda: reference(TORCH.StepLR, step_size=25, gamma=0.5),
        ),
        (
            lambda: rates("multistep", milestones=[3, 7.5], gamma=0.5),
            lambda: reference(TORCH.MultiStepLR, milestones=[30, 75], gamma=0.5),
        ),
        (
            lambda: rates("exponential", gamma=0.9),
            lambda: reference(TORCH.ExponentialLR, gamma=0.9**0.1),
        ),
        (lambda: rates("constant"), lambda: [1.0] * 100),
    ],
)
def test_a_schedule_without_warm_up_is_torchs(ours, torchs):
    assert ours() == pytest.approx(torchs(), abs=1e-6)


def test_warm_up_rises_linearly_and_then_the_schedule_begins():
    found = rates("cosine", warmup=10, min_lr=0.0)
    assert found[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert found[10] == 1.0
    assert found[10:] == sorted(found[10:], reverse=True)
    assert found[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))


def test_a_schedule_ends_where_it_said():
    assert min(rates("cosine", steps=101, min_lr=0.25)) >= 0.25
    assert rates("linear", steps=100, min_lr=0.25)[-1] == pytest.approx(0.25 + 0.75 / 100)


@pytest.mark.some_of(4)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_trains(name, train):
    extra = {"multistep": ["scheduler.milestones=[1]"], "timm_multistep": ["scheduler.decay_milestones=[1]"]}.get(
        name, []
    )
    done = train(f"scheduler={name}", *extra, "mlops.tracking.backend=none", "--json")
    assert done.code == 0, done.err
    assert math.isfinite(done.json["metrics"]["val/loss"])


@pytest.mark.some_of(4)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_trains(name, train):
    done = train(f"optimizer={name}", "mlops.tracking.backend=none", "--json")
    assert done.code == 0, done.err


def test_decay_settings_belong_to_optimizers_with_decay_only():
    without = {"lbfgs", "rprop"}
    for name in OPTIMIZERS:
        found = config_class(registry.catalogue.get("optimizer", name))
        assert issubclass(found, DecayingOptimizerConfig) == (name not in without)


def test_the_strategies_listed_are_those_lightning_registers():
    from lightning.pytorch.strategies import StrategyRegistry

    own = [offer.spec.name for offer in registry.catalogue.offers("strategy") if offer.distribution == "framework-core"]
    registered = {name for name in StrategyRegistry if not name.startswith("hpu")}
    assert set(own) == registered | {"auto", "dp", "fsdp2"}
