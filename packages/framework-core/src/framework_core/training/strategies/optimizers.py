"""Which optimizers a strategy can train with, by what it leaves of each tensor in a process."""

from __future__ import annotations

from typing import Literal

from framework_core.config.validate import SHARDED
from framework_core.contracts.config import RunConfig
from framework_core.contracts.specs import OptimizerSpec
from framework_core.errors import ConfigError, ConfigProblem
from framework_core.plugins.registry import registry

SHARDED_AND_FUSED = ("adam", "adamw")
"""Optimizers whose fused step torch can take on sharded tensors."""


def pieces(strategy: str) -> Literal["flat", "tensors"] | None:
    """What a strategy leaves of a tensor: a flat piece, a sharded tensor that computes as the whole, or all of it.

    Args:
        strategy: Its name.
    """
    if strategy == "fsdp2":
        return "tensors"
    return "flat" if strategy.startswith(SHARDED) else None


def can_be_fused(config: RunConfig) -> bool:
    """Whether one kernel can do the update under the strategy."""
    return pieces(config.strategy_name) != "tensors" or config.optimizer.name in SHARDED_AND_FUSED


def check_optimizer(config: RunConfig) -> None:
    """See that the strategy can train with the optimizer, and as one device would.

    Args:
        config: The settings; the strategy is chosen.

    Raises:
        ConfigError: It cannot.
    """
    name, strategy, form = config.optimizer.name, config.strategy_name, pieces(config.strategy_name)
    spec = registry.catalogue.get("optimizer", name).spec
    if form is None or not isinstance(spec, OptimizerSpec):
        return
    if spec.shards == "none" or (spec.shards == "tensors" and form == "flat"):
        message = f"looks at more of the model than the pieces that {strategy} leaves in each process"
        whole = "strategy=ddp" + (" or strategy=fsdp2" if spec.shards == "tensors" else "")
        step = f"Keep tensors whole: {whole}, or take another optimizer: optimizer=adamw"
        raise ConfigError([ConfigProblem("optimizer", message, value=name)], next_step=step)
    if getattr(config.optimizer, "fused", None) and not can_be_fused(config):
        message = f"torch has no fused {name} for sharded tensors, as {strategy} makes them"
        raise ConfigError([ConfigProblem("optimizer.fused", message, value=True)], next_step="Leave it out.")
