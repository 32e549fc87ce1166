"""Images that cannot be read: counted and named, refused or left out, with and without worker processes."""

from __future__ import annotations

import time

import pytest
import torch
from made_datasets import all_batches, encoded, picture, shard

from framework_core import registry
from framework_core.errors import DataError

pytestmark = pytest.mark.drawn


@pytest.fixture
def folder(project):
    """A folder of two classes with eight images each."""
    root = project / "pets"
    for number in range(16):
        place = root / ("cat", "dog")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture(number, number % 2).save(place / f"{number:02}.png")
    return root


def module(root, **settings):
    small = {"image_size": 16, "batch_size": 4, "val_fraction": 0.25, "test_fraction": 0}
    found = registry.create_dataset("image_folder", path=str(root), **{**small, **settings})
    found.setup()
    return found


def spoil(root, *names):
    for name in names:
        (root / "cat" / f"{name}.png").write_bytes(encoded(picture(1, 1), "PNG")[:60])


def test_they_are_refused_and_how_to_go_without_them_is_said(folder):
    spoil(folder, "02", "04")
    with pytest.raises(DataError) as caught:
        module(folder)
    assert "2 images of 16" in caught.value.what
    assert "02.png: it is cut short" in caught.value.what
    assert caught.value.possible == "Without them: dataset.on_error=skip"


def test_they_are_left_out_with_a_warning_that_names_and_counts_them(folder, caplog):
    spoil(folder, "02", "04")
    found = module(folder, on_error="skip")
    spec = found.data_spec()
    assert sum(spec.split_sizes.values()) == 14
    assert spec.facts == {"unreadable": 2}
    assert "2 images of 16" in caplog.text
    assert "Left out, as dataset.on_error=skip says." in caplog.text


def test_where_none_can_be_read_there_is_nothing_to_skip(folder):
    for path in folder.rglob("*.png"):
        path.write_text("")
    with pytest.raises(DataError, match="16 images of 16"):
        module(folder, on_error="skip")


@pytest.mark.parametrize("workers", [0, 2])
def test_one_that_no_check_saw_ends_training_at_once_with_its_name(workers, folder, project, fw):
    """It is an image of validation, so that a worker process meets it."""
    (project / "set").mkdir()
    folder.rename(project / "set" / "train")
    for name in ("cat", "dog"):
        (project / "set" / "val" / name).mkdir(parents=True)
        (project / "set" / "val" / name / "0.png").write_bytes(b"no image")
    words = ("train", "--model", "resnet20", "--dataset", "image_folder", "dataset.path=set", "dataset.verify=none")
    small = ("dataset.image_size=16", "dataset.batch_size=4", "mlops.tracking.backend=none", "dataset.test_fraction=0")
    began = time.monotonic()
    done = fw(*words, *small, f"dataset.num_workers={workers}", "trainer.max_epochs=1", "trainer.accelerator=cpu")
    assert time.monotonic() - began < 60
    assert done.code == 2, done.err
    assert done.err.count("error:") == 1
    assert "0.png cannot be read: it is no image" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("workers", [0, 2])
def test_one_that_is_skipped_while_training_makes_its_batch_smaller(workers, folder):
    found = module(folder, on_error="skip", verify="none", cache="none", num_workers=workers)
    (folder / "cat" / "00.png").write_bytes(b"")
    (folder / "dog" / "01.png").write_bytes(b"")
    batches = [*all_batches(found.train_dataloader()), *all_batches(found.val_dataloader())]
    assert sum(len(images) for images, _ in batches) == 14


def test_a_batch_of_nothing_is_an_error(folder):
    found = module(folder, on_error="skip", verify="none", cache="none", num_workers=0)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="None of the 4 images of a batch can be read"):
        next(iter(found.train_dataloader()))


@pytest.mark.parametrize("workers", [0, 2])
def test_decoded_images_kept_in_memory_are_the_same_images(workers, folder):
    kept, anew = (module(folder, cache=cache, num_workers=workers, augmentation="none") for cache in ("memory", "none"))
    for each in (kept, anew):
        each.train_dataset.transform = each.eval_transform
    loaders = [kept.val_dataloader(), kept.val_dataloader(), anew.val_dataloader()]
    for first, second, plain in zip(*map(all_batches, loaders), strict=True):
        assert torch.equal(first[0], plain[0])
        assert torch.equal(second[0], plain[0])
        assert torch.equal(first[1], plain[1])


def test_what_is_kept_is_read_once(folder):
    found = module(folder, num_workers=0)
    before = list(found.val_dataloader())
    for path in folder.rglob("*.png"):
        path.unlink()
    after = list(found.val_dataloader())
    assert all(torch.equal(one[0], other[0]) for one, other in zip(before, after, strict=True))


def is_red(image):
    return image.getpixel((19, 15))[0] > 200


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_with_a_broken_image_names_it_or_goes_without(workers, project, monkeypatch):
    monkeypatch.setattr("made_datasets.encoded", lambda image: encoded(image) if is_red(image) else b"no image")
    shard(project / "train.tar", range(9))
    settings = {"train": str(project / "train.tar"), "image_size": 16, "batch_size": 3, "num_workers": workers}
    found = registry.create_dataset("webdataset", **settings)
    found.setup()
    with pytest.raises(DataError, match=r"The image \S+ of .*train.tar cannot be read: it is no image"):
        all_batches(found.train_dataloader())
    skipping = registry.create_dataset("webdataset", on_error="skip", **settings)
    skipping.setup()
    assert sum(len(images) for images, _ in all_batches(skipping.train_dataloader())) == 9


def test_a_row_of_the_hubs_with_a_broken_image_is_named(project):
    pytest.importorskip("datasets")
    from datasets import ClassLabel, Dataset, Features, Image

    content = [encoded(picture(number, number % 3)) for number in range(6)]
    content[4] = b"no image"
    rows = {"image": [{"bytes": each, "path": None} for each in content], "label": [0, 1, 2] * 2}
    features = Features({"image": Image(), "label": ClassLabel(names=["a", "b", "c"])})
    Dataset.from_dict(rows, features=features).save_to_disk(str(project / "saved"))
    settings = {"path": str(project / "saved"), "image_size": 16, "val_fraction": 0, "test_fraction": 0}
    found = registry.create_dataset("huggingface", **settings)
    found.setup()
    with pytest.raises(DataError, match="The image of row 4 cannot be read: it is no image"):
        list(found.train_dataloader())
    skipping = registry.create_dataset("huggingface", on_error="skip", **settings)
    skipping.setup()
    assert sum(len(images) for images, _ in skipping.train_dataloader()) == 5
