"""Images of validation and test that training has too, in whatever form they come."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from framework_core import registry
from framework_core.training.duplicates import find
from framework_plugins_vision.datasets.images import ImagesInMemory
from framework_plugins_vision.image_hashes import file_picture, image_hashes

SPLITS = ("train/a", "train/b", "test/a", "test/b")


@pytest.fixture
def photos(project):
    """Cuts of two photos in train and test, none of them twice."""
    chooser = np.random.default_rng(0)
    images = load_sample_images().images
    for number in range(40):
        top, left = chooser.integers(0, 200), chooser.integers(0, 400)
        place = project / "photos" / SPLITS[number % 4]
        place.mkdir(parents=True, exist_ok=True)
        cut = Image.fromarray(images[number % 2][top : top + 220, left : left + 240])
        cut.save(place / f"{number:02}.jpg", quality=92)
    return project / "photos"


def again(source, target, *, quality=92, size=None):
    """Save an image anew."""
    with Image.open(source) as image:
        (image.resize(size) if size else image).save(target, quality=quality)


def planted(photos):
    """A copy, and three images of training in other forms."""
    train, test = photos / "train" / "a", photos / "test" / "a"
    shutil.copy(train / "00.jpg", test / "copy.jpg")
    again(train / "04.jpg", test / "encoded.jpg", quality=60)
    again(train / "08.jpg", test / "small.png", size=(120, 110))
    again(train / "12.jpg", test / "large.webp", size=(480, 440))
    return {"copy.jpg": "00.jpg", "encoded.jpg": "04.jpg", "small.png": "08.jpg", "large.webp": "12.jpg"}


def module(photos, **settings):
    made = registry.create_dataset("image_folder", path=str(photos), val_fraction=0.0, verify="none", **settings)
    made.setup("fit")
    return made


def test_what_was_copied_encoded_again_or_resized_is_found_and_nothing_else(photos):
    assert find(module(photos)).found == []
    pairs = planted(photos)
    (overlap,) = find(module(photos)).found
    assert (overlap.exact, overlap.alike) == (1, 3)
    named = {pair.sample.rpartition("/")[2]: pair.train.rpartition("/")[2] for pair in overlap.pairs}
    assert named == pairs


@pytest.mark.drawn
def test_they_are_reported_on_demand_before_training_and_refused_where_wanted(photos, fw, train):
    planted(photos)
    done = fw("data", "check", "image_folder", f"dataset.path={photos}", "dataset.val_fraction=0")
    assert done.code == 0
    assert done.out.startswith("4 of 24 test samples are in train too (1 exactly, 3 in another form)")
    assert f"test {photos}/test/a/copy.jpg = train {photos}/train/a/00.jpg" in done.out
    words = ("--model", "vit", "--dataset", "image_folder", f"dataset.path={photos}", "dataset.image_size=32")
    small = (*words, "dataset.batch_size=8", "trainer.limit_train_batches=1", "trainer.max_epochs=1")
    small = (*small, "dataset.val_fraction=0")
    trained = train(*small)
    assert trained.code == 0
    assert "4 of 24 test samples are in train too" in trained.err
    assert "known from before" in trained.err
    refused = train(*small, "duplicates.action=refuse")
    assert refused.code == 2
    assert refused.err.rstrip().splitlines()[-2:] == [
        "  With them: duplicates.action=report",
        "  Take them out of one of the two.",
    ]


def test_an_image_that_cannot_be_read_is_like_no_other(photos):
    (photos / "train" / "a" / "broken.jpg").write_bytes(b"no image")
    (photos / "test" / "a" / "broken.jpg").write_bytes(b"none either")
    assert find(module(photos)).found == []


def test_images_that_show_nothing_are_told_apart_by_their_content_alone(project):
    paths = [project / name for name in ("black.png", "white.png", "as-white.png")]
    for path, level in zip(paths, (0, 255, 255), strict=True):
        Image.new("L", (40, 30), level).save(path)
    black, white, same = image_hashes(lambda index: file_picture(str(paths[index])), range(3))
    assert black.alike == white.alike == b""
    assert white.exact == same.exact != black.exact


def test_images_in_memory_are_compared_as_they_were_before_they_are_moved():
    pixels = torch.tensor(load_digits().images / 16, dtype=torch.float32)[:, None]
    still = ImagesInMemory(pixels[:50], torch.zeros(50))
    moving = ImagesInMemory(pixels[:50], torch.zeros(50), shift=2, fill=-1)
    first, second = (image_hashes(each.picture, range(50)) for each in (still, moving))
    assert first == second


@pytest.mark.parametrize("name", ["digits"])
def test_digits_of_different_hands_are_no_duplicates(name):
    made = registry.create_dataset(name)
    made.setup("fit")
    assert find(made).found == []
