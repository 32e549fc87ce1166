"""A program of Ray Train's (https://docs.ray.io/en/latest/train): one worker a node, and torchrun in it."""

from __future__ import annotations

from framework_core.launching.job import Job

PORT = 29400

_PROGRAM = '''\
"""Start it on a cluster of Ray's: ray job submit --working-dir . -- python FILE"""

import os
import subprocess
import uuid

import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

NODES, DEVICES, GPUS = {nodes}, {devices}, {gpus}
FOLDER = os.getcwd()
JOB = "{name}-" + uuid.uuid4().hex[:8]
WORDS = [
{words}
]


def train() -> None:
    """Be a node: torchrun starts a process for each device, and they find those of the other nodes."""
    first, here = os.environ["MASTER_ADDR"], ray.train.get_context().get_world_rank()
    command = ["torchrun", "--rdzv-conf", f"is_host={{here == 0}}", *(word.replace("$head", first) for word in WORDS)]
    # Ray's own numbering is of workers, and torchrun's of processes.
    own = {{"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"}}
    environment = {{name: value for name, value in os.environ.items() if name not in own}}
    subprocess.run(command, cwd=FOLDER, env=environment | {{"FRAMEWORK_JOB": JOB}}, check=True)


if __name__ == "__main__":
    # Runs are in FOLDER, which every node has to share.
    TorchTrainer(
        train,
        scaling_config=ScalingConfig(
            num_workers=NODES,
            use_gpu=GPUS,
            resources_per_worker={{"GPU": DEVICES}} if GPUS else {{"CPU": DEVICES}},
            placement_strategy="SPREAD",
        ),
        run_config=RunConfig(name=JOB, failure_config=FailureConfig(max_failures={starts})),
    ).fit()
'''
STARTS = 20
"""How often the whole is started again when a node is lost."""


def ray(job: Job) -> str:
    """The program of a job."""
    given = job.torchrun(rdzv_id=job.name, endpoint=f"$head:{PORT}")
    words = "\n".join(f"    {word!r}," for word in given[1:])
    return _PROGRAM.format(
        nodes=job.nodes, devices=job.devices, gpus=job.gpus, words=words, name=job.name, starts=STARTS
    )
