"""Checkpoints of which each process writes its part, and going on from the middle of an epoch in other processes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from framework_core.tracking.checkpoints import damage, newest
from framework_core.training.checkpoint_io import read

pytestmark = [pytest.mark.ddp, pytest.mark.drawn("file")]

HERE = Path(__file__).parent
QUIET = (
    "trainer.accelerator=cpu",
    "trainer.max_epochs=3",
    "mlops.report=false",
    "mlops.tracking.backend=none",
    "preflight=false",
    "checkpoint.every_n_train_steps=4",
    "checkpoint.keep_last=30",
)
PARTS = "checkpoint.sharded=true"
WITH_DEEPSPEED = pytest.mark.skipif(find_spec("deepspeed") is None, reason="DeepSpeed is not installed")


def together(count):
    return ("distributed.enabled=true", f"distributed.devices={count}")


ALONE = ("distributed.enabled=false", "strategy=auto")


def losses(file):
    return dict(json.loads(line) for line in file.read_text().splitlines())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs of three epochs of six steps that nobody stopped, with a checkpoint at each fourth step."""
    made = {}

    def of(strategy, *words):
        if strategy not in made:
            folder = tmp_path_factory.mktemp(strategy)
            shutil.copy(HERE / "components.py", folder / "mine.py")
            shutil.copy(HERE / "parts.py", folder)
            chosen = ["-m", "parts.py:Told", "-d", "mine.py:Iris", *QUIET, f"strategy={strategy}", *words]
            command = [sys.executable, "-m", "framework_core", "train", *chosen, "experiment.run_name=a"]
            environment = {**os.environ, "LOSSES": str(folder / "losses.txt")}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            made[strategy] = folder
        return made[strategy]

    return of


@pytest.fixture
def stopped(trained, project, monkeypatch):
    """A copy of such a run, as it stood when a checkpoint was written."""

    def at(step, strategy, *words):
        shutil.copytree(trained(strategy, *words), project, dirs_exist_ok=True)
        (project / "losses.txt").unlink()
        monkeypatch.setenv("LOSSES", str(project / "losses.txt"))
        for path in Path("runs/a/checkpoints").iterdir():
            if path.name != f"last-step{step}.ckpt":
                shutil.rmtree(path)
        return Path(f"runs/a/checkpoints/last-step{step}.ckpt")

    return at


@pytest.fixture
def goes_on(trained, fresh):
    """Continue it, and hold each step against that of the run that nobody stopped."""

    def hold(strategy, step, *words):
        done = fresh("train", "--resume", "a", *words)
        assert done.code == 0, done.err
        found, wanted = losses(Path("losses.txt")), losses(trained(strategy) / "losses.txt")
        assert sorted(found) == list(range(step + 1, 19))
        assert [*found.values()] == pytest.approx([wanted[each] for each in found], abs=1e-5)
        return done

    return hold


@pytest.mark.some_of(1)
@pytest.mark.parametrize("step", [8, 12])
@pytest.mark.parametrize(
    "words", [together(2), together(4), ALONE, ("strategy=ddp", *together(2)), ("strategy=fsdp", *together(2))]
)
def test_a_run_goes_on_from_parts_in_other_processes(step, words, stopped, goes_on):
    path = stopped(step, "fsdp2", *together(2), PARTS)
    assert {each.name for each in path.glob("*.distcp")} == {"__0_0.distcp", "__1_0.distcp"}
    goes_on("fsdp2", step, *words)


@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize("then", ["same", "fsdp2", "alone"])
@pytest.mark.parametrize(
    "strategy", ["fsdp", *(pytest.param(f"deepspeed_stage_{n}", marks=WITH_DEEPSPEED) for n in (2, 3))]
)
def test_strategies_that_keep_many_tensors_as_one_write_parts_too(strategy, then, stopped, goes_on):
    stopped(8, strategy, *together(2), PARTS)
    words = {"same": (), "fsdp2": ("strategy=fsdp2",), "alone": ALONE}[then]
    goes_on(strategy, 8, *words)


@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 2), (2, 1)])
def test_in_the_middle_of_an_epoch_another_number_of_processes_takes_the_same_batches(
    before, after, trained, stopped, goes_on
):
    stopped(8, "ddp", *together(before))
    goes_on("ddp", 8, *(together(after) if after > 1 else ALONE))


