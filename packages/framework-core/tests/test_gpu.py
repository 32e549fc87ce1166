"""Training on an NVIDIA GPU."""

import re
import shutil
from pathlib import Path

import pytest
from lightning.pytorch import Callback

from framework_core import train as run_train
from framework_core.config.compose import compose
from framework_core.training.checkpoint_io import read

HERE = Path(__file__).parent
pytestmark = pytest.mark.gpu

LARGE = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
from framework_core import BaseDataModule, BaseModel, DataSpec


class Wide(BaseModel):
    def _build_model(self):
        # Half a million numbers a sample, kept for the backward pass: 128 GB for 65,536 of them.
        return nn.Sequential(nn.Linear(4, 512 * 1024), nn.Tanh(), nn.Linear(512 * 1024, 3))

    def loss(self, outputs, target):
        return nn.functional.cross_entropy(outputs, target)


class Many(BaseDataModule):
    in_memory = True

    def setup(self, stage=None):
        self.train_dataset = TensorDataset(torch.randn(65536, 4), torch.arange(65536) % 3)

    def data_spec(self):
        return DataSpec(task="classification", input_shape=(4,), class_names=("a", "b", "c"), fingerprint="made")
"""


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_run_trains_on_the_gpu(train, precision):
    words = ["trainer.accelerator=gpu", "trainer.max_epochs=20", "optimizer.lr=0.03", f"trainer.precision={precision}"]
    done = train(*words, "--json")
    assert done.code == 0, done.err
    assert done.json["metrics"]["test/accuracy"] > 0.8


class Look(Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen = {outputs["loss"].device.type, batch[0].device.type, pl_module.device.type}


def test_the_gpu_is_taken_where_there_is_one_and_checkpoints_need_none(components):
    look = Look()
    words = ["model=mine.py:Net", "dataset=mine.py:Iris", "mlops.tracking.backend=none", "mlops.report=false"]
    result = run_train(compose([*words, "trainer.max_epochs=1"]).config, callbacks=[look])
    assert look.seen == {"cuda"}
    weights = read(Path(result.best_checkpoint))["state_dict"]
    assert {tensor.device.type for tensor in weights.values()} == {"cpu"}


def test_a_loss_that_is_no_number_is_told_with_its_step_and_seen_again_with_where_it_began(train, fw, project):
    shutil.copy(HERE / "trouble.py", project)
    words = ["--model", "trouble.py:NotFinite", "experiment.run_name=wrong", "trainer.accelerator=gpu"]
    done = train(*words, "faults.every_n_steps=null")
    assert done.code == 1
    assert "error: In step 8 the loss is nan" in done.err
    assert "See the step again: fw replay wrong --step 8" in done.err
    again = fw("replay", "wrong", "--step", "8")
    assert "the first layer whose output is not finite is 'model.1'" in again.out + again.err


def test_a_run_of_the_gpu_is_continued_on_the_cpu(train, fw):
    train("trainer.accelerator=gpu")
    done = fw("train", "--resume", "last", "trainer.accelerator=cpu", "trainer.max_epochs=3")
    assert done.code == 0, done.err


def test_the_use_of_the_gpu_is_recorded(train):
    from mlflow import MlflowClient

    found = train("trainer.accelerator=gpu", "mlops.tracking.system_metrics=true", "--json").json
    metrics = MlflowClient(found["tracking_uri"]).get_run(found["run_id"]).data.metrics
    assert any(name.startswith("system/gpu") for name in metrics)


@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_a_run_that_is_killed_ends_the_same_on_the_gpu(precision, fw, components):
    """Random numbers of the GPU and the state of the scaler with the rest."""
    words = ["--model", "mine.py:Net", "--dataset", "mine.py:Iris", "model.drop_rate=0.3", "trainer.accelerator=gpu"]
    done = fw("verify", "resume", *words, f"trainer.precision={precision}", "--json")
    assert done.code == 0, done.out + done.err


def test_memory_of_the_gpu_that_runs_out_names_a_batch_size_that_fits(fw, project):
    (project / "large.py").write_text(LARGE)
    words = ["--model", "large.py:Wide", "--dataset", "large.py:Many", "trainer.accelerator=gpu"]
    done = fw("train", *words, "performance.auto=false", "dataset.batch_size=65536", "mlops.tracking.backend=none")
    assert done.code == 1, done.out + done.err
    found = re.search(r"dataset\.batch_size=(\d+)", done.err)
    assert found, done.err
    smaller = [f"dataset.batch_size={found[1]}", "trainer.limit_train_batches=1", "mlops.report=false"]
    done = fw("train", *words, "performance.auto=false", *smaller, "mlops.tracking.backend=none")
    assert done.code == 0, done.err


def test_what_a_gpu_waits_for_is_told(train):
    done = train("trainer.accelerator=gpu", "trainer.profiler=bottleneck")
    assert "verdict   bound by" in done.err, done.err
