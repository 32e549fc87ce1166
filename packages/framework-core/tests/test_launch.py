"""Files by which a cluster starts a training, and what becomes of a training that torchrun started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import kills
import psutil
import pytest
import torch
import yaml
from kubeflow_trainer_api import models

from framework_core.tracking.checkpoints import Facts, newest
from framework_core.tracking.heartbeat import Heartbeat
from framework_core.training.checkpoint_io import read

TWO_NODES = ("distributed.enabled=true", "distributed.devices=4", "distributed.num_nodes=2")
WORDS = ("--model", "mine.py:Net", "--dataset", "mine.py:Iris", *TWO_NODES)
SMALL = (*kills.BASE, "strategy=ddp", "distributed.enabled=true", "distributed.devices=1", "distributed.num_nodes=2")
OPTIONS = {
    "slurm": (),
    "kubernetes": ("--image", "registry.example.com/mine:1", "--storage", "shared"),
    "ray": (),
    "skypilot": ("--gpu", "H100", "--storage", "my-bucket"),
}


@pytest.fixture
def rendered(fw, components):
    def text(engine, *words, options=None):
        done = fw("launch", "--render", engine, *(OPTIONS[engine] if options is None else options), "--", *words)
        assert done.code == 0, done.err
        return done.out

    return text


@pytest.mark.parametrize("engine", OPTIONS)
def test_every_engine_starts_torchrun_on_each_node_and_goes_on_after_a_stop(engine, rendered):
    text = rendered(engine, *WORDS)
    words = text.replace("'", " ").replace(",", " ").replace("- ", " ").split()
    for option, value in (("--nnodes", "2"), ("--nproc-per-node", "4"), ("--resume", "auto"), ("--model", WORDS[1])):
        assert words[words.index(option) + 1] == value
    assert words.count("--resume") == 1


def test_a_job_set_is_what_its_schema_says(rendered):
    given = yaml.safe_load(rendered("kubernetes", *WORDS))
    job_set = models.JobsetV1alpha2JobSet.from_dict(given)
    assert lost(given, job_set.to_dict()) == []
    (group,) = job_set.spec.replicated_jobs
    job = group.template.spec
    assert (job.completions, job.parallelism, job.completion_mode) == (2, 2, "Indexed")
    (container,) = job.template.spec.containers
    # The name of the first pod: job set, group, number of the job, index; and the service that JobSet makes.
    assert f"{job_set.metadata.name}-{group.name}-0-0.{job_set.spec.network.subdomain}:29400" in container.command


def lost(given, kept, path=""):
    """What a schema does not know."""
    if isinstance(given, dict):
        return [
            each
            for key, value in given.items()
            for each in ([f"{path}.{key}"] if key not in kept else lost(value, kept[key], f"{path}.{key}"))
        ]
    if isinstance(given, list):
        return [each for one, other in zip(given, kept, strict=True) for each in lost(one, other, path)]
    return [] if given == kept else [path]


def test_without_gpus_none_are_asked_for(rendered):
    words = (*WORDS, "trainer.accelerator=cpu")
    assert "gpu" not in rendered("slurm", *words)
    assert "gpu" not in rendered("kubernetes", *words)
    assert "accelerators" not in rendered("skypilot", *words, options=())
    assert "GPUS = 2, 4, False" in rendered("ray", *words)


def test_scripts_and_programs_can_be_read(rendered, project):
    (project / "job.sh").write_text(rendered("slurm", *WORDS, "experiment.run_name=it's mine"))
    subprocess.run(["bash", "-n", "job.sh"], check=True)
    compile(rendered("ray", *WORDS), "job.py", "exec")
    task = yaml.safe_load(rendered("skypilot", *WORDS))
    subprocess.run(["bash", "-n", "-c", task["run"] + task["setup"]], check=True)
    assert task["file_mounts"] == {"/training": {"name": "my-bucket", "mode": "MOUNT"}}
    assert "output_dir=/training/runs" in task["run"]


def test_a_file_is_written_once(fw, components, project):
    line = ("launch", "--render", "slurm", "-o", "jobs/net.sh", "--", *WORDS)
    assert fw(*line).code == 0
    before = Path("jobs/net.sh").read_text()
    done = fw(*line)
    assert (done.code, done.out) == (2, "")
    assert "Nothing was written, because jobs/net.sh is there already." in done.err
    assert Path("jobs/net.sh").read_text() == before


@pytest.mark.parametrize(
    ("options", "words", "said"),
    [
        (("--render", "slurm"), WORDS[:5], "distributed.devices: how many devices a node has must be a number"),
        (("--render", "slurm"), (*WORDS, "optimizer.lr=-1"), "optimizer.lr: must be more than 0"),
        (("--render", "slurm"), (*WORDS, "--bogus"), "fw train has no option '--bogus'"),
        (("--render", "slurm"), (*WORDS, "--dry-run"), "--render and --dry-run cannot stand together"),
        (("--render", "slurm", "--gpu", "A100"), WORDS, "a file for slurm has no place for it"),
        (("--render", "kubernetes"), WORDS, "fw launch needs --image"),
        (("--render", "skypilot"), WORDS, "fw launch needs --gpu"),
        (("--render", "pbs"), WORDS, "There are slurm, kubernetes, ray, skypilot."),
    ],
)
def test_what_cannot_be_started_is_refused(options, words, said, fw, components):
    done = fw("launch", *options, "--", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


@pytest.fixture
def noisy(project):
    shutil.copy(Path(__file__).with_name("components.py"), project)
    (project / "noisy.py").write_text(kills.COMPONENTS)
    return project


def agents(folder, *more):
    """Two agents of torchrun, as on two nodes."""
    meet = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{kills.free_port()}")
    start = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", *meet]
    start += ["--max-restarts", "2", "-m", "framework_core", "train", *SMALL, *more]
    started = []
    for number in (0, 1):
        with (folder / f"{number}.log").open("w") as log:
            started.append(
                subprocess.Popen(
                    start, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=log, stderr=subprocess.STDOUT
                )
            )
    return started


def ended(processes, folder):
    try:
        codes = [process.wait(timeout=200) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert codes == [0, 0], "\n".join((folder / f"{number}.log").read_text()[-3000:] for number in (0, 1))


def at_step(folder, step, within=120):
    """Wait for a checkpoint of a step."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        facts = Facts.read(folder / "runs" / "run" / "checkpoints" / "last.ckpt")
        if facts is not None and facts.global_step >= step:
            return
        time.sleep(0.05)
    raise AssertionError("there is no such checkpoint")


