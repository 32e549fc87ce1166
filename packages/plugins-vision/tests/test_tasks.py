"""The tasks beside classification, from data written here to predictions: several labels, numbers, masks."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from framework_core import DataSpec, registry
from framework_core.errors import ConfigError
from framework_core.tasks.task import Objective, task_for
from framework_core.training.first_batch import look
from framework_plugins_vision import BaseVisionModel
from framework_plugins_vision.segmentation import dice_loss, pixel_cross_entropy

pytestmark = pytest.mark.drawn

DATA = '''
"""Images whose targets can be seen: how bright each quarter is."""

import torch
from torch.utils.data import TensorDataset
from torchvision.transforms import v2

from framework_plugins_vision import BaseVisionDataModule, BaseVisionModel


class Plain(BaseVisionModel):
    def _build_model(self):
        pooled = torch.nn.AvgPool2d(self.data.input_shape[1] // 2)
        return torch.nn.Sequential(pooled, torch.nn.Flatten(), torch.nn.Linear(12, self.data.num_outputs))


class Quarters(BaseVisionDataModule):
    in_memory = True

    def __init__(self, task: str = "regression", size: int = 32, count: int = 48, **common):
        super().__init__(**common)
        self.task, self.size, self.count = task, size, count
        self.eval_transform = v2.Compose(
            [v2.PILToTensor(), v2.Resize((size, size)), v2.ToDtype(torch.float32, scale=True)]
        )

    def setup(self, stage=None):
        generator = torch.Generator().manual_seed(0)
        bright = torch.randint(2, (self.count, 2, 2), generator=generator).float()
        images = bright.repeat_interleave(self.size // 2, 1).repeat_interleave(self.size // 2, 2)
        images = images.unsqueeze(1).repeat(1, 3, 1, 1)
        images += 0.05 * torch.randn(images.shape, generator=generator)
        if self.task == "regression":
            targets = bright.flatten(1)[:, :2] * 3 - 1
            self.target_names = ("top left", "top right")
        elif self.task == "multi-label-classification":
            targets = bright.flatten(1)[:, :3]
            self.class_names = ("a", "b", "c/d")
        else:
            targets = (images.mean(1) > 0.5).long()
            targets[:, 0] = 255
            self.class_names, self.ignore_index = ("dark", "bright"), 255
        cut = self.count * 2 // 3
        parts = {"train": slice(cut), "val": slice(cut, cut + cut // 4), "test": slice(cut + cut // 4, self.count)}
        for split, part in parts.items():
            setattr(self, f"{split}_dataset", TensorDataset(images[part], targets[part]))
'''


@pytest.fixture
def quarters(project):
    (project / "quarters.py").write_text(DATA)
    return "quarters.py:Quarters"


@pytest.fixture
def learn(fw, quarters, accelerator):
    quiet = (f"trainer.accelerator={accelerator}", "mlops.tracking.backend=none", "dataset.num_workers=0", "--json")

    def run(model, task, *words):
        common = ["dataset.batch_size=8", "scheduler.warmup_epochs=0"]
        common += [] if any("epochs" in word for word in words) else ["trainer.max_epochs=4", "optimizer.lr=0.01"]
        chosen = ("--model", model, "--dataset", quarters, f"dataset.task={task}")
        return fw("train", *chosen, *common, *words, *quiet)

    return run


def row_of(path):
    with path.open() as file:
        (row,) = csv.DictReader(file)
    return row


def image(project, name, quarters, size=(40, 30)):
    pixels = (np.asarray(quarters, dtype=np.uint8).reshape(2, 2) * 255).repeat(size[1] // 2, 0).repeat(size[0] // 2, 1)
    Image.fromarray(pixels).convert("RGB").save(project / name)


def test_several_labels_are_learned_measured_drawn_and_predicted(learn, fw, project, sliced):
    done = learn("quarters.py:Plain", "multi-label-classification", "trainer.max_epochs=20", "optimizer.lr=0.3")
    assert done.code == 0, done.err
    metrics = done.json["metrics"]
    assert metrics["test/map"] > 0.9
    assert {"val/f1", "test/f1_micro", "test/ap/a", "test/f1/c_d"} <= set(metrics)
    assert (project / done.json["directory"] / "plots" / "classes.png").is_file()
    assert sliced("last", metrics, "f1_micro", "loss")["class"] == {"a", "b", "c/d"}
    image(project, "one.png", [1, 0, 1, 1])
    (row,) = fw("predict", "last", "one.png", "--json").json
    assert set(row["labels"]) <= {"a", "b", "c/d"}
    assert set(row["probabilities"]) == {"a", "b", "c/d"}


def test_numbers_are_learned_measured_drawn_and_predicted(learn, fw, project, sliced):
    words = ("model.loss=huber", "model.huber_delta=0.5", "trainer.max_epochs=20", "optimizer.lr=0.1")
    done = learn("quarters.py:Plain", "regression", *words)
    assert done.code == 0, done.err
    metrics = done.json["metrics"]
    assert metrics["test/mae"] < 0.5
    assert {"val/rmse", "test/r2", "test/mae/top left"} <= set(metrics)
    assert (project / done.json["directory"] / "plots" / "predicted_by_true.png").is_file()
    assert sliced("last", metrics, "mae", "loss")["target"] == {"top left", "top right"}
    image(project, "one.png", [1, 0, 1, 1])
    assert fw("predict", "last", "one.png", "-o", "found.csv").code == 0
    row = row_of(project / "found.csv")
    assert list(row) == ["path", "top left", "top right"]
    assert float(row["top left"]) > float(row["top right"])


def test_masks_are_learned_measured_drawn_and_predicted(learn, fw, project, sliced):
    done = learn("test_resnet", "semantic-segmentation", "model.decoder=unet", "model.decoder_width=16")
    assert done.code == 0, done.err
    metrics = done.json["metrics"]
    assert metrics["test/miou"] > 0.7
    assert metrics["test/miou"] == pytest.approx((metrics["test/iou/dark"] + metrics["test/iou/bright"]) / 2, abs=1e-5)
    assert metrics["test/pixel_accuracy"] > 0.8
    folder = project / done.json["directory"] / "plots"
    assert {"masks.png", "classes.png"} <= {path.name for path in folder.iterdir()}
    sliced("last", metrics, "pixel_accuracy")
    of_classes = fw("slices", "last", "--metric", "iou", "--by", "class", "--json").json["slices"]
    for each in of_classes:
        assert each["mean"] == pytest.approx(metrics[f"test/iou/{each['value']}"], abs=1e-4)
    assert {each["value"] for each in of_classes} == {"dark", "bright"}
    image(project, "one.png", [1, 0, 0, 1])
    assert fw("predict", "last", "one.png", "-o", "found.csv").code == 0
    row = row_of(project / "found.csv")
    mask = Image.open(row["mask"])
    assert (mask.size, mask.mode) == ((40, 30), "P")
    classes = np.asarray(mask)
    assert (classes[4, 4], classes[4, 35], classes[26, 4], classes[26, 35]) == (1, 0, 0, 1)
    assert float(row["shares.bright"]) == pytest.approx(0.5, abs=0.2)
    assert "mask" not in json.loads(fw("predict", "last", "one.png", "--json").out)[0]


@pytest.mark.some_of(4)
@pytest.mark.parametrize(
    ("model", "task", "words", "said"),
    [
        ("resnet20", "semantic-segmentation", [], "the data is for semantic-segmentation, the model learns"),
        ("resnet20", "regression", ["model.loss=cross_entropy"], "possible: mse, l1, huber"),
        ("resnet20", "regression", ["model.label_smoothing=0.1"], "model.label_smoothing: has an effect not for"),
        ("resnet20", "regression", ["model.huber_delta=2"], "model.huber_delta: has an effect with loss=huber only"),
        ("resnet20", "regression", ["dataset.mixup=0.2"], "dataset.mixup: mixes classes, and regression has none"),
        ("test_resnet", "semantic-segmentation", ["dataset.cutmix=1"], "dataset.cutmix: mixes classes"),
        ("resnet20", "multi-label-classification", ["model.loss=l1"], "is no loss for multi-label-classification"),
        ("resnet20", "multi-label-classification", ["model.loss=l3"], "model.loss"),
    ],
)
def test_what_makes_no_sense_for_the_task_is_refused(model, task, words, said, learn, project):
    done = learn(model, task, *words)
    assert (done.code, done.out) == (2, ""), done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (project / "runs").exists()


def spec(task, **facts):
    names = {} if task == "regression" else {"class_names": ("a", "b", "c")}
    return DataSpec(task=task, input_shape=(3, 32, 32), **names, **facts)


def task(name, **settings):
    facts = settings.pop("facts", {})
    return task_for(spec(name, **facts), Objective(**settings), BaseVisionModel.task_places)


def test_a_loss_of_several_labels_asks_a_question_for_each_class():
    outputs, target = torch.tensor([[2.0, -1.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0]])
    expected = -(torch.tensor([2.0, 1.0, 0.0]).sigmoid().log()).mean()
    found = task("multi-label-classification").loss(outputs, target, training=True)
    torch.testing.assert_close(found, expected)
    softened = task("multi-label-classification", label_smoothing=0.2)
    exact = functional.binary_cross_entropy_with_logits(outputs, torch.tensor([[0.9, 0.1, 0.9]]))
    torch.testing.assert_close(softened.loss(outputs, target, training=True), exact)
    torch.testing.assert_close(softened.loss(outputs, target, training=False), expected)


def test_the_threshold_decides_which_classes_an_image_has():
    outputs = torch.tensor([[0.0, 3.0, -0.5]])
    facts = {"facts": {}}
    low = task("multi-label-classification", threshold=0.3, **facts).predict(outputs)
    high = task("multi-label-classification", threshold=0.9, **facts).predict(outputs)
    assert (low["labels"], high["labels"]) == ([["a", "b", "c"]], [["b"]])
    f1 = task("multi-label-classification", threshold=0.9).metrics()["f1_micro"]
    f1.update(outputs, torch.tensor([[0.0, 1.0, 0.0]]))
    assert float(f1.compute()) == 1.0


def test_metrics_of_numbers_are_their_definitions():
    metrics = task("regression", facts={"target_names": ("x",)}).metrics()
    predicted, true = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[1.0], [3.0], [3.0]])
    for metric in metrics.values():
        metric.update(predicted, true)
    found = {name: float(metric.compute()) for name, metric in metrics.items()}
    assert found["mae"] == pytest.approx(2 / 3)
    assert found["rmse"] == pytest.approx((2 / 3) ** 0.5)
    assert found["r2"] == pytest.approx(0.25, abs=1e-5)


def test_ignored_pixels_count_neither_in_the_loss_nor_in_a_metric():
    torch.manual_seed(0)
    outputs, target = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 4, 4))
    target[:, :2] = 9
    changed = outputs.clone()
    changed[:, :, :2] = 100 * torch.randn(2, 3, 2, 4)
    segmentation = task("semantic-segmentation", facts={"ignore_index": 9})
    before = segmentation.loss(outputs, target, training=True)
    torch.testing.assert_close(segmentation.loss(changed, target, training=True), before)
    for name, metric in segmentation.metrics().items():
        metric.update(outputs, target)
        first = metric.compute()
        metric.reset()
        metric.update(changed, target)
        assert first == metric.compute(), name
    nothing = segmentation.loss(outputs, torch.full_like(target, 9), training=True)
    assert float(nothing) == 0.0


def test_losses_of_masks_are_their_definitions():
    torch.manual_seed(0)
    outputs, target = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 4, 4))
    torch.testing.assert_close(pixel_cross_entropy(outputs, target, None), functional.cross_entropy(outputs, target))
    sure = 50 * functional.one_hot(target, 3).movedim(-1, 1).float()
    assert float(dice_loss(sure, target, None)) == pytest.approx(0, abs=1e-5)
    assert float(dice_loss(-sure, target, None)) > 0.6
    both = task("semantic-segmentation").loss(outputs, target, training=True)
    torch.testing.assert_close(both, functional.cross_entropy(outputs, target) + dice_loss(outputs, target, None))


@pytest.mark.parametrize("decoder", ["unet", "fpn"])
@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_efficientnet"])
def test_encoders_of_other_families_give_a_class_for_each_pixel(name, decoder):
    data = spec("semantic-segmentation").model_copy(update={"input_shape": (3, 64, 96)})
    model = registry.create_model(name, data=data, decoder=decoder, decoder_width=16)
    loss = model.training_step((torch.randn(2, 3, 64, 96), torch.randint(3, (2, 64, 96))), 0)
    loss.backward()
    assert model(torch.randn(1, 3, 64, 96)).shape == (1, 3, 64, 96)
    assert len(model.parameter_layers()) > 1


def test_every_task_refuses_the_losses_of_others():
    for name in BaseVisionModel.task_places:
        mine = task(name)
        for other in {loss for each in BaseVisionModel.task_places for loss in task(each).losses} - set(mine.losses):
            with pytest.raises(ConfigError, match=r"model\.loss"):
                task(name, loss=other)


class OfOnesOwn(BaseVisionModel):
    def _build_model(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(12, self.data.num_outputs))


def test_a_model_of_ones_own_learns_every_task_of_whole_images():
    assert OfOnesOwn.tasks == ("image-classification", "multi-label-classification", "regression")
    numbers = OfOnesOwn(data=DataSpec(task="regression", input_shape=(3, 2, 2), target_names=("x", "y")))
    assert numbers.monitor == ("val/mae", "min")
    loss = numbers.training_step((torch.randn(4, 3, 2, 2), torch.randn(4, 2)), 0)
    assert torch.isfinite(loss)


NAMED = {
    "image-classification": ("bce",),
    "multi-label-classification": ("bce",),
    "regression": ("mse", "huber"),
    "semantic-segmentation": ("cross_entropy_dice",),
}


def targets_for(task):
    """Sixteen targets as a loader gives them, and what data they are of."""
    generator = torch.Generator().manual_seed(0)
    names = {"class_names": tuple("abcde")}
    if task == "regression":
        return 3 * torch.randn(16, 2, generator=generator), {"target_names": ("x", "y")}
    if task == "multi-label-classification":
        return (torch.rand(16, 5, generator=generator) < 0.3).float(), names
    shape = (16,) if task == "image-classification" else (16, 32, 32)
    return torch.randint(0, 5, shape, generator=generator), names


@pytest.mark.parametrize(("task", "loss"), [(task, loss) for task, losses in NAMED.items() for loss in losses])
def test_a_model_that_has_learned_nothing_has_the_loss_that_is_expected_and_one_that_is_wrong_not(task, loss):
    target, names = targets_for(task)
    data = DataSpec(task=task, input_shape=(3, 32, 32), target_shape=tuple(target.shape[1:]), **names)
    name = "resnet10t" if task == "semantic-segmentation" else "vit"
    torch.manual_seed(0)
    model = registry.create_model(name, data=data, loss=loss)
    inputs = torch.randn(16, 3, 32, 32)
    said = [each for each in look(model, inputs, target).warnings if "first loss" in each]
    assert said == []
    model.forward = lambda x, whole=model.forward: 60 * whole(x) + 30
    (said,) = [each for each in look(model, inputs, target).warnings if "first loss" in each]
    assert "far above" in said
