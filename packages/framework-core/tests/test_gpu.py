"""Training on an NVIDIA GPU."""

from pathlib import Path

import pytest

from framework_core.training.checkpoint_io import read

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_run_trains_on_the_gpu(train, precision):
    done = train("trainer.accelerator=gpu", "trainer.max_epochs=20", f"trainer.precision={precision}", "--json")
    assert done.code == 0, done.err
    assert done.json["metrics"]["test/accuracy"] > 0.8
    weights = read(Path(done.json["best_checkpoint"]))["state_dict"]
    assert {tensor.device.type for tensor in weights.values()} == {"cuda"}


def test_the_gpu_is_taken_where_there_is_one(train):
    done = train("trainer.accelerator=auto", "--json")
    weights = read(Path(done.json["best_checkpoint"]))["state_dict"]
    assert {tensor.device.type for tensor in weights.values()} == {"cuda"}


def test_a_run_of_the_gpu_is_continued_on_the_cpu(train, fw):
    train("trainer.accelerator=gpu")
    done = fw("train", "--resume", "last", "trainer.accelerator=cpu", "trainer.max_epochs=3")
    assert done.code == 0, done.err


def test_the_use_of_the_gpu_is_recorded(train):
    from mlflow import MlflowClient

    found = train("trainer.accelerator=gpu", "mlops.tracking.system_metrics=true", "--json").json
    metrics = MlflowClient(found["tracking_uri"]).get_run(found["run_id"]).data.metrics
    assert any(name.startswith("system/gpu") for name in metrics)
