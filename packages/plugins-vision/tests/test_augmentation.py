"""Augmentation by its effect: what is mixed, erased, repeated, and what a model's own images look like."""

from __future__ import annotations

from collections import Counter

import pytest
import timm
import torch
from lightning.pytorch import Callback
from PIL import Image
from torch.nn import functional
from torchvision import tv_tensors

from framework_core import DataSpec, registry
from framework_core.config.compose import compose
from framework_core.errors import ConfigError
from framework_core.run import train
from framework_core.tasks.task import Objective, task_for
from framework_core.training.preparation import fitted_to_model
from framework_plugins_vision import BaseVisionModel
from framework_plugins_vision.augmentation_policies import EachOfBatch, policy
from framework_plugins_vision.batch_augmentation import BatchAugmentation, cut_and_pasted, erased
from framework_plugins_vision.repeated_augmentation import RepeatedSampler
from framework_plugins_vision.transforms import training


def batch(count=16, classes=4):
    """Images that say their class: every pixel of class n is n."""
    labels = torch.arange(count) % classes
    return labels.float().view(-1, 1, 1, 1).expand(-1, 3, 16, 16).clone(), labels


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("way", ["mixup", "cutmix"])
def test_a_mixed_target_says_what_the_image_is_made_of(way):
    """The mean of an image whose pixels are its class is the mean of its target, whatever was mixed."""
    images, labels = batch()
    mixed, shares = BatchAugmentation(**{way: 1.0}, num_classes=4)(images, labels)
    assert shares.shape == (16, 4)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(16))
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), shares @ torch.arange(4.0))
    assert not torch.equal(mixed, images)
    assert torch.equal(images, batch()[0])
    whole = mixed.amax(dim=(1, 2, 3)) == mixed.amin(dim=(1, 2, 3))
    assert bool(whole.all()) == (way == "mixup")


def test_several_labels_are_mixed_as_they_are():
    images, _ = batch()
    target = torch.tensor([[1.0, 1.0], [0.0, 1.0]]).repeat(8, 1)
    _, shares = BatchAugmentation(mixup=1.0, num_classes=2)(images, target)
    torch.testing.assert_close(shares[:, 1], torch.ones(16))
    assert set(shares[:, 0].tolist()) - {0.0, 1.0}


def test_a_share_of_the_batches_is_mixed_and_with_both_ways_each_takes_its_turn():
    augment = BatchAugmentation(mixup=1.0, cutmix=1.0, mix_prob=0.6, num_classes=4)
    found = Counter()
    for _ in range(200):
        images, labels = batch()
        mixed, _ = augment(images, labels)
        if torch.equal(mixed, images):
            found["none"] += 1
        else:
            plain = mixed.amax(dim=(1, 2, 3)) == mixed.amin(dim=(1, 2, 3))
            found["mixup" if plain.all() else "cutmix"] += 1
    assert 60 < found["none"] < 100
    assert 40 < found["mixup"] < 80
    assert 40 < found["cutmix"] < 80


def test_what_is_kept_of_a_pasted_image_is_its_area():
    images, others = torch.zeros(2, 1, 10, 10), torch.ones(2, 1, 10, 10)
    for kept in (0.1, 0.5, 0.9):
        pasted, exact = cut_and_pasted(images, others, kept)
        assert exact == pytest.approx(1 - float(pasted.mean()))


