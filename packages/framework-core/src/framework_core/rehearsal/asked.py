"""What is rehearsed: the words of a training, and where each of its ranks would stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from framework_core.config.compose import compose
from framework_core.contracts.config import RunConfig
from framework_core.errors import ConfigError, ConfigProblem

ALONE = ("dp",)
"""Strategies of a single process."""


@dataclass(frozen=True)
class Asked:
    """A training of many processes.

    Attributes:
        words: The arguments of ``compose``, as plain values: each rank composes for itself.
        nodes: How many machines.
        devices: How many processes on each.
    """

    words: Mapping[str, str | list[str] | None]
    nodes: int
    devices: int

    @property
    def ranks(self) -> int:
        """How many processes train together."""
        return self.nodes * self.devices

    def settings(self) -> RunConfig:
        """The settings, as the process that asks would have them."""
        files = {name: Path(str(self.words[name])) for name in ("config_file", "config_dir") if self.words.get(name)}
        return compose(
            list(self.words.get("overrides") or []),
            model=str(self.words.get("model") or ""),
            dataset=str(self.words.get("dataset") or ""),
            config_file=files.get("config_file"),
            config_dir=files.get("config_dir"),
        ).config

    def environment(self, rank: int) -> dict[str, str]:
        """What torchrun would tell a rank.

        Args:
            rank: Its number among all.
        """
        node, local = divmod(rank, self.devices)
        return {
            "RANK": str(rank),
            "WORLD_SIZE": str(self.ranks),
            "LOCAL_RANK": str(local),
            "LOCAL_WORLD_SIZE": str(self.devices),
            "GROUP_RANK": str(node),
            "GROUP_WORLD_SIZE": str(self.nodes),
            "NODE_RANK": str(node),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": "29500",
            "TORCHELASTIC_RUN_ID": "rehearsal",
            "TORCHELASTIC_RESTART_COUNT": "0",
        }


def asked_of(words: Mapping[str, str | list[str] | None], ranks: int | None) -> tuple[Asked, RunConfig]:
    """What is to be rehearsed, and its settings.

    Args:
        words: The arguments of ``compose``, as plain values.
        ranks: How many processes; without it, as many as the settings say.

    Raises:
        ConfigError: The settings say another number, or none, or train in one process.
    """
    config = Asked(words, 1, 1).settings()
    if config.strategy_name in ALONE:
        message = "trains in a single process, so there are no ranks to compare"
        raise ConfigError([ConfigProblem("strategy", message, value=config.strategy_name)], next_step="strategy=ddp")
    devices = len(config.devices) if isinstance(config.devices, list) else config.devices
    together = config.distributed.enabled or config.trainer.devices is not None or config.num_nodes > 1
    if not together and ranks:
        return Asked(words, 1, ranks), config
    if ranks and not isinstance(devices, int) and ranks % config.num_nodes == 0:
        devices = ranks // config.num_nodes
    if not isinstance(devices, int) or devices < 1 or not together:
        message = "how many processes train is not said"
        step = "Say it: fw launch --dry-run --ranks 64 -- ..."
        raise ConfigError([ConfigProblem("distributed.devices", message)], next_step=step)
    asked = Asked(words, config.num_nodes, devices)
    if ranks and ranks != asked.ranks:
        message = f"{asked.nodes} x {devices} processes train by these settings, and --ranks is {ranks}"
        step = f"Leave --ranks out, or: distributed.devices={max(1, ranks // asked.nodes)}"
        raise ConfigError([ConfigProblem("distributed", message)], next_step=step)
    return asked, config
