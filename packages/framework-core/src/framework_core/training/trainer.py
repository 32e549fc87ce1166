"""Putting Lightning's Trainer together from the settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import ModelParallelStrategy

from framework_core.contracts.config import RunConfig
from framework_core.errors import ConfigError, ConfigProblem, MissingPackageError
from framework_core.plugins.registry import build, registry
from framework_core.training.bottleneck import Bottleneck, time_logging
from framework_core.training.checkpointing import use_folders
from framework_core.training.lean_loop import clock_of, make_lean
from framework_core.training.shares import Shared
from framework_core.training.strategies.building import strategy_of


class _NoProfiler(PassThroughProfiler):
    """Lightning enters a profiler's context some fifty times a step; this one is free."""

    # Ctrl-C may come while one is made; what is half made is deleted, and Lightning's profilers look at these then.
    _stage = None
    _output_file = None

    def __init__(self) -> None:
        super().__init__()
        self._nothing = _Nothing()

    def profile(self, action_name: str) -> Any:
        """A context that does nothing."""
        return self._nothing


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        return None


@contextmanager
def without_gpu_lookups() -> Iterator[None]:
    """Keep torch from looking for an NVIDIA driver at every step on a machine that has none.

    Lightning asks torch, by an environment variable, to look for GPUs without starting CUDA. Adam of torch looks at
    every step, and where there is no driver the look fails anew each time: a tenth of a millisecond a step.
    """
    variable = "PYTORCH_NVML_BASED_CUDA_CHECK"
    before = os.environ.get(variable)
    if before is None or torch.cuda.device_count() > 0:
        yield
        return
    del os.environ[variable]
    try:
        yield
    finally:
        os.environ[variable] = before


def build_trainer(
    config: RunConfig, *, directory: Path, logger: Any, callbacks: Sequence[Callback], **arguments: Any
) -> Trainer:
    """Lightning's Trainer.

    Args:
        config: The settings of the run.
        directory: The run's folder.
        logger: Where metrics go.
        callbacks: What takes part beside what the settings name.
        **arguments: Anything else Lightning's Trainer takes; it replaces what the settings say.

    Raises:
        ConfigError: Lightning does not allow what the settings say.
    """
    settings = config.trainer.model_dump()
    given = {
        **settings,
        "strategy": strategy_of(config),
        "devices": config.devices,
        "num_nodes": config.num_nodes,
        "profiler": _profiler(config),
        "default_root_dir": settings["default_root_dir"] or str(directory),
        # The step recorder sets the interval when it knows how long the run is.
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "logger": logger,
        "callbacks": [*callbacks, *_named_callbacks(config), Shared()],
        **arguments,
    }
    if isinstance(given["strategy"], ModelParallelStrategy):
        # FSDP2 counts the versions of what it gathers, which tensors of the inference mode do not have.
        given["inference_mode"] = False
    if config.trainer.barebones:
        given |= {"logger": None, "callbacks": None, "profiler": None, "enable_checkpointing": None}
        given |= {"log_every_n_steps": None, "enable_progress_bar": None, "enable_model_summary": None}
    try:
        trainer = Trainer(**given)
    except (MisconfigurationException, ValueError, TypeError) as error:
        message = " ".join(str(error).split()).rstrip(".!")
        raise ConfigError([ConfigProblem("trainer", f"Lightning does not allow this: {message[:300]}")]) from error
    except ModuleNotFoundError as error:
        name = str(error).partition("'")[2].partition("'")[0].partition(">")[0] or str(error.name)
        needed_for = f"trainer.accelerator={config.trainer.accelerator}, strategy={config.strategy_name}"
        raise MissingPackageError(name, needed_for=needed_for, requirement=name) from error
    if hasattr(trainer.strategy, "_timeout"):
        trainer.strategy._timeout = timedelta(seconds=config.distributed.timeout_seconds)
    make_lean(trainer, seed=config.seed, per_device=config.distributed.batch == "per_device")
    use_folders(trainer, config.checkpoint, timeout_seconds=config.distributed.timeout_seconds)
    profiler = given["profiler"]
    time_logging(trainer, profiler if isinstance(profiler, Bottleneck) else clock_of(trainer))
    return trainer


def silent_trainer(config: RunConfig) -> Trainer:
    """A Trainer that measures or predicts on one device and leaves nothing behind."""
    single = {"devices": 1, "num_nodes": 1, "strategy": "auto", "fast_dev_run": False, "profiler": None}
    return build_trainer(config, directory=Path.cwd(), logger=False, callbacks=(), enable_checkpointing=False, **single)


def _profiler(config: RunConfig) -> Any:
    if config.trainer.profiler == "bottleneck":
        return Bottleneck(config)
    return config.trainer.profiler or _NoProfiler()


def _named_callbacks(config: RunConfig) -> list[Callback]:
    found = []
    for name, settings in config.callbacks.items():
        callback = build(registry.resolve("callback", name), settings)
        if not isinstance(callback, Callback):
            message = f"it builds {type(callback).__name__}, which is no Lightning callback"
            raise ConfigError([ConfigProblem(f"callbacks.{name}", message)])
        found.append(callback)
    return found