def test_a_rectangle_is_erased_from_a_share_of_the_images():
    images = torch.full((400, 3, 20, 20), 7.0)
    changed = erased(images, 0.25) != images
    touched = changed.any(dim=(1, 2, 3))
    assert 70 < int(touched.sum()) < 130
    areas = changed[touched][:, 0].float().mean(dim=(1, 2))
    assert float(areas.min()) > 0.0
    assert float(areas.max()) < 0.45
    first = changed[touched][0, 0]
    rows, columns = first.any(dim=1).nonzero(), first.any(dim=0).nonzero()
    assert first[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()


@pytest.mark.drawn
def test_only_training_batches_are_mixed_and_metrics_are_of_whole_labels():
    seen = {}

    class Look(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen["train"] = batch[1]

        def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
            seen["val"] = batch[1]

        def on_test_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
            seen["test"] = batch[1]

    words = ("model=resnet20", "dataset=digits", "dataset.mixup=0.4", "dataset.random_erasing=0.2", "trainer=debug")
    quiet = (
        "mlops.tracking.backend=none",
        "mlops.report=false",
        "trainer.accelerator=cpu",
        "trainer.limit_train_batches=2",
    )
    result = train(compose([*words, *quiet, "dataset.batch_size=8"]).config, callbacks=[Look()])
    assert {name: target.dtype for name, target in seen.items()} == {
        "train": torch.float32,
        "val": torch.int64,
        "test": torch.int64,
    }
    assert 0 <= result.metrics["test/accuracy"] <= 1


def test_a_repeated_sample_comes_several_times_in_a_row_and_an_epoch_is_as_long():
    first, second = list(RepeatedSampler(10, 3)), list(RepeatedSampler(10, 3))
    assert len(first) == 10
    assert [len(set(first[start : start + 3])) for start in (0, 3, 6)] == [1, 1, 1]
    assert len(set(first)) == 4
    assert first != second
    module = registry.create_dataset("digits", repeated_augmentation=4, batch_size=4)
    module.setup("fit")
    images, labels = next(iter(module.train_dataloader()))
    assert len(set(labels.tolist())) == 1
    assert not torch.equal(images[0], images[1]) or not torch.equal(images[1], images[2])


@pytest.mark.parametrize("name", ["randaugment", "trivialaugment"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_policy_changes_images_and_keeps_their_form(name, channels):
    images = torch.randint(256, (24, channels, 32, 32), dtype=torch.uint8)
    changed = EachOfBatch(policy(name, magnitude=9, ops=2, std=0.5))(images)
    assert (changed.shape, changed.dtype) == (images.shape, torch.uint8)
    assert sum(not torch.equal(a, b) for a, b in zip(changed, images, strict=True)) > 12


@pytest.mark.parametrize("flip", [False, True])
def test_an_image_and_its_mask_move_together(flip):
    """The mask is where the image is bright, before and after."""
    image = torch.zeros(3, 40, 40, dtype=torch.uint8)
    image[:, 8:20, 5:25] = 255
    mask = (image[0] > 0).to(torch.uint8)
    transform = training((32, 32), 0.3, flip=flip, mean=(0.0,) * 3, std=(1.0,) * 3)
    seen = set()
    for _ in range(20):
        moved, where = transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
        seen.add(tuple(where.flatten().tolist()))
        agree = (moved[0] > 0.5) == (where > 0)
        assert float(agree.float().mean()) > 0.93
    assert len(seen) > 10


def test_a_stronger_magnitude_changes_more():
    images = torch.randint(100, 156, (60, 3, 32, 32), dtype=torch.uint8)

    def change(magnitude):
        changed = EachOfBatch(policy("randaugment", magnitude=magnitude, ops=2, std=0))(images)
        return float((changed.float() - images.float()).abs().mean())

    assert change(1) < 0.8 * change(10)


def test_images_of_a_folder_go_through_the_policy(pictures):
    root = pictures("set", {"a": 4, "b": 4})
    common = {"path": str(root), "image_size": 16, "min_crop": 1.0, "flip": False}
    module = registry.create_dataset("image_folder", **common, auto_augment="trivialaugment")
    module.setup("fit")
    seen = {tuple(module.train_dataset[0][0].flatten().tolist()) for _ in range(12)}
    assert len(seen) > 6


def test_smoothing_spreads_a_share_of_the_label_in_training_only():
    data = DataSpec(task="image-classification", class_names=("a", "b", "c", "d"))
    outputs, target = torch.randn(5, 4), torch.tensor([0, 1, 2, 3, 0])
    soft = functional.one_hot(target, 4) * 0.8 + 0.05
    smooth = task_for(data, Objective(label_smoothing=0.2), BaseVisionModel.task_places)
    torch.testing.assert_close(smooth.loss(outputs, target, training=True), functional.cross_entropy(outputs, soft))
    torch.testing.assert_close(smooth.loss(outputs, target, training=False), functional.cross_entropy(outputs, target))
    each = task_for(data, Objective(loss="bce", label_smoothing=0.2), BaseVisionModel.task_places)
    expected = functional.binary_cross_entropy_with_logits(outputs, soft)
    torch.testing.assert_close(each.loss(outputs, target, training=True), expected)


def test_with_a_threshold_both_classes_of_a_mixed_image_are_whole():
    data = DataSpec(task="image-classification", class_names=("a", "b", "c"))
    outputs = torch.randn(1, 3)
    whole = task_for(data, Objective(loss="bce", bce_threshold=0.2), BaseVisionModel.task_places)
    found = whole.loss(outputs, torch.tensor([[0.7, 0.3, 0.0]]), training=True)
    expected = functional.binary_cross_entropy_with_logits(outputs, torch.tensor([[1.0, 1.0, 0.0]]))
    torch.testing.assert_close(found, expected)


def test_stochastic_depth_leaves_out_blocks_in_training_only(data):
    model = registry.create_model("test_vit", data=data(), drop_path_rate=0.9)
    image = torch.randn(1, 3, 32, 32).expand(8, -1, -1, -1)
    assert model.train()(image).std(dim=0).max() > 1e-3
    assert model.eval()(image).std(dim=0).max() < 1e-5


@pytest.mark.parametrize("name", ["test_vit", "resnet50"])
def test_images_are_as_the_model_was_trained(name):
    config = compose([f"model={name}", "dataset=image_folder", "dataset.path=somewhere"]).config
    fitted, filled = fitted_to_model(config)
    given = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    found = fitted.dataset
    assert found.image_size == given["input_size"][1]
    for key in ("mean", "std", "interpolation", "crop_pct"):
        assert getattr(found, key) == given[key]
    assert set(filled) == {"image_size", "mean", "std", "interpolation", "crop_pct"}


def test_what_the_user_says_goes_before_what_the_model_was_made_for():
    words = ["model=test_vit", "dataset=image_folder", "dataset.path=x", "dataset.image_size=64", "dataset.mean=[0.1]"]
    fitted, filled = fitted_to_model(compose(words).config)
    assert fitted.dataset.image_size == 64
    assert fitted.dataset.mean == (0.1,)
    assert set(filled) == {"std", "interpolation", "crop_pct"}


def test_evaluation_is_what_timm_does_with_the_same_settings():
    """Pixel for pixel but for the rounding of the resize, which timm does in PIL and this in torch."""
    pixels = torch.randint(256, (3, 90, 70), dtype=torch.uint8).float()
    smooth = functional.avg_pool2d(pixels, 7, 1, 3).to(torch.uint8)
    image = Image.fromarray(smooth.permute(1, 2, 0).numpy())
    fitted = fitted_to_model(compose(["model=test_vit", "dataset=image_folder", "dataset.path=x"]).config)[0]
    module = registry.create_dataset("image_folder", **fitted.dataset.settings())
    given = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg("test_vit").to_dict())
    theirs = timm.data.create_transform(**given)(image)
    assert (module.eval_transform(image) - theirs).abs().max() < 0.05


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dataset.mix_prob=0.5"], "mix_prob has an effect with mixup or cutmix only"),
        (["dataset.mixup=-1"], "dataset.mixup"),
        (["dataset.random_erasing=1.5"], "dataset.random_erasing"),
        (["dataset.randaugment_ops=3"], "randaugment_ops has an effect with auto_augment=randaugment only"),
        (["dataset.auto_augment=trivialaugment", "dataset.augmentation=none"], "exclude each other"),
        (["dataset.auto_augment=autoaugment"], "dataset.auto_augment"),
    ],
)
def test_what_makes_no_sense_is_refused(words, said):
    with pytest.raises(ConfigError) as error:
        compose(["model=resnet20", "dataset=cifar10", *words])
    assert said in str(error.value)
