"""The strategy that a run asks for."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from framework_core.config.deepspeed import settings_of
from framework_core.contracts.config import RunConfig
from framework_core.errors import MissingPackageError
from framework_core.plugins.catalogue import import_builder
from framework_core.plugins.discovery import CORE
from framework_core.plugins.registry import registry
from framework_core.training.device import device


def strategy_of(config: RunConfig) -> Any:
    """Lightning's own strategies by name, the framework's and a plugin's as they are built.

    Args:
        config: The settings.
    """
    name, settings = config.strategy_name, config.distributed
    offer = registry.catalogue.get("strategy", name)
    if offer.distribution != CORE:
        return import_builder(offer)()
    if name.startswith("fsdp"):
        return import_builder(offer)(
            blocks=settings.blocks,
            activation_checkpointing=settings.activation_checkpointing,
            cpu_offload=settings.cpu_offload or name == "fsdp_cpu_offload",
            timeout_seconds=settings.timeout_seconds,
        )
    if name == "dp":
        return import_builder(offer)()
    if name.startswith("deepspeed"):
        return _deepspeed(config, import_builder(offer))
    return name


ZERO: dict[str, dict[str, Any]] = {
    "deepspeed": {},
    "deepspeed_stage_1": {"stage": 1},
    "deepspeed_stage_2": {"stage": 2},
    "deepspeed_stage_2_offload": {"stage": 2, "offload_optimizer": True},
    "deepspeed_stage_3": {"stage": 3},
    "deepspeed_stage_3_offload": {"stage": 3, "offload_optimizer": True, "offload_parameters": True},
    "deepspeed_stage_3_offload_nvme": {
        "stage": 3,
        "offload_optimizer": True,
        "offload_parameters": True,
        "remote_device": "nvme",
        "offload_params_device": "nvme",
        "offload_optimizer_device": "nvme",
    },
}
"""What Lightning's names stand for."""


def _deepspeed(config: RunConfig, builder: Any) -> Any:
    """DeepSpeed by its name, or by a file of its settings.

    Raises:
        MissingPackageError: It is not installed.
    """
    if find_spec("deepspeed") is None:
        needed = f"strategy={config.strategy_name}"
        raise MissingPackageError("deepspeed", needed_for=needed, requirement="framework-core[deepspeed]")
    settings = config.distributed
    on_cpu = device(config.trainer.accelerator).kind == "cpu"
    given = dict(ZERO[config.strategy_name])
    if settings.deepspeed_config is not None:
        given = {"config": settings_of(Path(settings.deepspeed_config), config.strategy_name)}
    return builder(on_cpu=on_cpu, timeout_seconds=settings.timeout_seconds, **given)
