"""Shards that FSDP2 in two real processes wrote, by Lightning's own strategy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from framework_core.training.checkpoint_io import read

pytestmark = [pytest.mark.ddp, pytest.mark.drawn("file")]


class Net(LightningModule):
    """Trained alike in two processes that share it, and in one that does not."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        self.register_buffer("count", torch.tensor(7))

    def training_step(self, batch, batch_idx):
        inputs, target = batch
        return nn.functional.cross_entropy(self.model(inputs), target)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)


class Shared(Net):
    def configure_model(self):
        from torch.distributed.fsdp import FSDPModule, fully_shard

        if not isinstance(self.model, FSDPModule):
            mesh = self.device_mesh["data_parallel"]
            fully_shard(self.model[0], mesh=mesh)
            fully_shard(self.model, mesh=mesh)


def trainer(**more):
    silent = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    return Trainer(accelerator="cpu", **silent, **more)


def batches():
    torch.manual_seed(1)
    return DataLoader(TensorDataset(torch.randn(64, 4), torch.randint(0, 3, (64,))), batch_size=8)


def write():
    """In each of the two processes."""
    from lightning.pytorch.strategies import ModelParallelStrategy

    strategy = ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1)
    made = trainer(devices=2, strategy=strategy, max_epochs=1)
    net = Shared()
    made.fit(net, batches())
    made.save_checkpoint("sharded.ckpt")
    whole = {
        name: each.full_tensor() if hasattr(each, "full_tensor") else each for name, each in net.state_dict().items()
    }
    if made.global_rank == 0:
        torch.save(whole, "whole.pt")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", __file__]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture
def shards(written, project):
    shutil.copytree(written / "sharded.ckpt", project / "sharded.ckpt")
    shutil.copy(written / "whole.pt", project)
    return project / "sharded.ckpt"


def test_shards_become_one_file(shards, fw):
    found = fw("checkpoint", "inspect", "sharded.ckpt", "--json").json
    assert (found["kind"], found["step"], found["processes"], found["numbers"]) == ("torch-sharded", 4, 2, 68)
    assert fw("checkpoint", "consolidate", "sharded.ckpt", "-o", "one.safetensors").code == 0
    whole, one = torch.load("whole.pt", weights_only=True), load_file("one.safetensors")
    assert whole.keys() == one.keys()
    assert all(torch.equal(value, one[name]) for name, value in whole.items())
    Net().load_state_dict(one)


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_one_process_goes_on_from_what_two_have_written(shards, fw):
    """The optimizer goes along."""
    assert fw("checkpoint", "convert", "sharded.ckpt", "--to", "lightning", "-o", "one.ckpt").code == 0
    saved = torch.load("one.ckpt", weights_only=True)
    optimizer = Net().configure_optimizers()
    optimizer.load_state_dict(saved["optimizer_states"][0])
    assert [float(each["step"]) for each in optimizer.state.values()] == [4.0] * 4
    net = Net()
    made = trainer(devices=1, max_steps=5)
    made.fit(net, batches(), ckpt_path="one.ckpt", weights_only=True)
    assert made.global_step == 5
    assert fw("checkpoint", "convert", "sharded.ckpt", "--to", "framework", "-o", "ours.ckpt").code == 0
    assert read(Path("ours.ckpt"))["global_step"] == 4


def test_a_shard_that_is_missing_or_short_is_named(shards, fw):
    shard = shards / "__1_0.distcp"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    done = fw("checkpoint", "consolidate", "sharded.ckpt", "-o", "one.safetensors")
    assert (done.code, done.out) == (1, "")
    assert f"is damaged: __1_0.distcp has {len(content) // 2:,} of " in done.err
    shard.unlink()
    assert "is damaged: __1_0.distcp is missing" in fw("checkpoint", "inspect", "sharded.ckpt").err
    shard.write_bytes(bytes(len(content)))
    assert "in __1_0.distcp the part of" in fw("checkpoint", "consolidate", "sharded.ckpt", "-o", "one.safetensors").err
    assert not Path("one.safetensors").exists()


if __name__ == "__main__":
    write()
