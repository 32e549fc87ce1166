"""Images with masks: how both are read and moved together, and masks that do not fit."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import torch
from made_datasets import image_masks, picture
from PIL import Image

from framework_core import registry
from framework_core.errors import DataError
from framework_core.serving.exported import ExportedModel
from framework_core.serving.model import RawFile
from framework_core.serving.processing import build
from framework_plugins_vision.serving_masks import MaskAnswers


@pytest.fixture
def root(project):
    image_masks(project)
    return project / "set"


def module(root, **settings):
    small = {"image_size": 16, "batch_size": 4, "val_fraction": 0.25, "test_fraction": 0}
    found = registry.create_dataset("image_masks", path=str(root), **{**small, **settings})
    found.setup()
    return found


def mask_of(root, number, array, **more):
    Image.fromarray(np.asarray(array, np.uint8)).save(root / "masks" / f"{number}.png", **more)


def test_a_sample_is_an_image_and_the_class_of_each_pixel(root):
    found = module(root)
    spec = found.data_spec()
    assert (spec.task, spec.target_shape, spec.target_dtype) == ("semantic-segmentation", (16, 16), "int64")
    assert spec.class_names == ("0", "1", "2")
    assert spec.ignore_index == 255
    image, mask = found.val_dataset[0]
    assert type(image) is type(mask) is torch.Tensor
    assert image.shape == (3, 16, 16)
    assert set(mask.unique().tolist()) <= {0, 1, 2, 255}


def test_classes_are_named_or_read_from_a_file(root, project):
    assert module(root, classes=["ground", "cat", "dog"]).class_names == ("ground", "cat", "dog")
    (project / "names.txt").write_text("ground\ncat\ndog\n\n")
    assert module(root, classes=str(project / "names.txt")).class_names == ("ground", "cat", "dog")


def test_image_and_mask_are_cropped_and_mirrored_together(project):
    """The mask is the image: wherever both are moved to, they stay the same."""
    root = project / "same"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(4):
        array = np.zeros((40, 40), np.uint8)
        array[10:30, 5 + number : 20] = 1
        Image.fromarray(array * 255).save(root / "images" / f"{number}.png")
        mask_of(root, number, array)
    found = module(root, image_size=40, channels=1, mean=[0], std=[1], val_fraction=0, min_crop=0.5)
    torch.manual_seed(0)
    differing = []
    for image, mask in (found.train_dataset[index % 4] for index in range(20)):
        differing.append(float(((image[0] > 0.5) != (mask == 1)).float().mean()))
    assert max(differing) < 0.08  # at edges, where one is smoothed and the other is not


def test_what_is_measured_is_the_whole_picture(root):
    found = module(root)
    _, mask = found.val_dataset[0]
    whole = np.asarray(Image.open(found.val_dataset.masks[0]))
    assert set(mask.unique().tolist()) == set(np.unique(whole).tolist())


def test_a_mask_with_a_palette_gives_its_numbers(root):
    array = np.zeros((16, 20), np.uint8)
    array[:, 10:] = 2
    image = Image.fromarray(array)
    image.putpalette([0, 0, 0, 250, 0, 0, 0, 250, 0])
    image.save(root / "masks" / "0.png")
    found = module(root, val_fraction=0, augmentation="none")
    index = next(number for number, path in enumerate(found.train_dataset.paths) if path.endswith("/0.jpg"))
    assert set(found.train_dataset[index][1].unique().tolist()) == {0, 2}


def test_folders_of_splits_are_the_splits(root, project):
    for split in ("train", "val"):
        (project / "split" / split).mkdir(parents=True)
    (root / "images").rename(project / "split" / "train" / "images")
    (root / "masks").rename(project / "split" / "train" / "masks")
    image_masks(project / "more")
    for folder in ("images", "masks"):
        (project / "more" / "set" / folder).rename(project / "split" / "val" / folder)
    assert module(project / "split").data_spec().split_sizes == {"train": 12, "val": 12}


def another_size(root):
    mask_of(root, 3, np.zeros((8, 20)))


def colours(root):
    picture(0, 1).save(root / "masks" / "3.png")


def no_image(root):
    (root / "masks" / "3.png").write_text("no image")


def unknown_class(root):
    mask_of(root, 3, np.full((16, 20), 7))


BAD = [
    (another_size, {}, ["A mask of 12", "3.png: it is 20x8, and its image 20x16"]),
    (colours, {}, ["3.png: it is RGB, and not grey or with a palette"]),
    (no_image, {}, ["3.png: it is no image"]),
    (unknown_class, {"classes": ["a", "b", "c"]}, ["3.png: a pixel is 7, but there are 3 classes"]),
    (lambda root: (root / "masks" / "3.png").unlink(), {}, ["1 of 12 images", "have no mask, 3.jpg among them"]),
    (lambda root: (root / "masks").rename(root / "labels"), {}, ["There is no folder", "dataset.masks=FOLDER"]),
    (lambda root: None, {"classes": ["a", "b", "b"]}, ["names b twice"]),
    (lambda root: None, {"classes": "none.txt"}, ["There is no file none.txt"]),
]


@pytest.mark.parametrize(("spoil", "settings", "said"), BAD)
def test_what_does_not_fit_is_named(spoil, settings, said, root):
    spoil(root)
    with pytest.raises(DataError) as caught:
        module(root, val_fraction=0, **settings)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize("spoil", [another_size, colours, no_image])
def test_a_mask_that_cannot_be_used_can_be_left_out(spoil, root, caplog):
    spoil(root)
    spec = module(root, val_fraction=0, on_error="skip").data_spec()
    assert spec.split_sizes == {"train": 11}
    assert spec.facts == {"unreadable": 1}
    assert "A mask of 12" in caplog.text


def test_a_mask_is_part_of_the_fingerprint(root):
    before = module(root).fingerprint()
    mask_of(root, 0, np.zeros((16, 20)))
    assert module(root).fingerprint() != before


def black_and_white(root):
    for number in range(12):
        array = np.zeros((16, 20), np.uint8)
        array[:8] = 255
        mask_of(root, number, array)


def test_masks_of_black_and_white_are_refused_until_white_is_named_as_a_class(root):
    black_and_white(root)
    with pytest.raises(DataError) as caught:
        module(root)
    assert "hold one class only: 0" in caught.value.what
    assert "255 are of no class" in caught.value.possible
    assert caught.value.next_step.endswith("dataset.mask_values=[0,255]")
    found = module(root, mask_values=[0, 255])
    spec = found.data_spec()
    assert (spec.class_names, spec.ignore_index) == (("0", "255"), None)
    assert set(found.val_dataset[0][1].unique().tolist()) == {0, 1}
    assert found.fingerprint() != module(root, mask_values=[255, 0]).fingerprint()


def test_numbers_stand_for_classes_and_what_has_none_is_ignored_or_refused(root):
    mask_of(root, 0, np.repeat(np.uint8([[0, 10, 20, 10]]), 16, axis=0).repeat(5, axis=1))
    for number in range(1, 12):
        mask_of(root, number, np.full((16, 20), 10))
    found = module(root, mask_values=[10, 20], ignore_index=0, classes=["road", "car"], val_fraction=0)
    assert found.data_spec().ignore_index == 255
    index = next(number for number, path in enumerate(found.train_dataset.paths) if path.endswith("/0.jpg"))
    found.train_dataset.transform = found.eval_transform
    assert set(found.train_dataset[index][1].unique().tolist()) == {0, 1, 255}
    with pytest.raises(DataError, match=r"0.png: a pixel is 20, which is not in dataset.mask_values"):
        module(root, mask_values=[10, 30], ignore_index=0)
    with pytest.raises(DataError, match=r"2 numbers, and dataset.classes 3 names"):
        module(root, mask_values=[10, 20], ignore_index=0, classes=["road", "car", "sky"])


def test_classes_that_no_mask_has_are_told(root, caplog):
    mask_of(root, 3, np.full((16, 20), 5))
    assert len(module(root, val_fraction=0).class_names) == 6
    assert "no mask of training has [3,4] of 6 classes" in caplog.text
    assert "dataset.mask_values=[0,1,2,5]" in caplog.text


def test_a_broken_image_and_a_broken_mask_are_told_apart_and_both_counted(root, caplog):
    no_image(root)
    (root / "images" / "5.jpg").write_bytes(b"no image")
    assert module(root, val_fraction=0, on_error="skip").data_spec().facts == {"unreadable": 2}
    assert "masks/3.png: it is no image" in caplog.text
    assert "images/5.jpg: it is no image" in caplog.text


def test_a_server_prepares_images_as_training_does_and_answers_with_masks_of_their_size(root, tmp_path):
    found = module(root, image_size=24)
    described = found.preprocessing(found.data_spec())
    before = build(described)
    turned = picture(3, 1).transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "turned.jpg")
    image = found.predict_dataset([tmp_path / "turned.jpg"], found.data_spec())[0]
    (sample,) = before.samples((tmp_path / "turned.jpg").read_bytes(), ".jpg")
    assert np.abs(sample.input - image.numpy()).mean() < 0.005 * image.std()
    probabilities = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0)).numpy()
    said = MaskAnswers(["ground", "cat", "dog"]).rows({"probabilities": probabilities})
    (row,) = before.rows([sample], said)
    kind, _, text = row["mask"].partition(",")
    assert kind == "data:image/png;base64"
    shown = Image.open(io.BytesIO(base64.b64decode(text)))
    classes = probabilities[0].argmax(axis=0).astype(np.uint8)
    assert shown.size == turned.size == (16, 20)
    np.testing.assert_array_equal(
        np.asarray(shown), Image.fromarray(classes).resize((16, 20), Image.Resampling.NEAREST)
    )
    assert row["shares"]["cat"] == (classes == 1).mean()


PIXELS = """
from torch import nn
from framework_plugins_vision import BaseVisionModel

