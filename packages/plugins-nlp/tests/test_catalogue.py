"""Everything that is listed trains some steps, and listing imports nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from made_texts import made_texts

from framework_core import registry
from framework_core.plugins.catalogue import config_class
from framework_core.plugins.targets import import_target

OURS = "framework-plugins-nlp"


def offers(kind):
    return [offer for offer in registry.catalogue.offers(kind) if offer.distribution == OURS]


CLASSIFIERS = [offer.spec.name for offer in offers("model") if "text-classification" in offer.spec.tasks]
ON_RUNNING_TEXT = [
    offer.spec.name for offer in offers("model") if {"text-generation", "fill-mask"} & set(offer.spec.tasks)
]
SMALL = {"width": 16, "depth": 1, "heads": 2, "hidden": 16, "feed_forward": 16, "filters": 8, "buckets": 500}
"""Sizes that any network may have a setting for."""


def small(name):
    """The settings that make a network small."""
    fields = config_class(registry.resolve("model", name)).model_fields
    return {key: value for key, value in SMALL.items() if key in fields}


@pytest.fixture
def module(table):
    """A table of three classes."""
    made = registry.create_dataset("text_table", path=str(table()), batch_size=8)
    made.setup("fit")
    return made


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_every_spec_is_complete(kind):
    for offer in offers(kind):
        spec = offer.spec
        assert spec.domain == "nlp"
        assert spec.tasks
        assert spec.summary
        assert spec.tags
        assert set(config_class(offer).model_fields) >= {"name"}
        if kind == "model":
            assert spec.paper
            assert set(spec.tasks) == set(import_target(spec.builder).tasks)
            assert "http" in import_target(spec.builder).__doc__, f"{spec.name} does not say which paper it is of"


def test_listing_imports_nothing_heavy():
    program = (
        "import json, sys\nfrom framework_core.plugins.registry import registry\nregistry.catalogue.names('model')\n"
        "heavy = ('torch', 'lightning', 'tokenizers', 'transformers', 'numpy', 'pyarrow')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_model_learns_and_reaches_every_weight(name, module):
    torch.manual_seed(0)
    model = registry.create_model(name, data=module.data_spec(), **small(name))
    tokens, labels = module.train_dataset.batch(torch.arange(24))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    first = None
    for step in range(20):
        optimizer.zero_grad()
        loss = model.training_step((tokens, labels), step)
        loss.backward()
        optimizer.step()
        first = first or float(loss.detach())
    assert not [key for key, each in model.named_parameters() if each.requires_grad and each.grad is None]
    assert float(loss.detach()) < 0.7 * first
    assert model(tokens).shape == (24, 3)


@pytest.mark.parametrize("name", ON_RUNNING_TEXT)
def test_each_model_of_running_text_learns_and_reaches_every_weight(name):
    settings = {**small(name), "positions": 32}
    fields = config_class(registry.resolve("model", name)).model_fields
    settings = {key: value for key, value in settings.items() if key in fields}
    wishes = import_target(registry.resolve("model", name).spec.builder).input_settings(**settings)
    Path("lines.txt").write_text("".join(f"{text}\n" for text, _ in made_texts(120)))
    module = registry.create_dataset("text_files", path="lines.txt", documents="line", block_size=32, **wishes)
    module.setup("fit")
    torch.manual_seed(0)
    model = registry.create_model(name, data=module.data_spec(), **settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    batch = module.val_dataset.batch(torch.arange(len(module.val_dataset)))
    losses = []
    for step in range(15):
        optimizer.zero_grad()
        loss = model.training_step(batch, step)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert not [key for key, each in model.named_parameters() if each.requires_grad and each.grad is None]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_model_gives_the_same_after_its_weights_were_saved(name, module, tmp_path):
    settings = small(name)
    model, again = (registry.create_model(name, data=module.data_spec(), **settings).eval() for _ in range(2))
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    tokens, _ = module.train_dataset.batch(torch.arange(4))
    assert torch.equal(model(tokens), again(tokens))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_what_fills_a_text_up_changes_no_answer(name, module):
    model = registry.create_model(name, data=module.data_spec(), **small(name)).eval()
    tokens, _ = module.train_dataset.batch(torch.arange(6))
    wider = torch.nn.functional.pad(tokens, (0, 9), value=model.pad_id)
    torch.testing.assert_close(model(tokens), model(wider), rtol=1e-4, atol=1e-5)
    alone = torch.cat([model(row[row != model.pad_id][None]) for row in tokens])
    torch.testing.assert_close(model(tokens), alone, rtol=1e-4, atol=1e-5)
