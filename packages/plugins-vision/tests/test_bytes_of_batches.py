"""What a GPU is given: bytes in place of numbers, and the same training; here a processor stands for it."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import Callback

from framework_core import train as run_train
from framework_core.config.compose import compose
from framework_plugins_vision import BaseVisionDataModule

AUGMENTED = ["dataset.image_size=16", "dataset.auto_augment=trivialaugment", "dataset.mixup=0.2"]


class Look(Callback):
    """Keeps what batches are when they are moved, and when the model takes them."""

    def __init__(self):
        self.moved, self.taken = set(), []

    def on_train_start(self, trainer, pl_module):
        move = trainer.strategy.batch_to_device

        def moved(batch, *arguments, **options):
            self.moved.add(batch[0].dtype)
            return move(batch, *arguments, **options)

        trainer.strategy.batch_to_device = moved

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.taken.append(batch)


@pytest.fixture
def run(pictures, monkeypatch):
    root = pictures("photos", {"train/red": 9, "train/blue": 9, "val/red": 4, "val/blue": 4})
    images = ["dataset=image_folder", f"dataset.path={root}", "dataset.batch_size=4"]
    quiet = ["trainer.accelerator=cpu", "mlops.tracking.backend=none", "mlops.report=false", "trainer.max_epochs=1"]

    def trained(*words, as_bytes):
        monkeypatch.setattr(BaseVisionDataModule, "_feeds_a_gpu", lambda self: as_bytes and self.trainer is not None)
        look = Look()
        result = run_train(compose(["model=resnet20", *images, *quiet, *words]).config, callbacks=[look])
        return look, result.metrics

    return trained


@pytest.mark.some_of(1)
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("more", [["dataset.image_size=16"], AUGMENTED])
def test_training_on_bytes_is_training_on_numbers(workers, more, run):
    words = [*more, f"dataset.num_workers={workers}"]
    numbers, metrics = run(*words, as_bytes=False)
    assert numbers.moved == {torch.float32}
    of_bytes, measured = run(*words, as_bytes=True)
    assert of_bytes.moved == {torch.uint8}
    for (images, target), (same, told) in zip(numbers.taken, of_bytes.taken, strict=True):
        assert torch.equal(images, same)
        assert torch.equal(target, told)
    # Convolutions add up in another order where the channels of a pixel lie side by side.
    assert measured["test/loss"] == pytest.approx(metrics["test/loss"], rel=0.01)
