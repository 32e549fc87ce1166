"""A training framework: one command from data to a tracked, resumable model, and every part a plugin.

Names are imported when they are used, so ``import framework_core`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from framework_core.light_metrics import import_lightly

if TYPE_CHECKING:
    from framework_core.base.batches import BatchDataset as BatchDataset
    from framework_core.base.datamodule import BaseDataModule as BaseDataModule
    from framework_core.base.drawing import draw_samples as draw_samples
    from framework_core.base.drawing import seed_sample as seed_sample
    from framework_core.base.gathering import gather_samples as gather_samples
    from framework_core.base.model import BaseModel as BaseModel
    from framework_core.base.shared_sums import shared_sum as shared_sum
    from framework_core.config.compose import compose as compose
    from framework_core.config.several import compose_each as compose_each
    from framework_core.contracts.data import DataSpec as DataSpec
    from framework_core.contracts.run import RunResult as RunResult
    from framework_core.each import train_each as train_each
    from framework_core.errors import DataError as DataError
    from framework_core.errors import FrameworkError as FrameworkError
    from framework_core.plugins.hookspecs import hookimpl as hookimpl
    from framework_core.plugins.registry import register_dataset as register_dataset
    from framework_core.plugins.registry import register_model as register_model
    from framework_core.plugins.registry import registry as registry
    from framework_core.run import FrameworkTrainer as FrameworkTrainer
    from framework_core.run import evaluate as evaluate
    from framework_core.run import predict as predict
    from framework_core.run import train as train
    from framework_core.tasks.model import BaseTaskModel as BaseTaskModel

__version__ = "0.1.0"

_HOMES = {
    "BaseDataModule": "base.datamodule",
    "BaseModel": "base.model",
    "BaseTaskModel": "tasks.model",
    "BatchDataset": "base.batches",
    "DataError": "errors",
    "DataSpec": "contracts.data",
    "FrameworkError": "errors",
    "FrameworkTrainer": "run",
    "RunResult": "contracts.run",
    "compose": "config.compose",
    "compose_each": "config.several",
    "draw_samples": "base.drawing",
    "evaluate": "run",
    "gather_samples": "base.gathering",
    "hookimpl": "plugins.hookspecs",
    "predict": "run",
    "register_dataset": "plugins.registry",
    "register_model": "plugins.registry",
    "registry": "plugins.registry",
    "seed_sample": "base.drawing",
    "shared_sum": "base.shared_sums",
    "train": "run",
    "train_each": "each",
}
__all__ = sorted(_HOMES)  # the lazy names of PEP 562

import_lightly()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
