"""Everything that is listed trains some steps, and listing imports nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from framework_core import registry
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.targets import import_target
from framework_plugins_timeseries.heads import LOSSES
from framework_plugins_timeseries.models.baselines import Naive
from framework_plugins_timeseries.settings import ForecasterConfig

OURS = "framework-plugins-timeseries"


def offers(kind):
    return [offer for offer in registry.catalogue.offers(kind) if offer.distribution == OURS]


MODELS = [offer.spec.name for offer in offers("model") if "forecasting" in offer.spec.tasks]
SMALL = {"width": 8, "depth": 1, "heads": 2, "hidden": 8, "feed_forward": 8, "blocks": 1, "stacks": 1}
"""Sizes that any network may have a setting for."""


def small(name):
    """The settings that make a network small."""
    offer = registry.resolve("model", name)
    fields = config_class(offer).model_fields
    return {key: value for key, value in SMALL.items() if key in fields}


@pytest.fixture
def module(long):
    """Three series with every kind of covariate, in a calendar."""
    made = registry.create_dataset(
        "series_table",
        path=str(long()),
        look_back=16,
        horizon=7,
        batch_size=8,
        calendar=("weekday",),
        past_covariates=("visitors",),
        future_covariates=("price",),
        static_covariates=("size",),
    )
    made.setup("fit")
    return made


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_every_spec_is_complete(kind):
    for offer in offers(kind):
        spec = offer.spec
        assert spec.domain == "timeseries"
        assert spec.tasks
        assert spec.summary
        assert spec.tags
        assert set(config_class(offer).model_fields) >= {"name"}
        if kind == "model":
            assert spec.paper
            assert set(spec.tasks) == set(import_target(spec.builder).tasks)
            doc = import_target(spec.builder).__doc__
            assert "http" in doc, f"{spec.name} does not say which paper it is of"


def test_listing_imports_nothing_heavy():
    program = (
        "import json, sys\nfrom framework_core.plugins.registry import registry\nregistry.catalogue.names('model')\n"
        "print(json.dumps([n for n in ('torch', 'lightning', 'pandas', 'numpy', 'statsmodels') if n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.some_of(5)
@pytest.mark.parametrize("name", MODELS)
def test_each_model_learns_some_steps(name, module):
    torch.manual_seed(0)
    model = registry.create_model(name, data=module.data_spec(), **small(name))
    inputs, target = module.train_dataset.batch(torch.arange(8))
    outputs = model(inputs)
    assert outputs.shape[:3] == (8, 7, 1)
    if isinstance(model, Naive):
        return
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    first = None
    for step in range(25):
        optimizer.zero_grad()
        loss = model.training_step((inputs, target), step)
        loss.backward()
        optimizer.step()
        first = first or float(loss.detach())
    unused = [key for key, each in model.named_parameters() if each.requires_grad and each.grad is None]
    assert not unused
    assert float(loss.detach()) < 0.9 * first


@pytest.mark.parametrize("name", MODELS)
def test_each_model_gives_the_same_after_its_weights_were_saved(name, module, tmp_path):
    settings = small(name)
    model, again = (registry.create_model(name, data=module.data_spec(), **settings).eval() for _ in range(2))
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    inputs, _ = module.train_dataset.batch(torch.arange(4))
    torch.manual_seed(0)
    first = model(inputs)
    torch.manual_seed(0)
    assert torch.equal(first, again(inputs))


@pytest.mark.some_of(4)
@pytest.mark.parametrize(
    "name", [n for n in MODELS if issubclass(config_class(registry.resolve("model", n)), ForecasterConfig)]
)
def test_each_network_takes_each_loss(name, module):
    inputs, target = module.train_dataset.batch(torch.arange(3))
    for loss in config_class(registry.resolve("model", name)).model_fields["loss"].annotation.__args__:
        assert loss in LOSSES
        model = registry.create_model(name, data=module.data_spec(), loss=loss, **small(name))
        found = model.training_step((inputs, target), 0)
        found.backward()
        assert torch.isfinite(found)
        found = model.eval().predict_step(inputs, 0)
        assert found["forecast"].shape == (3, 7, 1)
        assert bool((found["low"] <= found["high"]).all())