class Pixels(BaseVisionModel):
    tasks = ("semantic-segmentation",)

    def _build_model(self):
        return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, self.data.num_classes, 1))
"""


@pytest.mark.ddp
@pytest.mark.some_of(1)
@pytest.mark.parametrize("loss", ["cross_entropy_dice", "cross_entropy", "dice"])
def test_two_processes_learn_of_all_pixels_of_a_batch_what_one_does(loss, fw, root, project):
    (project / "pixels.py").write_text(PIXELS)
    for number in range(12):
        mask_of(root, number, [[number % 3 if row >= number else 255] * 20 for row in range(16)])
    words = ("-m", "pixels.py:Pixels", "-d", "image_masks", f"dataset.path={root}", f"model.loss={loss}")
    small = ("dataset.image_size=16", "dataset.batch_size=4", "trainer.max_epochs=2", "--devices", "1,2", "--json")
    done = fw("verify", "scale", *words, *small, "trainer.accelerator=cpu")
    assert done.code == 0, done.err


@pytest.mark.long
@pytest.mark.drawn
def test_an_exported_model_answers_with_the_mask_that_the_trained_one_predicts(fw, root, project):
    words = (f"dataset.path={root}", "dataset.image_size=32", "trainer.max_epochs=1", "experiment.run_name=masks")
    model = ("--model", "test_resnet", "--dataset", "image_masks", "trainer.precision=32-true")
    assert fw("train", *model, *words, "mlops.tracking.backend=none", "dataset.test_fraction=0.25").code == 0
    done = fw("export", "masks", "--to", "onnx", "-o", project / "exported")
    assert done.code == 0, done.err
    assert "answered as the model does" in done.out
    served = ExportedModel(project / "exported")
    file = root / "images" / "3.jpg"
    ((row,),) = served.answer([served.prepare(RawFile(file.read_bytes(), ".jpg"))])
    assert fw("predict", "masks", file, "-o", project / "found.json").code == 0
    (predicted,) = json.loads((project / "found.json").read_text())
    shown = Image.open(io.BytesIO(base64.b64decode(row["mask"].partition(",")[2])))
    expected = Image.open(project / predicted["mask"])
    assert shown.size == expected.size == (20, 16)
    assert (np.asarray(shown) == np.asarray(expected)).mean() > 0.98
    assert row["shares"] == pytest.approx(predicted["shares"], abs=0.02)
