"""What a cluster has to know of a training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions

from framework_core.config.validate import short_name
from framework_core.contracts.config import RunConfig
from framework_core.errors import ConfigError, ConfigProblem
from framework_core.plugins.discovery import CORE
from framework_core.plugins.registry import registry

RESTARTS = 3
"""How often torchrun starts the processes again when one of them dies."""


USUAL_WORKERS = 3
"""Processes that load data for a device, where the settings leave it to the machine."""


@dataclass(frozen=True)
class Job:
    """A training as a cluster starts it.

    Attributes:
        name: Small letters, digits and hyphens.
        words: The words after ``fw train``; with them a job that is started again goes on.
        nodes: How many machines.
        devices: How many processes on each, one a device.
        gpus: Whether the devices are GPUs.
        workers: How many processes load data for each.
        packages: What is to be installed, where no image has it.
        image: The container image, where one is needed.
        storage: What all nodes share: a claim of a persistent volume, or the name of a bucket.
        gpu: The kind of GPU, where one is to be named.
    """

    name: str
    words: tuple[str, ...]
    nodes: int
    devices: int
    gpus: bool
    workers: int = 0
    packages: tuple[str, ...] = ()
    image: str = ""
    storage: str = ""
    gpu: str = ""

    def torchrun(self, *, rdzv_id: str, endpoint: str) -> list[str]:
        """The command on each node.

        Args:
            rdzv_id: What the agents of one job know each other by.
            endpoint: The host and port where they meet.
        """
        return [
            *("torchrun", "--nnodes", str(self.nodes), "--nproc-per-node", str(self.devices)),
            *("--max-restarts", str(RESTARTS), "--rdzv-id", rdzv_id),
            *("--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint),
            *("-m", "framework_core", "train", *self.words),
        ]


def job_of(
    config: RunConfig, words: Sequence[str], *, name: str = "", image: str = "", storage: str = "", gpu: str = ""
) -> Job:
    """What a cluster has to know of a training.

    Args:
        config: Its settings.
        words: The words after ``fw train`` that they came from.
        name: What the job is called; empty takes the run's name, or that of the model.
        image: The container image.
        storage: What all nodes share.
        gpu: The kind of GPU.

    Raises:
        ConfigError: The settings do not say how many devices a node has.
    """
    devices = len(config.devices) if isinstance(config.devices, list) else config.devices
    if not isinstance(devices, int) or devices < 1:
        message = "how many devices a node has must be a number, because this machine may be another one"
        step = "For example: distributed.enabled=true distributed.devices=8 distributed.num_nodes=2"
        raise ConfigError([ConfigProblem("distributed.devices", message, value=devices)], next_step=step)
    again = () if any(word.partition("=")[0] == "--resume" for word in words) else ("--resume", "auto")
    called = name or config.experiment.run_name or short_name(config.model.name)
    return Job(
        _plain(called),
        (*words, *again),
        config.num_nodes,
        devices,
        gpus=config.trainer.accelerator != "cpu",
        workers=_workers(config),
        packages=_packages(config),
        image=image,
        storage=storage,
        gpu=gpu,
    )


def _workers(config: RunConfig) -> int:
    chosen = getattr(config.dataset, "num_workers", None)
    return USUAL_WORKERS if chosen is None else int(chosen)


def _packages(config: RunConfig) -> tuple[str, ...]:
    """The packages that model and dataset come from."""
    offers = [registry.resolve("model", config.model.name), registry.resolve("dataset", config.dataset.name)]
    return ("framework-core[train]", *sorted({each.distribution for each in offers} & _installed() - {CORE}))


def _installed() -> set[str]:
    return {each.metadata["Name"] for each in distributions()}


def _plain(name: str) -> str:
    """A name as every engine takes it: a letter first, 40 at most, as Kubernetes makes longer ones of it."""
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return (found if found[:1].isalpha() else f"train-{found}")[:40].rstrip("-")
