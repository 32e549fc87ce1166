"""Checkpoints on disk: whole or not there, checked, with the one before in place of a damaged one."""

import json
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from framework_core.errors import CheckpointError
from framework_core.tracking.checkpoints import Facts, clean, damage, newest
from framework_core.training.checkpoint_io import CheckpointFolders, read, read_weights


def state(step, size=4):
    weight = torch.full((size,), float(step))
    loop = {"state_dict": {"position": {"epoch": step, "batch": 0}}}
    return {
        "state_dict": {"b": weight, "a": torch.ones(2, 3).t(), "tied": weight, "extra": {"count": step}},
        "global_step": step,
        "optimizer_states": [{"state": {0: {"exp_avg": weight * 2}}}],
        "loops": {"fit_loop": loop},
    }


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_was_written_is_read_in_its_order_with_tied_tensors(folder, asynchronous):
    writer = CheckpointFolders(asynchronous=asynchronous)
    writer.save_checkpoint(state(1), folder / "last.ckpt")
    writer.teardown()
    found = read(folder / "last.ckpt")
    assert list(found["state_dict"]) == ["b", "a", "tied", "extra"]
    assert torch.equal(found["state_dict"]["tied"], torch.ones(4))
    assert torch.equal(found["state_dict"]["a"], torch.ones(3, 2))
    assert found["state_dict"]["extra"] == {"count": 1}
    assert torch.equal(found["optimizer_states"][0]["state"][0]["exp_avg"], torch.full((4,), 2.0))
    assert read_weights(folder / "last.ckpt")["extra"] == {"count": 1}
    assert set(load_file(folder / "last.ckpt" / "weights.safetensors")) == {"a", "b"}
    assert torch.load(folder / "last.ckpt" / "state.pt", weights_only=True)["global_step"] == 1


def test_training_that_goes_on_does_not_change_what_is_being_written(folder):
    writer, content = CheckpointFolders(asynchronous=True), state(1, size=1_000_000)
    writer.save_checkpoint(content, folder / "last.ckpt")
    content["state_dict"]["b"].fill_(7)
    content["optimizer_states"][0]["state"][0]["exp_avg"].fill_(7)
    writer.teardown()
    found = read(folder / "last.ckpt")
    assert float(found["state_dict"]["b"].max()) == 1
    assert float(found["optimizer_states"][0]["state"][0]["exp_avg"].max()) == 2


def test_so_many_of_the_newest_are_kept(folder):
    writer = CheckpointFolders(keep_last=3)
    for step in range(5):
        writer.save_checkpoint(state(step), folder / "last.ckpt")
    assert names(folder) == ["last-step2.ckpt", "last-step3.ckpt", "last.ckpt"]
    assert Facts.read(folder / "last.ckpt").global_step == 4


def test_younger_ones_are_kept_besides_where_that_was_asked_for(folder):
    writer = CheckpointFolders(keep_last=1, keep_hours=1)
    for step in range(3):
        writer.save_checkpoint(state(step), folder / "last.ckpt")
    old = folder / "last-step0.ckpt" / "checkpoint.json"
    facts = json.loads(old.read_text())
    old.write_text(json.dumps({**facts, "written": facts["written"] - 4000}))
    writer.save_checkpoint(state(3), folder / "last.ckpt")
    assert names(folder) == ["last-step1.ckpt", "last-step2.ckpt", "last.ckpt"]


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: (path / "weights.safetensors").unlink(), "weights.safetensors is missing"),
        (lambda path: (path / "state.pt").write_bytes(b"x"), "state.pt has 1 of "),
        (lambda path: flip(path / "weights.safetensors"), "the content of weights.safetensors is not what was written"),
        (lambda path: (path / "checkpoint.json").write_text("{"), "its checkpoint.json cannot be read"),
    ],
)
def test_a_damaged_one_is_refused_and_the_one_before_is_taken(folder, harm, said):
    writer = CheckpointFolders()
    for step in (1, 2):
        writer.save_checkpoint(state(step), folder / "last.ckpt")
    harm(folder / "last.ckpt")
    assert said in damage(folder / "last.ckpt")
    found, damaged = newest(folder, thoroughly=True)
    assert found == folder / "last-step1.ckpt"
    assert all(said in wrong for wrong in damaged.values())
    with pytest.raises(CheckpointError, match="is damaged"):
        read(folder / "last.ckpt")
    writer.save_checkpoint(state(3), folder / "last.ckpt")
    assert newest(folder, thoroughly=True)[0] == folder / "last.ckpt"


def test_what_a_killed_writer_left_is_taken_away(folder):
    writer = CheckpointFolders()
    writer.save_checkpoint(state(1), folder / "last.ckpt")
    writer.save_checkpoint(state(1), folder / "best.ckpt")
    shutil.copytree(folder / "last.ckpt", folder / ".last.ckpt.writing")
    shutil.copytree(folder / "last.ckpt", folder / ".gone.ckpt.deleting")
    (folder / "best.ckpt").rename(folder / ".best.ckpt.replaced")
    clean(folder)
    assert names(folder) == ["best.ckpt", "last.ckpt"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_full_disk_leaves_the_last_one_and_is_said(folder, asynchronous):
    writer = CheckpointFolders(asynchronous=asynchronous)
    writer.save_checkpoint(state(1), folder / "last.ckpt")
    writer.teardown()

    def save_another():
        writer.save_checkpoint(state(2, size=1_000_000), folder / "last.ckpt")
        writer.teardown()

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(CheckpointError) as caught:
            save_another()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "cannot be written: the disk is full" in caught.value.what
    assert str(folder / "last.ckpt") in caught.value.possible
    assert names(folder) == ["last.ckpt"]
    assert read(folder / "last.ckpt")["global_step"] == 1


def test_what_has_no_plain_form_is_left_out_and_named(folder, caplog):
    content = state(1) | {"callbacks": {"Mine": {"path": Path("a"), "thing": object(), "kept": [1, (2,)]}}}
    CheckpointFolders().save_checkpoint(content, folder / "last.ckpt")
    assert read(folder / "last.ckpt")["callbacks"] == {"Mine": {"path": "a", "kept": [1, (2,)]}}
    assert "callbacks.Mine.thing is not in the checkpoint" in caplog.text


def test_a_file_of_lightning_is_read_as_ever(tmp_path):
    torch.save(state(3), tmp_path / "last.ckpt")
    assert read(tmp_path / "last.ckpt")["global_step"] == 3
    assert newest(tmp_path)[0] == tmp_path / "last.ckpt"
