"""Every architecture of timm is listed, and listing imports neither timm nor torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import timm
import torch

from framework_core import registry
from framework_core.plugins.targets import import_target
from framework_plugins_vision import BaseVisionModel
from framework_plugins_vision.timm_catalogue import Architecture, architectures, scan

OURS = {"resnet20", "resnet32", "resnet44", "resnet56", "wide_resnet28_10", "vit"}
SOURCE = Path(timm.models.__file__).parent
SHIPPED = json.loads(files("framework_plugins_vision").joinpath("timm_catalogue.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def scanned():
    return [Architecture(*row) for row in scan(SOURCE, {})]


@pytest.fixture(scope="module", params=["catalogue", "scan"])
def rows(request):
    """What is known of the installed timm: as it is listed, and as its source is read without the shipped file."""
    return architectures() if request.param == "catalogue" else request.getfixturevalue("scanned")


def specs(kind):
    return [o.spec for o in registry.catalogue.offers(kind) if o.distribution == "framework-plugins-vision"]


def test_every_architecture_of_timm_is_offered_under_its_name():
    assert {spec.name for spec in specs("model") if "timm" in spec.tags} == set(timm.list_models())


def test_the_papers_networks_for_small_images_are_offered_beside_them():
    assert {spec.name for spec in specs("model") if "timm" not in spec.tags} == OURS


def test_names_are_unique():
    names = [spec.name for spec in specs("model")]
    assert len(names) == len(set(names)) == len(timm.list_models()) + len(OURS)


def test_no_name_is_offered_twice_by_anybody():
    assert not [name for name in registry.catalogue.names("model") if ":" in name]


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_every_spec_is_complete(kind):
    for spec in specs(kind):
        assert type(spec).model_validate(spec.model_dump()) == spec
        assert spec.domain == "vision"
        assert set(spec.tasks) <= set(BaseVisionModel.task_places)
        assert spec.tasks
        assert spec.summary
        assert spec.tags
        assert spec.builder.startswith("framework_plugins_vision.")


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_what_a_spec_names_can_be_imported(kind):
    if kind == "dataset":
        pytest.importorskip("datasets")
    for target in {target for spec in specs(kind) for target in (spec.builder, spec.config)}:
        assert callable(import_target(target))


@pytest.mark.parametrize("name", ["resnet50", "vit_tiny_patch16_224", "mobilenetv3_small_100", "convnext_atto"])
def test_facts_are_those_of_the_network(name):
    (found,) = (each for each in architectures() if each.name == name)
    with torch.device("meta"):
        network = timm.create_model(name)
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert found.input_size == tuple(network.pretrained_cfg["input_size"])


@pytest.mark.drawn
def test_names_are_timms(rows):
    assert sorted(row.name for row in rows) == sorted(timm.list_models())


def test_a_family_is_the_module_that_defines_it(rows):
    families = {name: module for module in timm.list_modules() for name in timm.list_models(module=module)}
    assert {row.name: row.family for row in rows} == families


@pytest.fixture(scope="module")
def tags():
    """The names of the pretrained weights of each architecture, from timm itself."""
    found = {name: set() for name in timm.list_models()}
    for full in timm.list_pretrained():
        name, _, tag = full.partition(".")
        found[name] |= {tag} - {""}
    return found


def test_all_weights_that_timm_has_are_listed(tags):
    for row in architectures():
        assert set(row.weights) >= tags[row.name], row.name


def test_a_scan_lists_no_weights_that_timm_does_not_have(tags, scanned):
    """It may miss some: timm computes the names of a few architectures."""
    found = {row.name: set(row.weights) for row in scanned}
    assert all(found[name] <= tags[name] for name in found)
    complete = [name for name in found if found[name] == tags[name]]
    assert len(complete) > 0.98 * len(found)


def test_the_first_weights_are_timms_own_choice(rows):
    for row in rows:
        chosen = timm.get_pretrained_cfg(row.name)
        assert not row.weights or not chosen.has_weights or row.weights[0] == chosen.tag, row.name


@pytest.mark.drawn
def test_a_scan_keeps_the_facts_that_stand_in_no_source():
    known = {row[0]: row for row in SHIPPED["architectures"]}
    for row in scan(SOURCE, known):
        if row[0] in known:
            assert row[3:] == known[row[0]][3:]
            assert bool(row[2]) >= bool(known[row[0]][2])


LISTING = """
import json, sys
from framework_core.plugins.registry import registry
names = registry.catalogue.names("model")
heavy = [name for name in ("torch", "timm", "lightning", "torchvision", "sklearn", "numpy") if name in sys.modules]
print(json.dumps([len(names), heavy]))
"""


def fresh(program: str, **environment: str):
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_listing_imports_nothing_heavy():
    count, heavy = fresh(LISTING)
    assert count >= len(timm.list_models()) + len(OURS)
    assert heavy == []


ANOTHER_TIMM = """
from ._registry import generate_default_cfgs, register_model

