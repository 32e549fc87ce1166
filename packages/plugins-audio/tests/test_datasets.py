"""What every dataset of the catalogue promises, on a tiny set in its real form."""

from __future__ import annotations

import pickle

import pytest
import torch
from made_sounds import MADE

from framework_core import registry
from framework_core.contracts import BatchSummary, DataContract

OPTIONAL = {"huggingface_audio": "datasets"}
OURS = [
    spec
    for spec in (offer.spec for offer in registry.catalogue.offers("dataset"))
    if spec.builder.startswith("framework_plugins_audio.")
]
DTYPES = {"audio-regression": torch.float32, "audio-tagging": torch.float32}


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
    module = made()
    spec = module.data_spec()
    assert spec.task in module.tasks
    assert spec.num_outputs > 1
    assert isinstance(spec.facts["sample_rate"], int)
    assert spec.fingerprint.startswith("content:")
    assert made().fingerprint() == spec.fingerprint
    assert spec.source
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
        sound, target = next(iter(loader))
        assert sound.shape[1:] == spec.input_shape
        assert target.dtype == DTYPES.get(spec.task, torch.int64)
        assert sound.abs().amax() > 0
        summary = BatchSummary(
            input_shape=tuple(sound.shape),
            input_dtype=str(sound.dtype).removeprefix("torch."),
            target_shape=tuple(target.shape),
            target_dtype=str(target.dtype).removeprefix("torch."),
            target_min=float(target.min()),
            target_max=float(target.max()),
        )
        assert DataContract(data=spec).check(summary) == []


def test_an_epoch_has_each_sample_once_and_each_belongs_to_something(made):
    module = made()
    for split, size in module.data_spec().split_sizes.items():
        batches = list(getattr(module, f"{split}_dataloader")())
        assert sum(len(sound) for sound, _ in batches) == size
        for values in module.groups.get(split, {}).values():
            assert len(values) == size


@pytest.mark.some_of(4)
def test_each_sample_is_known_again_and_by_a_name(made):
    module = made()
    indices = range(len(module.test_dataset))
    hashes = module.sample_hashes("test", indices)
    assert [each.exact for each in hashes] == [each.exact for each in module.sample_hashes("test", indices)]
    assert len({each.name for each in hashes}) == len(hashes)


def test_its_datasets_can_be_sent_to_workers(made):
    module = made()
    copy = pickle.loads(pickle.dumps(module.test_dataset))
    assert torch.equal(copy[0][0], module.test_dataset[0][0])


def test_settings_can_be_shown_without_the_data(fw):
    for spec in OURS:
        shown = fw("info", "dataset", spec.name)
        assert shown.code == 0
        assert "dataset.batch_size" in shown.out
