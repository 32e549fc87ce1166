"""Shards of a WebDataset: read in turn, shared out to workers and processes, shuffled anew in each epoch."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter

import pytest
import torch
from made_datasets import all_batches, encoded, picture, shard, webdataset

from framework_core import registry
from framework_core.errors import DataError
from framework_core.training.sampling import place_in, resumable_loader
from framework_plugins_vision.datasets import webdataset as module_under_test


@pytest.fixture
def settings(project):
    return webdataset(project / "shards")


def module(settings, **more):
    found = registry.create_dataset("webdataset", **{"batch_size": 4, "num_workers": 0, **settings, **more})
    found.setup()
    return found


def colours(batches):
    """What was given, each image by its one pixel of another colour."""
    return Counter(round(float(image.sum()), 2) for images, _ in batches for image in images)


def test_ranges_and_wildcards_name_shards_and_their_samples_are_counted(settings):
    spec = module(settings).data_spec()
    assert spec.split_sizes == {"train": 24, "val": 6, "test": 6}
    assert spec.class_names == ("0", "1", "2")
    assert spec.class_counts == {"0": 8, "1": 8, "2": 8}


@pytest.mark.parametrize("shards", ["{000..003}", "000"])
def test_an_epoch_gives_every_sample_once_whatever_the_workers(shards, settings):
    plain = {**settings, "augmentation": "none", "train": settings["train"].replace("{000..003}", shards)}
    alone = colours(module(plain).train_dataloader())
    assert colours(all_batches(module(plain, num_workers=2).train_dataloader())) == alone
    assert sum(alone.values()) == (6 if shards == "000" else 24)


def test_each_epoch_has_another_order_and_the_same_seed_the_same(settings):
    def epochs():
        torch.manual_seed(7)
        loader = module(settings, shuffle_buffer=5).train_dataloader()
        return [torch.cat([labels for _, labels in loader]).tolist() for _ in range(2)]

    first, again = epochs(), epochs()
    assert first == again
    assert first[0] != first[1]
    assert sorted(first[0]) == sorted(first[1])


@pytest.mark.parametrize(("workers", "on_error"), [(0, "skip"), (2, "refuse")])
def test_an_epoch_goes_on_inside_with_the_same_images_and_augmentation(workers, on_error, settings):
    torch.manual_seed(7)
    found = module(settings, shuffle_buffer=5, num_workers=workers, on_error=on_error)
    loader = resumable_loader(found.train_dataloader(), seed=3)
    place = place_in(loader)
    place.seek(1)
    whole = [(images.clone(), labels.clone()) for images, labels in loader]
    place.seek(1, 3)
    rest = list(loader)
    assert len(rest) == len(whole) - 3
    for (images, labels), (other, others) in zip(whole[3:], rest, strict=True):
        assert torch.equal(images, other)
        assert torch.equal(labels, others)


def test_validation_keeps_its_order(settings):
    assert torch.cat([labels for _, labels in module(settings).val_dataloader()]).tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("processes", [2, 3, 8])
def test_each_process_gives_as_many_training_samples_and_validation_is_shared_out(processes, settings, monkeypatch):
    plain = {**settings, "augmentation": "none"}
    trained, validated = [], Counter()
    for rank in range(processes):
        monkeypatch.setattr(module_under_test, "_process", lambda rank=rank: (rank, processes))
        found = module(plain)
        batches = list(found.train_dataloader())
        trained.append(sum(len(labels) for _, labels in batches))
        validated += colours(found.val_dataloader())
    assert trained == [24 // processes] * processes
    monkeypatch.setattr(module_under_test, "_process", lambda: (0, 1))
    assert validated == colours(module(plain).val_dataloader())


def test_a_label_may_stand_in_json_beside_other_files(project):
    path = project / "one.tar"
    with tarfile.open(path, "w") as tar:
        for number in range(4):
            files = {"png": encoded(picture(number, 1), "PNG"), "json": json.dumps({"kind": number % 2}).encode()}
            for ending, content in (*files.items(), ("txt", b"a caption")):
                member = tarfile.TarInfo(f"folder/{number}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    found = module({"train": str(path), "image_size": 16}, label="json.kind", classes=["cat", "dog"])
    assert found.data_spec().class_counts == {"cat": 2, "dog": 2}


@pytest.mark.drawn
def test_it_trains_by_name(settings, fw):
    words = [f"dataset.{key}='{value}'" for key, value in settings.items() if key != "image_size"]
    words.append("dataset.image_size=16")
    small = ("dataset.batch_size=4", "dataset.num_workers=0", "trainer.accelerator=cpu", "mlops.tracking.backend=none")
    done = fw("train", "--model", "resnet20", "--dataset", "webdataset", *words, *small, "trainer.max_epochs=1")
    assert done.code == 0, done.err
    assert "webdataset: 24 train, 6 val, 6 test samples of 3x16x16, 3 classes" in done.err


def cut_short(folder):
    path = folder / "train-002.tar"
    path.write_bytes(path.read_bytes()[:3000])


def no_tar(folder):
    (folder / "train-002.tar").write_bytes(b"<html>" * 500)


def no_label(folder):
    with tarfile.open(folder / "train-002.tar", "w") as tar:
        content = encoded(picture(0, 0))
        member = tarfile.TarInfo("00000.jpg")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


BAD = [
    (cut_short, {}, ["train-002.tar is cut short or broken"]),
    (no_tar, {}, ["train-002.tar is cut short or broken"]),
    (no_label, {}, ["The sample 00000 of", "has no .cls file: its files end in jpg.", "dataset.label=ENDING"]),
    (lambda folder: (folder / "train-003.tar").unlink(), {}, ["There is no shard", "train-003.tar"]),
    (lambda folder: shard(folder / "train-002.tar", range(3), label="cat"), {}, ["has no number as its label (cls)"]),
    (lambda folder: shard(folder / "train-002.tar", range(3), label=-1), {}, ["has the label -1"]),
    (
        lambda folder: shard(folder / "val-000.tar", range(3), label=5),
        {},
        ["val shard", "has the label 5", "training has 3"],
    ),
    (lambda folder: None, {"classes": ["a", "b"]}, ["has the label 2, but dataset.classes names 2 classes."]),
    (lambda folder: None, {"label": "json.kind"}, ["has no .json file: its files end in jpg, cls."]),
]


@pytest.mark.parametrize(("spoil", "more", "said"), BAD)
def test_shards_that_are_not_right_are_told_before_training(spoil, more, said, settings, project):
    spoil(project / "shards")
    with pytest.raises(DataError) as caught:
        module(settings, **more)
    for words in said:
        assert words in str(caught.value)
