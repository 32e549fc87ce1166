"""What core and plugins promise each other, as pydantic models and protocols. Nothing here imports torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework_core.contracts._contract import CONTRACT_VERSION as CONTRACT_VERSION
    from framework_core.contracts._section import Section as Section
    from framework_core.contracts.checks import BatchSummary as BatchSummary
    from framework_core.contracts.checks import DataContract as DataContract
    from framework_core.contracts.checks import ModelContract as ModelContract
    from framework_core.contracts.config import CheckpointConfig as CheckpointConfig
    from framework_core.contracts.config import ComponentConfig as ComponentConfig
    from framework_core.contracts.config import DecayingOptimizerConfig as DecayingOptimizerConfig
    from framework_core.contracts.config import DistributedConfig as DistributedConfig
    from framework_core.contracts.config import DuplicatesConfig as DuplicatesConfig
    from framework_core.contracts.config import EarlyStoppingConfig as EarlyStoppingConfig
    from framework_core.contracts.config import ExperimentConfig as ExperimentConfig
    from framework_core.contracts.config import MLOpsConfig as MLOpsConfig
    from framework_core.contracts.config import OptimizerConfig as OptimizerConfig
    from framework_core.contracts.config import RunConfig as RunConfig
    from framework_core.contracts.config import SchedulerConfig as SchedulerConfig
    from framework_core.contracts.config import TrackingConfig as TrackingConfig
    from framework_core.contracts.config import WarmupConfig as WarmupConfig
    from framework_core.contracts.data import DataSpec as DataSpec
    from framework_core.contracts.faults import FaultsConfig as FaultsConfig
    from framework_core.contracts.move import VersionMove as VersionMove
    from framework_core.contracts.notify import NotifyConfig as NotifyConfig
    from framework_core.contracts.processing import Processing as Processing
    from framework_core.contracts.protocols import IConfigurable as IConfigurable
    from framework_core.contracts.protocols import IResumable as IResumable
    from framework_core.contracts.protocols import ISerializable as ISerializable
    from framework_core.contracts.protocols import ITrainable as ITrainable
    from framework_core.contracts.run import RunInfo as RunInfo
    from framework_core.contracts.run import RunResult as RunResult
    from framework_core.contracts.samples import SampleHash as SampleHash
    from framework_core.contracts.scores import SampleScore as SampleScore
    from framework_core.contracts.scores import ScoredSamples as ScoredSamples
    from framework_core.contracts.specs import CallbackSpec as CallbackSpec
    from framework_core.contracts.specs import ComponentSpec as ComponentSpec
    from framework_core.contracts.specs import DatasetSpec as DatasetSpec
    from framework_core.contracts.specs import ModelSpec as ModelSpec
    from framework_core.contracts.specs import OptimizerSpec as OptimizerSpec
    from framework_core.contracts.specs import SchedulerSpec as SchedulerSpec
    from framework_core.contracts.specs import StrategySpec as StrategySpec
    from framework_core.contracts.trainer import TrainerConfig as TrainerConfig
    from framework_core.contracts.training import AveragingConfig as AveragingConfig
    from framework_core.contracts.training import FinetuneConfig as FinetuneConfig
    from framework_core.contracts.training import PerformanceConfig as PerformanceConfig

_MODULES = {
    "_contract": ("CONTRACT_VERSION",),
    "_section": ("Section",),
    "checks": ("BatchSummary", "DataContract", "ModelContract"),
    "config": (
        "CheckpointConfig",
        "ComponentConfig",
        "DecayingOptimizerConfig",
        "DistributedConfig",
        "DuplicatesConfig",
        "EarlyStoppingConfig",
        "ExperimentConfig",
        "MLOpsConfig",
        "OptimizerConfig",
        "RunConfig",
        "SchedulerConfig",
        "TrackingConfig",
        "WarmupConfig",
    ),
    "data": ("DataSpec",),
    "faults": ("FaultsConfig",),
    "processing": ("Processing",),
    "protocols": ("IConfigurable", "IResumable", "ISerializable", "ITrainable"),
    "move": ("VersionMove",),
    "notify": ("NotifyConfig",),
    "run": ("RunInfo", "RunResult"),
    "samples": ("SampleHash",),
    "scores": ("SampleScore", "ScoredSamples"),
    "specs": (
        "CallbackSpec",
        "ComponentSpec",
        "DatasetSpec",
        "ModelSpec",
        "OptimizerSpec",
        "SchedulerSpec",
        "StrategySpec",
    ),
    "trainer": ("TrainerConfig",),
    "training": ("AveragingConfig", "FinetuneConfig", "PerformanceConfig"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_HOMES)  # the lazy names of PEP 562


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
