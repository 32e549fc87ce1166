"""The engines that a training can be started by."""

from __future__ import annotations

from collections.abc import Callable

from framework_core.launching.job import Job
from framework_core.launching.kubernetes import kubernetes
from framework_core.launching.ray import ray
from framework_core.launching.skypilot import skypilot
from framework_core.launching.slurm import slurm

ENGINES: dict[str, Callable[[Job], str]] = {
    "slurm": slurm,
    "kubernetes": kubernetes,
    "ray": ray,
    "skypilot": skypilot,
}
"""What makes a file of a job, by the name of the engine."""


def render(engine: str, job: Job) -> str:
    """The file by which an engine starts a job.

    Args:
        engine: One of ``ENGINES``.
        job: The training.
    """
    return ENGINES[engine](job)