def test_one_process_looks_into_parts_and_makes_one_file_of_them(stopped, fw):
    path = stopped(12, "fsdp2", *together(2), PARTS)
    shown = fw("checkpoint", "inspect", path)
    assert "kind       framework, in 2 parts" in shown.out
    whole = read(path)
    assert fw("checkpoint", "consolidate", path, "-o", "weights.safetensors").code == 0
    found = load_file("weights.safetensors")
    assert found.keys() == whole["state_dict"].keys()
    assert all(torch.equal(value, whole["state_dict"][name]) for name, value in found.items())
    assert fw("checkpoint", "convert", path, "--to", "framework", "-o", "whole.ckpt").code == 0
    (state,), (wanted,) = read(Path("whole.ckpt"))["optimizer_states"], whole["optimizer_states"]
    assert state["param_groups"] == wanted["param_groups"]
    assert all(torch.equal(state["state"][n]["exp_avg"], each["exp_avg"]) for n, each in wanted["state"].items())
    assert len(wanted["state"]) == 4
    Path("flower.txt").write_text("5.1 3.5 1.4 0.2")
    assert fw("predict", "a", "flower.txt").code == 0
    evaluated = fw("evaluate", "a", "--json")
    assert evaluated.code == 0, evaluated.err


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda part: part.unlink(), "__1_0.distcp is missing"),
        (lambda part: part.write_bytes(part.read_bytes()[:-1]), "__1_0.distcp has "),
        (lambda part: part.write_bytes(b"x" + part.read_bytes()[1:]), "the content of __1_0.distcp is not what was"),
    ],
)
def test_a_damaged_part_is_named_and_the_checkpoint_before_is_taken(harm, said, stopped, trained, fw):
    path = stopped(12, "fsdp2", *together(2), PARTS)
    shutil.copytree(trained("fsdp2") / "runs/a/checkpoints/last-step8.ckpt", path.with_name("last-step8.ckpt"))
    harm(path / "__1_0.distcp")
    assert said in damage(path)
    assert said in fw("checkpoint", "inspect", path).err
    done = fw("train", "--resume", "a", *ALONE)
    assert done.code == 0, done.err
    assert f"last-step12.ckpt is damaged: {said}" in done.err
    assert min(losses(Path("losses.txt"))) == 9


@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize("seen", ["__0_0.distcp", "__1_0.distcp", ".metadata", "checkpoint.json"])
def test_a_kill_in_the_middle_of_writing_leaves_the_checkpoint_before(seen, program, fw, components, monkeypatch):
    shutil.copy(HERE / "parts.py", ".")
    monkeypatch.setenv("LOSSES", str(Path("losses.txt").resolve()))
    words = ("-m", "parts.py:Told", "-d", "mine.py:Iris", *QUIET, "strategy=fsdp2", *together(2), PARTS)
    longer = ("scheduler=constant", "trainer.max_epochs=100", "checkpoint.every_n_train_steps=1")
    killed = program("train", *words, *longer, "experiment.run_name=a")
    folder = Path("runs/a/checkpoints")
    until = time.monotonic() + 60
    while not ((folder / "last-step3.ckpt").exists() and (folder / f".last.ckpt.writing/{seen}").exists()):
        assert killed.poll() is None
        assert time.monotonic() < until
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    found, damaged = newest(folder, thoroughly=True)
    assert found is not None
    assert damaged == {}
    before = losses(Path("losses.txt"))
    Path("losses.txt").unlink()
    epochs = read(found)["epoch"] + 2
    done = fw("train", "--resume", "a", *ALONE, f"trainer.max_epochs={epochs}")
    assert done.code == 0, done.err
    after = losses(Path("losses.txt"))
    assert max(after) == 6 * epochs
    assert not list(folder.glob(".*"))
    both = before.keys() & after.keys()
    assert [before[step] for step in both] == pytest.approx([after[step] for step in both], abs=1e-5)


@pytest.mark.drawn
def test_a_disk_that_is_full_for_one_part_ends_the_run_and_says_so(fresh, components):
    def little_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    words = ("-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET, "model.width=20000", "strategy=fsdp2", *together(2))
    done = fresh("train", *words, PARTS, preexec_fn=little_room)
    assert done.code == 1
    assert "cannot be written: the disk is full." in done.err
    assert "Traceback" not in done.err


def test_where_nothing_is_sharded_a_checkpoint_is_whole_and_that_is_said(fw, components):
    done = fw("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET, PARTS, "experiment.run_name=a")
    assert done.code == 0, done.err
    assert done.err.count("sharded   no checkpoint is: one device keeps everything  else: strategy=fsdp2") == 1
    assert (Path("runs/a/checkpoints/last.ckpt") / "weights.safetensors").is_file()