def last_state(folder):
    path, _ = newest(folder / "runs" / "run" / "checkpoints", thoroughly=True)
    return read(path)


@pytest.mark.long
@pytest.mark.ddp
@pytest.mark.drawn
def test_a_worker_that_is_killed_is_started_again_and_the_run_ends_as_one_that_was_not(noisy):
    """Two agents, as on two nodes; each process of them that dies is started again, with those that wait for it."""
    straight, killed = noisy / "straight", noisy / "killed"
    for folder in (straight, killed):
        folder.mkdir()
        for name in ("components.py", "noisy.py"):
            shutil.copy(noisy / name, folder)
    undisturbed, processes = (agents(folder, "trainer.max_epochs=12") for folder in (straight, killed))
    at_step(killed, 6)
    (worker,) = psutil.Process(processes[0].pid).children()
    worker.send_signal(signal.SIGKILL)
    ended(processes, killed)
    ended(undisturbed, straight)
    assert [each.name for each in (killed / "runs").iterdir()] == ["run"]
    whole, mended = last_state(straight), last_state(killed)
    assert mended["global_step"] == whole["global_step"] == 144  # 12 epochs of 90 samples in batches of 8
    assert whole["state_dict"].keys() == mended["state_dict"].keys()
    assert all(torch.equal(value, mended["state_dict"][name]) for name, value in whole["state_dict"].items())
    logs = [(killed / f"{number}.log").read_text() for number in (0, 1)]
    assert sum(log.count("goes on   run, ") for log in logs) == 1


def test_more_processes_than_train_together_are_refused_and_nothing_is_written(train, monkeypatch):
    """In the environment that torchrun gives to one of two processes."""
    told = {"TORCHELASTIC_RUN_ID": "night", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    done = train()
    assert (done.code, done.out) == (2, "")
    assert "torchrun has started 2 processes, and these settings train in 1" in done.err
    assert "distributed.enabled=true distributed.devices=2" in done.err
    assert not Path("runs").exists()


def test_a_run_whose_job_was_started_again_elsewhere_is_not_alive(project, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_JOB", "night")
    heartbeat = Heartbeat(project)
    heartbeat.write()
    assert heartbeat.is_alive()
    written = json.loads(heartbeat.path.read_text())
    heartbeat.path.write_text(json.dumps({**written, "host": "another"}))
    assert not heartbeat.is_alive()
    monkeypatch.setenv("FRAMEWORK_JOB", "day")
    assert heartbeat.is_alive()


SRUN = """#!/bin/bash
while [ "${1#--}" != "$1" ]; do shift; done
for node in 0 1; do
    setsid "$@" & echo $! >> steps
done
code=0
for step in $(cat steps); do wait "$step" || code=$?; done
rm steps
exit $code
"""
SCANCEL = '#!/bin/bash\nfor step in $(cat steps); do pkill -TERM -s "$step"; done\n'
SCONTROL = '#!/bin/bash\nif [ "$1" = show ]; then echo localhost; else echo "$@" >> queued; fi\n'


@pytest.mark.thorough
def test_a_job_of_slurms_that_runs_out_of_time_is_queued_again_and_goes_on(noisy, fw, monkeypatch):
    """Slurm's three commands are scripts that do here what it does on two nodes; the job and the training are real."""
    programs = noisy / "programs"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("scancel", SCANCEL), ("scontrol", SCONTROL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", str(kills.free_port()))
    monkeypatch.setenv("SLURM_JOB_NODELIST", "localhost")
    assert fw("launch", "--render", "slurm", "-o", "job.sh", "--", *SMALL, "trainer.max_epochs=60").code == 0
    job = subprocess.Popen(["bash", "job.sh"])
    at_step(noisy, 4)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(timeout=120) != 0
    assert (noisy / "queued").read_text() == f"requeue {os.environ['SLURM_JOB_ID']}\n"
    stopped = last_state(noisy)["global_step"]
    assert stopped < 720
    assert subprocess.run(["bash", "job.sh"], check=False, timeout=200).returncode == 0
    assert [each.name for each in (noisy / "runs").iterdir()] == ["run"]
    assert last_state(noisy)["global_step"] == 720  # 60 epochs of 90 samples in batches of 8


@pytest.mark.thorough
def test_a_task_is_what_skypilot_reads(rendered, project):
    (project / "task.yaml").write_text(rendered("skypilot", *WORDS))
    program = "import sky; task = sky.Task.from_yaml('task.yaml'); print(task.num_nodes, task.resources)"
    command = ["uv", "run", "--no-project", "--with", "skypilot", "python", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 ")
    assert "'H100': 4" in done.stdout
