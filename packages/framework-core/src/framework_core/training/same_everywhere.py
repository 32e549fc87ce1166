"""Processes that train together are asked, when they first meet, whether all of them were told the same."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from framework_core.contracts.config import RunConfig
from framework_core.contracts.data import DataSpec
from framework_core.errors import ConfigError, ConfigProblem

ITS_OWN = ("experiment.", "output_dir", "mlops.", "distributed.timeout_seconds")
"""Settings that change nothing in what is trained."""

MOST = 8
"""Differences that are told."""


class SameEverywhere(Callback):
    """Ends a run at its start where processes have other settings, data, models or versions than the first.

    Args:
        config: The settings of this process.
        data: Its data.
    """

    def __init__(self, config: RunConfig, data: DataSpec) -> None:
        self._config = config
        self._data = data

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Called when processes know each other.

        Raises:
            ConfigError: They differ; every process raises it.
        """
        if trainer.world_size == 1 or stage != "fit" or not torch.distributed.is_initialized():
            return
        everyone: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(everyone, facts(self._config, self._data, pl_module))
        if problems := list(differences(everyone))[:MOST]:
            raise ConfigError(problems)


def facts(config: RunConfig, data: DataSpec, module: LightningModule) -> dict[str, str]:
    """What must be the same in all processes, by name.

    Args:
        config: The settings of this process.
        data: Its data.
        module: Its model.
    """
    settings = config.model_dump(mode="json")
    found = {key: value for key, value in flat(settings) if not key.startswith(ITS_OWN)}
    found |= {f"data {name}": f"{size:,} samples" for name, size in data.split_sizes.items()}
    found["data"] = f"fingerprint {data.fingerprint}"
    found["model"] = f"{sum(each.numel() for each in module.parameters()):,} parameters"
    found["torch"] = torch.__version__
    found["python"] = ".".join(platform.python_version_tuple()[:2])
    return found


def differences(everyone: Sequence[Mapping[str, str]]) -> Iterator[ConfigProblem]:
    """What is not the same everywhere, with the values of the first process and of the one that differs.

    Args:
        everyone: What each process was told, in order of their numbers.
    """
    first = everyone[0]
    for key in sorted({key for each in everyone for key in each}):
        for rank, each in enumerate(everyone):
            if each.get(key) != first.get(key):
                message = (
                    f"is {each.get(key, 'nothing')} in process {rank}, and {first.get(key, 'nothing')} in process 0"
                )
                yield ConfigProblem(key, message)
                break


def flat(settings: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Settings by their paths, as text."""
    if isinstance(settings, Mapping) and settings:
        for key, value in settings.items():
            yield from flat(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, str(settings)
