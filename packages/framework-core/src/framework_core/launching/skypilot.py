"""A task of SkyPilot's (https://docs.skypilot.co/en/latest/reference/yaml-spec.html)."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import yaml

from framework_core.launching.job import Job

PORT, FOLDER = 29400, "/training"


def skypilot(job: Job) -> str:
    """The task of a job: the folder it is started in goes to every node; runs go to the bucket, where there is one."""
    if job.storage and not any(word.startswith("output_dir=") for word in job.words):
        job = _in(FOLDER, job)
    task: dict[str, Any] = {"name": job.name, "num_nodes": job.nodes, "workdir": "."}
    if job.gpus:
        task["resources"] = {"accelerators": f"{job.gpu}:{job.devices}"}
    if job.storage:
        task["file_mounts"] = {FOLDER: {"name": job.storage, "mode": "MOUNT"}}
    task["envs"] = {"OMP_NUM_THREADS": "1"}
    task["setup"] = f"pip install {shlex.join(job.packages)}\n"
    task["run"] = _run(job)
    start = "sky jobs launch FILE" if job.storage else "sky launch FILE"
    return f"# Start it: {start}\n{yaml.dump(task, Dumper=_Dumper, sort_keys=False, width=1000)}"


class _Dumper(yaml.SafeDumper):
    """Writes scripts line by line."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _in(folder: str, job: Job) -> Job:
    return replace(job, words=(*job.words, f"output_dir={folder}/runs"))


def _run(job: Job) -> str:
    # The same when the task is started again, on whatever machines.
    task, meet = "$SKYPILOT_TASK_ID", f"$head:{PORT}"
    command = job.torchrun(rdzv_id=task, endpoint=meet)
    words = [f'"{word}"' if word in (task, meet) else shlex.quote(word) for word in command]
    return f'head=$(echo "$SKYPILOT_NODE_IPS" | head -n 1)\nexport FRAMEWORK_JOB="{task}"\n{" ".join(words)}\n'