default_cfgs = generate_default_cfgs({
    "newnet_small.good_in1k": _cfg(hf_hub_id="timm/"),
    "newnet_small.best_in1k*": _cfg(url="https://example.org/best.pth"),
    "newnet_small.untrained": _cfg(url=""),
    "newnet_large.untrained": _cfg(),
})

@register_model
def newnet_small(pretrained=False, **kwargs):
    return None

@register_model
@something_else
def newnet_large(pretrained=False, **kwargs):
    return None

@register_model
def resnet18(pretrained=False, **kwargs):
    return None

def helper():
    return None
"""
NAMES = """
import json
from framework_plugins_vision.timm_catalogue import architectures
print(json.dumps(architectures()))
"""


@pytest.fixture
def another_timm(tmp_path):
    """A timm of another version, installed before the real one on the path."""
    site = tmp_path / "site"
    models = site / "timm" / "models"
    models.mkdir(parents=True)
    (site / "timm-99.0.dist-info").mkdir()
    (site / "timm-99.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: timm\nVersion: 99.0\n")
    (site / "timm" / "__init__.py").write_text("")
    (models / "newnet.py").write_text(ANOTHER_TIMM)
    (models / "_helpers.py").write_text("def helper():\n    return None\n")
    return site


def test_another_timm_is_read_from_its_source(another_timm):
    found = {row[0]: row for row in fresh(NAMES, PYTHONPATH=str(another_timm))}
    assert set(found) == {"newnet_small", "newnet_large", "resnet18"}
    assert found["newnet_small"] == ["newnet_small", "newnet", ["best_in1k", "good_in1k"], None, [], "", ""]
    assert found["newnet_large"][2] == []
    assert found["resnet18"][3] == 11_689_512


def test_it_is_read_once_and_then_kept(another_timm, tmp_path):
    first = fresh(NAMES, PYTHONPATH=str(another_timm))
    assert (tmp_path / "cache" / "timm-99.0.json").is_file()
    (another_timm / "timm" / "models" / "newnet.py").write_text("")
    assert fresh(NAMES, PYTHONPATH=str(another_timm)) == first


@pytest.mark.thorough
def test_a_kept_answer_that_cannot_be_read_is_made_again(another_timm, tmp_path):
    first = fresh(NAMES, PYTHONPATH=str(another_timm))
    (tmp_path / "cache" / "timm-99.0.json").write_text("[[")
    assert fresh(NAMES, PYTHONPATH=str(another_timm)) == first


def test_without_a_place_to_keep_it_it_is_read_each_time(another_timm, tmp_path):
    (tmp_path / "file").write_text("")
    place = {"PYTHONPATH": str(another_timm), "FRAMEWORK_CACHE": str(tmp_path / "file" / "cache")}
    assert len(fresh(NAMES, **place)) == 3


def test_the_timm_that_the_catalogue_was_made_from_needs_no_scan(tmp_path):
    assert len(fresh(NAMES)) == len(timm.list_models())
    scanned = [path.name for path in (tmp_path / "cache").glob("timm-*.json")]
    assert scanned == ([] if timm.__version__ == SHIPPED["timm"] else [f"timm-{timm.__version__}.json"])


def test_fw_lists_and_describes_them(fw):
    listed = fw("list", "models", "--json").json
    assert {row["name"] for row in listed} >= {"resnet50", "resnet20", "vit"}
    shown = fw("info", "model", "resnet50").out
    assert "25,557,032" in shown
    assert "a1_in1k" in shown
    assert "model.drop_path_rate" in shown
