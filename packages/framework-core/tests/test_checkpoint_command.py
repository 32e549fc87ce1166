"""``fw checkpoint``: what is in a checkpoint of any kind, one file of weights, one kind made of another."""

from __future__ import annotations

import os
import pickle
import shutil
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from safetensors.torch import load_file, save_file

from framework_core.tracking.lookup import find_run
from framework_core.training.checkpoint_io import read


class Marker:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("it-ran",))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The newest checkpoint of a run."""
    from framework_core.config.compose import compose
    from framework_core.run import train

    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(Path(__file__).with_name("components.py"), folder / "mine.py")
    words = [f"model={folder}/mine.py:Net", f"dataset={folder}/mine.py:Iris", f"output_dir={folder}/runs"]
    words += ["trainer.max_epochs=2", "trainer.accelerator=cpu", "mlops.tracking.backend=none", "mlops.report=false"]
    return train(compose([*words, "experiment.run_name=run"]).config).run.directory


@pytest.fixture
def run(trained, project):
    """A run in the working directory."""
    shutil.copytree(trained, project / "runs" / "run")
    return find_run("run", output_dir=Path("runs")).last_checkpoint


def facts(fw, *words):
    done = fw("checkpoint", "inspect", *words, "--json")
    assert done.code == 0, done.err
    return done.json


def test_a_run_names_its_newest_checkpoint(run, fw):
    found = facts(fw, "run")
    assert Path(found["path"]) == run
    assert (found["kind"], found["epoch"], found["step"], found["processes"]) == ("framework", 2, 12, 1)
    assert (found["tensors"], found["numbers"], found["dtypes"]) == (4, 131, ["float32"])
    assert found["rest"][:2] == ["optimizer", "lr_schedulers"]
    assert found["weights"]["model.0.weight"] == {"shape": [16, 4], "dtype": "float32"}
    shown = fw("checkpoint", "inspect", "run", "--keys")
    assert "4 tensors, 131 numbers, float32" in shown.out
    assert ["model.0.weight", "16x4", "float32"] in [line.split() for line in shown.out.splitlines()]


def test_a_checkpoint_becomes_one_of_lightnings_and_comes_back(run, fw, project):
    assert fw("checkpoint", "convert", "run", "--to", "lightning", "-o", "one.ckpt").code == 0
    assert facts(fw, "one.ckpt")["kind"] == "lightning"
    assert fw("checkpoint", "convert", "one.ckpt", "--to", "framework", "-o", "back.ckpt").code == 0
    before, after = read(run), read(project / "back.ckpt")
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after["state_dict"][name]) for name, value in before["state_dict"].items())
    moments, kept = before["optimizer_states"][0]["state"], after["optimizer_states"][0]["state"]
    assert all(torch.equal(value, kept[number][key]) for number, each in moments.items() for key, value in each.items())


def test_a_run_goes_on_from_a_checkpoint_that_was_converted_twice(run, fw, project):
    fw("checkpoint", "convert", "run", "--to", "lightning", "-o", "one.ckpt")
    shutil.rmtree(run)
    assert fw("checkpoint", "convert", "one.ckpt", "--to", "framework", "-o", str(run)).code == 0
    done = fw("train", "--resume", "run", "trainer.max_epochs=3", "--json")
    assert done.code == 0, done.err
    assert read(Path(done.json["last_checkpoint"]))["global_step"] == 18


@pytest.mark.parametrize(
    "wrapped",
    [
        "module.{}",
        "module.module.{}",
        "_orig_mod.{}",
        "module._orig_mod.{}",
        "_forward_module.{}",
        "_fsdp_wrapped_module._checkpoint_wrapped_module.{}",
    ],
)
def test_names_lose_what_wrappers_put_into_them(wrapped, fw):
    weights = {"stem.weight": torch.arange(6.0).view(2, 3), "module_list.0.bias": torch.ones(2)}
    torch.save({wrapped.format(name): value for name, value in weights.items()}, "wrapped.pt")
    assert facts(fw, "wrapped.pt")["kind"] == "torch"
    assert fw("checkpoint", "consolidate", "wrapped.pt", "-o", "clean.safetensors").code == 0
    found = load_file("clean.safetensors")
    assert found.keys() == weights.keys()
    assert all(torch.equal(value, found[name]) for name, value in weights.items())


def test_a_part_of_the_model_that_is_called_module_keeps_its_name(fw):
    torch.save({"module.weight": torch.ones(2), "head.weight": torch.ones(2)}, "named.pt")
    fw("checkpoint", "consolidate", "named.pt", "-o", "named.safetensors")
    assert set(load_file("named.safetensors")) == {"module.weight", "head.weight"}


def test_names_that_would_be_one_are_refused(fw):
    torch.save({"_orig_mod.a": torch.ones(2), "a": torch.zeros(2)}, "twice.pt")
    done = fw("checkpoint", "consolidate", "twice.pt", "-o", "twice.safetensors")
    assert (done.code, done.out) == (1, "")
    assert "has two weights that would be a: _orig_mod.a and a" in done.err
    assert not Path("twice.safetensors").exists()


def test_weights_that_share_memory_are_written_each(fw):
    tied = torch.ones(3, 2)
    torch.save({"embed.weight": tied, "head.weight": tied, "row": tied[1]}, "tied.pt")
    assert fw("checkpoint", "consolidate", "tied.pt", "-o", "tied.safetensors").code == 0
    found = load_file("tied.safetensors")
    assert torch.equal(found["head.weight"], tied)
    assert torch.equal(found["row"], tied[1])


def test_a_folder_of_torchs_own_is_read_without_lightning(fw):
    weights = {"stem.weight": torch.arange(6.0).view(2, 3), "steps": torch.tensor(3)}
    with pytest.warns(UserWarning, match="single process"):
        dcp.save({"model": weights, "optimizer": {"lr": 0.1}}, checkpoint_id="sharded", no_dist=True)
    assert facts(fw, "sharded")["kind"] == "torch-sharded"
    assert fw("checkpoint", "consolidate", "sharded", "-o", "whole.safetensors").code == 0
    found = load_file("whole.safetensors")
    assert found.keys() == weights.keys()
    assert all(torch.equal(value, found[name]) for name, value in weights.items())


def flat(weights, ranks):
    """End to end, filled up for so many pieces of one length."""
    whole = torch.cat([value.flatten() for value in weights.values()])
    return torch.cat([whole, torch.zeros(-len(whole) % ranks)]).chunk(ranks)


def zero_2(folder, weights, frozen, ranks=2):
    """As ZeRO 2 writes it: whole weights of the forward pass, and pieces of those that are trained."""
    folder.mkdir(parents=True)
    shapes = OrderedDict((name, value.shape) for name, value in weights.items())
    module = {name: value.half().float() for name, value in weights.items()} | frozen
    state = {"module": {f"module.{name}": value for name, value in module.items()}, "global_steps": 5}
    state |= {"param_shapes": [OrderedDict((f"module.{name}", shape) for name, shape in shapes.items())]}
    torch.save(
        state | {"dp_world_size": ranks, "ds_config": {"zero_optimization": {"stage": 2}}},
        folder / "mp_rank_00_model_states.pt",
    )
    for rank, piece in enumerate(flat(weights, ranks)):
        optimizer = {"single_partition_of_fp32_groups": [piece.clone()], "partition_count": [ranks], "zero_stage": 2}
        torch.save({"optimizer_state_dict": optimizer}, folder / f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt")


def zero_3(folder, weights, frozen, ranks=3):
    """As ZeRO 3 writes it: pieces of everything, and nothing whole but buffers."""
    folder.mkdir(parents=True)

    def pieces(value):
        return torch.cat([value.flatten(), torch.zeros(-value.numel() % ranks)]).chunk(ranks)

    for rank in range(ranks):
        state = {"module": {name: torch.empty(0) for name in {**weights, **frozen}}, "global_steps": 5}
        state["param_shapes"] = [OrderedDict((name, value.shape) for name, value in weights.items())]
        state["frozen_param_shapes"] = OrderedDict((name, value.shape) for name, value in frozen.items())
        state["frozen_param_fragments"] = {name: pieces(value)[rank].clone() for name, value in frozen.items()}
        torch.save(state, folder / f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt")
        parts = torch.cat([pieces(value)[rank] for value in weights.values()])
        optimizer = {"fp32_flat_groups": [parts], "partition_count": ranks, "zero_stage": 3}
        torch.save({"optimizer_state_dict": optimizer}, folder / f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt")


@pytest.fixture
def weights():
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator) for name, shape in (("a", (3, 5)), ("b", (7,)), ("c", (2, 2)))
    }


@pytest.mark.parametrize(("write", "detail", "ranks"), [(zero_2, "ZeRO 2", 2), (zero_3, "ZeRO 3", 3)])
def test_what_deepspeed_cut_is_put_together(write, detail, ranks, weights, fw, project):
    """Files as DeepSpeed 0.19 lays them out."""
    frozen = {"f": torch.arange(5.0)}
    write(project / "zero" / "global_step5", weights, frozen)
    (project / "zero" / "latest").write_text("global_step5")
    found = facts(fw, "zero")
    assert (found["kind"], found["detail"], found["step"], found["processes"]) == ("deepspeed", detail, 5, ranks)
    assert fw("checkpoint", "consolidate", "zero", "-o", "whole.safetensors").code == 0
    whole = load_file("whole.safetensors")
    assert whole.keys() == {**weights, **frozen}.keys()
    assert all(torch.equal(value, whole[name]) for name, value in {**weights, **frozen}.items())


@pytest.mark.parametrize(("write", "rank"), [(zero_2, 1), (zero_3, 2)])
def test_a_missing_piece_of_deepspeeds_is_named(write, rank, weights, fw, project):
    write(project / "zero", weights, {})
    gone = f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
    (project / "zero" / gone).unlink()
    done = fw("checkpoint", "consolidate", "zero", "-o", "whole.safetensors")
    assert (done.code, done.out) == (1, "")
    assert f"is damaged: {gone} is missing" in done.err
    assert not Path("whole.safetensors").exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torch.save({"state_dict": {"a": torch.ones(2)}, "x": Marker()}, "bad"), "is not read: it has a"),
        (lambda: Path("bad").write_bytes(b"no checkpoint at all"), "is damaged"),
        (lambda: Path("bad").write_bytes(b""), "is empty"),
        (lambda: Path("bad").mkdir(), "is of no kind that is known"),
        (lambda: torch.save({"epoch": 3}, "bad"), "has no weights"),
        (lambda: torch.save([1, 2], "bad"), "it holds a list"),
        (lambda: (Path("bad").mkdir(), Path("bad/.metadata").write_bytes(pickle.dumps(Marker()))), "is not read"),
        (lambda: (Path("bad").mkdir(), Path("bad/.metadata").write_bytes(b"junk")), ".metadata cannot be read"),
        (lambda: (Path("bad").mkdir(), Path("bad/__0_0.distcp").write_bytes(b"x")), ".metadata is missing"),
    ],
)
def test_what_is_no_checkpoint_is_told_and_runs_nothing(make, said, fw):
    make()
    done = fw("checkpoint", "inspect", "bad")
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert not Path("it-ran").exists()


def test_a_damaged_one_of_ours_and_a_cut_safetensors_file_are_told(run, fw):
    (run / "weights.safetensors").write_bytes(b"x" * 200)
    done = fw("checkpoint", "consolidate", str(run), "-o", "whole.safetensors")
    assert (done.code, done.out) == (1, "")
    assert "is damaged: weights.safetensors has 200 of" in done.err
    save_file({"a": torch.ones(200)}, "cut.safetensors")
    Path("cut.safetensors").write_bytes(Path("cut.safetensors").read_bytes()[:-100])
    done = fw("checkpoint", "inspect", "cut.safetensors")
    assert (done.code, done.out) == (1, "")
    assert "The checkpoint cut.safetensors is damaged" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("inspect", "nothing"), "There is no run 'nothing'"),
        (("inspect", "no/thing"), "there is no such file or folder"),
        (("consolidate", "some.pt", "-o", "some.ckpt"), "its ending is not .safetensors"),
        (("consolidate", "some.pt", "-o", "there.safetensors"), "there.safetensors is there already"),
        (("convert", "some.pt", "--to", "lightning", "-o", "other.ckpt"), "is of the kind torch"),
        (("convert", "some.pt", "--to", "bogus", "-o", "other.ckpt"), "There are framework, lightning."),
    ],
)
def test_what_cannot_be_done_is_refused(words, said, fw):
    torch.save({"a": torch.ones(2)}, "some.pt")
    Path("there.safetensors").touch()
    done = fw("checkpoint", *words)
    assert done.code in (1, 2)
    assert done.out == ""
    assert said in done.err
