"""The named recipes: each says its source, its numbers are the paper's, and it runs on a few tiny images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import framework_plugins_vision
from framework_core.config.compose import compose
from framework_core.plugins.catalogue import config_class, import_builder
from framework_core.plugins.registry import registry
from framework_plugins_vision.plugin import TIMM_SCHEDULERS

FOLDER = Path(framework_plugins_vision.__file__).parent / "conf" / "experiment"
RECIPES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
TINY = {
    "resnet_a1": ["model=test_resnet"],
    "resnet_a2": ["model=test_resnet"],
    "resnet_a3": ["model=test_resnet"],
    "deit": ["model=test_vit"],
    "cifar_wide_resnet": ["model.depth=10", "model.widen=1"],
}
"""Smaller networks of the same kind; the images are small too."""


def names_of(words):
    return [*words, "trainer.accelerator=cpu", "mlops.tracking.backend=none", "dataset.num_workers=0"]


@pytest.fixture
def cifar(project):
    """CIFAR-10's own files, with a few images in each."""
    folder = project / "cifar"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]:
        records = generator.integers(256, size=(20, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        (folder / name).write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(f"class{number}" for number in range(10)))
    return folder


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_cites_its_paper_and_table_and_says_what_to_type(name):
    text = (FOLDER / f"{name}.yaml").read_text()
    assert "https://arxiv.org/abs/" in text
    assert "table" in text or "section" in text
    assert f"fw train +experiment={name}" in text


QUICK = ("resnet_a2", "cifar_resnet")
"""The others run in a session of their own."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.thorough) for name in RECIPES]
)
def test_a_recipe_runs_on_tiny_images(name, fw, pictures, cifar):
    words = TINY.get(name, [])
    if name.startswith("cifar"):
        data = [f"dataset.path={cifar}", "dataset.batch_size=16"]
    else:
        root = pictures("images", {"train/a": 12, "train/b": 12, "val/a": 2, "val/b": 2}, size=(40, 36))
        data = [f"dataset.path={root}", "dataset.image_size=32", "dataset.batch_size=8"]
    done = fw("train", f"+experiment={name}", *names_of([*words, *data]), "--dry-run")
    assert done.code == 0, done.err
    assert "Everything fits" in done.err


def test_the_numbers_are_the_papers():
    a2 = compose(["+experiment=resnet_a2", "dataset.path=imagenet"]).config
    assert (a2.optimizer.name, a2.optimizer.lr, a2.optimizer.weight_decay) == ("lamb", 5e-3, 0.02)
    assert (a2.dataset.mixup, a2.dataset.cutmix, a2.dataset.randaugment_magnitude) == (0.1, 1.0, 7)
    assert (a2.trainer.max_epochs, a2.model.drop_path_rate, a2.model.loss) == (300, 0.05, "bce")
    deit = compose(["+experiment=deit", "dataset.path=imagenet"]).config
    assert (deit.model.name, deit.optimizer.lr, deit.optimizer.weight_decay) == ("vit_base_patch16_224", 1e-3, 0.05)
    assert (deit.dataset.mixup, deit.dataset.random_erasing, deit.dataset.repeated_augmentation) == (0.8, 0.25, 3)
    composed = compose(["+experiment=cifar_resnet"])
    assert composed.chosen == {"trainer": "default"}  # what the recipe chose is not said to have been chosen for one
    cifar = composed.config
    steps = [round(epoch * math.ceil(45_000 / 128)) for epoch in cifar.scheduler.milestones]
    assert steps == pytest.approx([32_000, 48_000], rel=0.001)


def rates(name, *, total=100, per_epoch=10, warmup=0, **settings):
    offer = registry.catalogue.get("scheduler", name)
    given = {**config_class(offer)(name=name, **settings).settings()}
    for key in ("warmup_epochs", "warmup_steps"):
        given.pop(key)
    optimizer = torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": 1.0}], lr=1.0)
    scheduler = import_builder(offer)(
        optimizer, total_steps=total, steps_per_epoch=per_epoch, warmup_steps=warmup, **given
    )
    found = []
    for _ in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found, scheduler


@pytest.mark.parametrize("name", sorted(TIMM_SCHEDULERS))
def test_a_scheduler_of_timm_rises_falls_and_goes_on_where_it_was(name):
    extra = {"decay_milestones": [4, 7]} if name == "timm_multistep" else {}
    extra |= {"decay_epochs": 3} if name == "timm_step" else {}
    found, scheduler = rates(name, warmup=10, warmup_lr=0.1, **extra)
    assert found[0] == pytest.approx(0.1)
    assert found[:10] == sorted(found[:10])
    assert found[-1] < 0.3 < max(found)
    assert "_schedule" not in scheduler.state_dict()
    torch.save(scheduler.state_dict(), "state.pt")
    assert torch.load("state.pt", weights_only=True)["last_epoch"] == 100


def test_a_cosine_of_timm_is_timms_own_for_each_step():
    from timm.scheduler import CosineLRScheduler

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = CosineLRScheduler(
        optimizer, t_initial=100, lr_min=0.01, warmup_t=10, warmup_lr_init=0.05, t_in_epochs=False
    )
    expected = []
    for step in range(100):
        theirs.step_update(step)
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates("timm_cosine", warmup=10, warmup_lr=0.05, min_lr=0.01)[0] == pytest.approx(expected)


def test_cycles_fill_the_training():
    found, _ = rates("timm_cosine", total=70, cycles=3, cycle_mul=2.0, cycle_decay=0.5)
    starts = [step for step in range(1, 70) if found[step] > found[step - 1]]
    assert starts == [10, 30]
    assert [found[step] for step in (0, 10, 30)] == pytest.approx([1.0, 0.5, 0.25])
