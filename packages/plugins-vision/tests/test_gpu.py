"""Images on an NVIDIA GPU."""

from __future__ import annotations

import re

import pytest
import torch
from lightning.pytorch import Callback

from framework_core import train as run_train
from framework_core.config.compose import compose

pytestmark = pytest.mark.gpu


class Look(Callback):
    """Keeps the first batch, as it left the loader and as the model took it."""

    def on_train_start(self, trainer, pl_module):
        self.loaded = trainer.train_dataloader.dataset.batch(torch.tensor([0, 1, 2]))[0]

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.taken = batch[0]


def words(root, *more):
    data = ["dataset=image_folder", f"dataset.path={root}", "dataset.augmentation=none", "dataset.image_size=16"]
    quiet = ["mlops.tracking.backend=none", "mlops.report=false", "trainer.max_epochs=2", "dataset.batch_size=8"]
    return ["model=resnet18", *data, *quiet, *more]


def test_images_go_to_the_gpu_as_bytes_and_are_the_same_numbers_there(pictures):
    root = pictures("photos", {"train/red": 16, "train/blue": 16, "val/red": 4, "val/blue": 4})
    look = Look()
    result = run_train(
        compose(words(root, "trainer.accelerator=gpu", "dataset.num_workers=2")).config, callbacks=[look]
    )
    assert look.loaded.dtype == torch.uint8
    assert (look.taken.device.type, look.taken.dtype) == ("cuda", torch.float32)
    on_the_processor = Look()
    run_train(compose(words(root, "trainer.accelerator=cpu")).config, callbacks=[on_the_processor])
    assert torch.equal(look.taken.cpu(), on_the_processor.taken)
    assert result.metrics["test/loss"] < 5


def test_what_is_chosen_for_a_gpu_is_said(pictures, fw):
    root = pictures("photos", {"train/red": 16, "train/blue": 16, "val/red": 4, "val/blue": 4})
    done = fw("train", *words(root))
    assert done.code == 0, done.err
    assert re.search("trainer.precision +bf16-mixed +else: trainer.precision=32-true", done.err), done.err


@pytest.mark.parametrize(
    "more", ["performance.compile=true", "dataset.mixup=0.2", "performance.gradient_checkpointing=true"]
)
def test_training_features_work_there(more, pictures, fw):
    root = pictures("photos", {"train/red": 16, "train/blue": 16, "val/red": 4, "val/blue": 4})
    # Where images come to a single pixel, inductor of torch 2.11 does not know how their weights lie.
    done = fw("train", *words(root, "trainer.accelerator=gpu", "dataset.image_size=64", more))
    assert done.code == 0, done.err


def test_the_largest_batch_is_found_there(pictures, fw):
    root = pictures("photos", {"train/red": 32, "train/blue": 32, "val/red": 4, "val/blue": 4})
    done = fw("find", "batch-size", *words(root, "trainer.accelerator=gpu"))
    assert done.code == 0, done.err
    assert "dataset.batch_size=" in done.out + done.err
