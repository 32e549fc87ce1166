"""What every dataset of the catalogue promises, on a tiny set in its real form."""

from __future__ import annotations

import pickle

import pytest
import torch
from made_datasets import MADE, all_batches

from framework_core import registry
from framework_core.contracts import BatchSummary, DataContract

OPTIONAL = {"huggingface": "datasets"}
OURS = [
    spec
    for spec in (offer.spec for offer in registry.catalogue.offers("dataset"))
    if spec.builder.startswith("framework_plugins_vision.")
]
DTYPES = {"regression": torch.float32, "multi-label-classification": torch.float32}


@pytest.fixture(params=sorted(MADE))
def made(request, project):
    """A datamodule of each form, set up; made anew with other settings by calling it."""
    name = request.param.partition(" ")[0]
    if name in OPTIONAL:
        pytest.importorskip(OPTIONAL[name])
    settings = MADE[request.param](project / "data")

    def module(**more):
        found = registry.create_dataset(name, **{"batch_size": 4, "num_workers": 0, **settings, **more})
        found.prepare_data()
        found.setup("fit")
        return found

    return module


def test_every_dataset_of_the_catalogue_is_tested_here():
    assert {spec.name for spec in OURS} == {name.partition(" ")[0] for name in MADE}


def test_it_says_what_it_is_and_its_batches_are_that(made):
    torch.manual_seed(0)
    module = made()
    spec = module.data_spec()
    assert spec.task in module.tasks
    assert spec.split_sizes["train"] > 0
    assert spec.num_outputs > 1
    assert spec.fingerprint.partition(":")[0] in ("content", "listing")
    assert spec.source
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
        images, target = next(iter(loader))
        assert images.shape[1:] == spec.input_shape
        assert target.dtype == DTYPES.get(spec.task, torch.int64)
        counted = target[target != spec.ignore_index] if spec.ignore_index is not None else target
        summary = BatchSummary(
            input_shape=tuple(images.shape),
            input_dtype=str(images.dtype).removeprefix("torch."),
            target_shape=tuple(target.shape),
            target_dtype=str(target.dtype).removeprefix("torch."),
            target_min=float(counted.min()),
            target_max=float(counted.max()),
        )
        assert DataContract(data=spec).check(summary) == []


def test_an_epoch_has_each_sample_once(made):
    module = made()
    for split, size in module.data_spec().split_sizes.items():
        batches = all_batches(getattr(module, f"{split}_dataloader")())
        assert sum(len(images) for images, _ in batches) == size


def test_the_same_data_has_the_same_fingerprint(made):
    assert made().fingerprint() == made().fingerprint()


@pytest.mark.some_of(4)
def test_workers_give_what_one_process_gives(made):
    alone, together = (all_batches(made(num_workers=workers).val_dataloader()) for workers in (0, 1))
    assert len(alone) == len(together)
    for (images, target), (others, other_target) in zip(alone, together, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(target, other_target)


def test_its_datasets_can_be_sent_to_workers(made):
    module = made()
    copy = pickle.loads(pickle.dumps(module.val_dataset))
    assert len(copy) == len(module.val_dataset)


def test_settings_can_be_shown_without_the_data(fw):
    for spec in OURS:
        shown = fw("info", "dataset", spec.name)
        assert shown.code == 0
        assert "dataset.batch_size" in shown.out
