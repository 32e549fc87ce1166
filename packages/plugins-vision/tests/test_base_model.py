"""What every vision model does: loss, metrics, predictions, plots."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from framework_core.errors import DataError
from framework_plugins_vision import BaseVisionDataModule, BaseVisionModel


class Fixed(BaseVisionModel):
    """Takes the first pixels of an image for its logits."""

    def _build_model(self):
        return nn.Sequential(nn.Flatten(), First(self.data.num_classes))


class First(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, x):
        return x[:, : self.count]


@pytest.fixture
def model(data):
    return Fixed(data=data(channels=1, height=2, classes=3))


def images(*logits):
    return torch.tensor([[*row, 0.0] for row in logits]).view(-1, 1, 2, 2)


def test_the_loss_is_cross_entropy(model):
    batch = images([2.0, 0.0, 0.0], [0.0, 0.0, 0.0]), torch.tensor([0, 2])
    expected = -(torch.log_softmax(torch.tensor([2.0, 0, 0]), 0)[0] + torch.log_softmax(torch.zeros(3), 0)[2]) / 2
    torch.testing.assert_close(model.training_step(batch, 0), expected)


def test_metrics_are_accuracy_over_images_and_f1_over_classes(model):
    metrics = model.val_metrics
    assert set(metrics.keys()) == {"val/accuracy", "val/f1"}
    metrics.update(images([9.0, 0, 0], [9, 0, 0], [9, 0, 0], [0, 9, 0]).flatten(1)[:, :3], torch.tensor([0, 0, 1, 1]))
    found = metrics.compute()
    assert float(found["val/accuracy"]) == pytest.approx(0.75)
    # Class 2, which nobody has and nothing is taken for, does not count.
    assert float(found["val/f1"]) == pytest.approx((0.8 + 2 / 3) / 2, abs=1e-6)


def test_a_prediction_is_the_likeliest_class_with_all_probabilities(model):
    row = {key: values[0] for key, values in model.predict_step(images([0.0, 2.0, 1.0]), 0).items()}
    assert row["label"] == "class 1"
    assert set(row["probabilities"]) == {"class 0", "class 1", "class 2"}
    assert sum(row["probabilities"].values()) == pytest.approx(1)
    assert float(row["confidence"]) == pytest.approx(row["probabilities"]["class 1"])


def test_the_confusion_matrix_is_drawn_after_a_test(model):
    assert model.figures() == {}
    model.on_test_start()
    model.log = model.log_dict = lambda *arguments, **options: None
    model.test_step((images([9.0, 0, 0], [0, 9, 0]), torch.tensor([0, 2])), 0)
    model.on_test_epoch_end()
    (figure,) = model.figures().values()
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (3, 3)


class Own(BaseVisionDataModule):
    def __init__(self, samples, **kwargs):
        super().__init__(**kwargs)
        self.samples = samples

    def setup(self, stage=None):
        self.train_dataset = self.samples


def test_data_that_does_not_say_its_classes_is_told():
    module = Own([(torch.zeros(1, 4, 4), 0)])
    module.setup()
    with pytest.raises(DataError, match=r"which classes there are[\s\S]*class_names"):
        module.data_spec()


def test_images_that_are_no_tensors_are_told():
    module = Own([("a path", 0)])
    module.setup()
    with pytest.raises(DataError, match=r"gives str for an image[\s\S]*transform"):
        module.data_spec()


def test_data_that_was_not_set_up_is_told():
    with pytest.raises(DataError, match="no train_dataset"):
        Own([]).data_spec()


def test_classes_and_counts_are_those_of_a_torchvision_dataset():
    class Torchvision(list):
        classes = ("ant", "bee")
        targets = (0, 1, 1)

    module = Own(Torchvision([(torch.full((3, 4, 5), float(index)), index) for index in (0, 1, 1)]))
    module.setup()
    spec = module.data_spec()
    assert spec.class_names == ("ant", "bee")
    assert spec.class_counts == {"ant": 1, "bee": 2}
    assert spec.input_shape == (3, 4, 5)
    assert spec.split_sizes == {"train": 3}


def test_a_fingerprint_is_of_the_samples():
    def fingerprint(value, label=0):
        module = Own([(torch.full((1, 2, 2), value), label), (torch.zeros(1, 2, 2), 1)])
        module.setup()
        return module.fingerprint()

    assert fingerprint(1.0) == fingerprint(1.0)
    assert len({fingerprint(1.0), fingerprint(2.0), fingerprint(1.0, 1)}) == 3


def test_files_cannot_be_predicted_before_it_is_said_how(data, tmp_path):
    with pytest.raises(DataError, match="eval_transform"):
        Own([]).predict_dataset([tmp_path / "a.png"], data())
