"""The settings of a run: what Hydra composes is validated into ``RunConfig`` once, and nothing else is passed on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    PrivateAttr,
    SerializeAsAny,
    StringConstraints,
    field_validator,
)

from framework_core.contracts._section import Section
from framework_core.contracts.faults import FaultsConfig
from framework_core.contracts.notify import NotifyConfig
from framework_core.contracts.trainer import TrainerConfig
from framework_core.contracts.training import AveragingConfig, FinetuneConfig, PerformanceConfig


class ComponentConfig(Section):
    """The settings of a component: its name, and what its author adds by subclassing."""

    name: str
    """Which one."""

    def settings(self) -> dict[str, Any]:
        """Everything but the name: the keyword arguments of the builder."""
        return {key: getattr(self, key) for key in type(self).model_fields if key != "name"}


class OptimizerConfig(ComponentConfig):
    """What every optimizer has."""

    lr: float = Field(default=1e-3, gt=0)
    """The learning rate."""


class DecayingOptimizerConfig(OptimizerConfig):
    """What an optimizer with weight decay has."""

    weight_decay: float = Field(default=0.0, ge=0)
    """How strongly weights are drawn to zero."""

    decay_norm_and_bias: bool = False
    """Whether biases and normalisation weights (everything with one axis) are decayed too."""


class SchedulerConfig(ComponentConfig):
    """What every learning-rate scheduler has."""

    needs_end: ClassVar[bool] = False
    """Whether it has to know where training ends."""

    counts_epochs: ClassVar[bool] = False
    """Whether it has to know how many steps an epoch has."""


class WarmupConfig(SchedulerConfig):
    """What a scheduler with a warm-up has: the learning rate first rises linearly from near zero."""

    warmup_epochs: float | None = Field(default=None, ge=0)
    """How long it rises, in epochs; empty takes a tenth of the training, five epochs at most."""

    warmup_steps: NonNegativeInt | None = None
    """The same in optimizer steps; it replaces ``warmup_epochs``."""


class CheckpointConfig(Section):
    """Which checkpoints are kept."""

    monitor: str | None = None
    """The metric that decides which checkpoint is best; empty takes the model's own choice."""

    mode: Literal["min", "max"] | None = None
    """Whether less or more of it is better; needed only with ``monitor``."""

    save_top_k: int = Field(default=1, ge=-1)
    """How many of the best are kept; -1 keeps all."""

    save_last: bool = True
    """Whether the newest is kept too: resuming starts from it."""

    every_n_epochs: PositiveInt = 1
    """How many epochs lie between two checkpoints."""

    every_n_train_steps: PositiveInt | None = None
    """How many steps lie between two more checkpoints inside an epoch."""

    every_n_minutes: float | None = Field(default=None, gt=0)
    """How many minutes pass at most between two checkpoints, wherever training is."""

    keep_last: PositiveInt = 2
    """How many of the newest are kept; with more than one, a damaged one loses little."""

    keep_hours: float | None = Field(default=None, gt=0)
    """Every other one is kept for so many hours too; empty keeps none for its age."""

    asynchronous: bool = True
    """Whether training goes on while a checkpoint is written; it needs memory for a copy of the state."""

    sharded: bool = False
    """Whether each process writes its part, where the strategy shards; the first one then need not hold everything."""


class EarlyStoppingConfig(Section):
    """When training stops before its time. Off until ``patience`` is set."""

    patience: PositiveInt | None = None
    """How many validations without an improvement end the training."""

    monitor: str | None = None
    """The metric to watch; empty takes what decides the best checkpoint."""

    mode: Literal["min", "max"] | None = None
    """Whether less or more of it is better; needed only with ``monitor``."""

    min_delta: float = Field(default=0.0, ge=0)
    """The smallest change that counts as an improvement."""

    stopping_threshold: float | None = None
    """Training stops at once when the metric is better than this."""

    divergence_threshold: float | None = None
    """Training stops at once when the metric is worse than this."""


class ExperimentConfig(Section):
    """What the run belongs to in the tracking store."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    """The experiment; runs of one experiment stand together."""

    run_name: str | None = None
    """The run's own name; empty makes one from model, dataset and time."""

    description: str = ""
    """What the run is for."""

    tags: dict[str, str] = Field(default_factory=dict)
    """Tags of the run."""


class TrackingConfig(Section):
    """Where runs are recorded."""

    backend: Literal["mlflow", "none"] = "mlflow"
    """``none`` records nothing but the run's own folder."""

    uri: str | None = None
    """The store, as MLflow takes it; empty takes MLFLOW_TRACKING_URI, and then a SQLite file here."""

    offline: bool = False
    """Whether the store is left alone: everything is kept in the run's folder, and ``fw runs sync`` sends it later."""

    log_model: bool = True
    """Whether the best model is stored, with signature and input example."""

    system_metrics: bool = True
    """Whether the use of processor, memory, disk, network and GPU is recorded."""

    system_metrics_interval: float = Field(default=5.0, gt=0)
    """Seconds between two samples of them."""


STAGE = re.compile(r"(?!v[0-9]+$|latest$)[A-Za-z][A-Za-z0-9_-]*", re.IGNORECASE)
"""The name of a stage: an alias of MLflow's, which keeps ``latest`` and ``v1`` for itself."""


class RegistryConfig(Section):
    """The registry of models."""

    stages: list[str] = Field(default=["dev", "staging", "production"])
    """The stages of a registered model, the first being where every version begins."""

    policy: str | None = None
    """The file with what a version needs for a stage; empty takes registry.yaml in this folder, if it is there."""

    @field_validator("stages")
    @classmethod
    def _check_stages(cls, stages: list[str]) -> list[str]:
        if len(stages) < 2 or len({each.lower() for each in stages}) < len(stages):
            raise ValueError("must be at least two names that differ")
        for each in stages:
            if not STAGE.fullmatch(each):
                raise ValueError(f"{each!r} cannot be a stage: letters, digits, - and _, not latest and not v1")
        return stages


class MLOpsConfig(Section):
    """What surrounds the training."""

    tracking: TrackingConfig = TrackingConfig()
    """Where runs are recorded."""

    registry: RegistryConfig = RegistryConfig()
    """The registry of models."""

    report: bool = True
    """Whether plots, intervals of the test's metrics, the worst mistakes and a model card are made at the end."""


class DistributedConfig(Section):
    """Training on several devices."""

    enabled: bool = False
    """Off trains on one device."""

    devices: PositiveInt | Literal["auto"] | list[NonNegativeInt] = "auto"
    """How many devices on each node, or which; ``auto`` takes all there are."""

    num_nodes: PositiveInt = 1
    """How many nodes."""

    batch: Literal["global", "per_device"] = "global"
    """Whether ``dataset.batch_size`` is the batch of all devices together, or that of each."""

    timeout_seconds: float = Field(default=1800.0, gt=0)
    """How long a process waits for the others, at the start and whenever they exchange something."""

    blocks: list[str] = Field(default_factory=list)
    """Classes of modules that FSDP shards one by one; empty takes the blocks that the model repeats."""

    activation_checkpointing: bool = False
    """Whether FSDP computes the activations of blocks again in the backward pass and does not keep them."""

    cpu_offload: bool = False
    """Whether FSDP keeps shards in main memory while no device needs them."""

    deepspeed_config: str | None = None
    """A file with DeepSpeed's settings as JSON, for ``strategy=deepspeed``."""


class DuplicatesConfig(Section):
    """What is done about samples of validation and test that training has too."""

    action: Literal["report", "refuse", "ignore"] = "report"
    """``report`` says how many there are, ``refuse`` does not train with any, ``ignore`` does not look."""

    seconds: float = Field(default=10.0, gt=0)
    """How long to look at most; of a larger set a part stands for the whole. ``fw data check`` takes all the time."""


class RunConfig(Section):
    """Everything a run was asked to be. Saved beside the run; saved settings are valid input."""

    model: SerializeAsAny[ComponentConfig]
    """The model."""

    dataset: SerializeAsAny[ComponentConfig]
    """The data."""

    optimizer: SerializeAsAny[OptimizerConfig]
    """What moves the weights."""

    scheduler: SerializeAsAny[SchedulerConfig]
    """What moves the learning rate."""

    trainer: TrainerConfig
    """What Lightning's Trainer takes."""

    strategy: str = "auto"
    """How training is spread over devices: a name from ``fw list strategies``."""

    distributed: DistributedConfig = DistributedConfig()
    """Training on several devices."""

    checkpoint: CheckpointConfig = CheckpointConfig()
    """Which checkpoints are kept."""

    early_stopping: EarlyStoppingConfig = EarlyStoppingConfig()
    """When training stops before its time."""

    averaging: AveragingConfig = AveragingConfig()
    """An average of the weights."""

    finetune: FinetuneConfig = FinetuneConfig()
    """Starting from pretrained weights without spoiling them."""

    performance: PerformanceConfig = PerformanceConfig()
    """How fast training is."""

    faults: FaultsConfig = FaultsConfig()
    """What a run does when something goes wrong in it."""

    preflight: bool = True
    """Whether one real batch is looked at more closely before training: forward, backward, nothing changed."""

    duplicates: DuplicatesConfig = DuplicatesConfig()
    """Samples of validation and test that training has too."""

    adaptive_gradient_clip_val: float | None = Field(default=None, gt=0)
    """Where the gradient of each unit is cut, as a share of the norm of its weights."""

    callbacks: dict[str, SerializeAsAny[ComponentConfig]] = Field(default_factory=dict)
    """Callbacks that plugins offer, by name."""

    experiment: ExperimentConfig
    """What the run belongs to."""

    mlops: MLOpsConfig = MLOpsConfig()
    """What surrounds the training."""

    notify: NotifyConfig = NotifyConfig()
    """Messages about runs and registered models, sent to a webhook."""

    seed: int = Field(default=42, ge=0, lt=2**32)
    """Seeds Python, NumPy and torch in every process and worker."""

    output_dir: str = "runs"
    """The folder in which each run makes its own."""

    _references: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def references(self) -> dict[str, str]:
        """Settings that came from the environment or from secrets, by their path, as they were written."""
        return self._references

    def written_as(self, references: Mapping[str, str]) -> RunConfig:
        """The same settings, with what is to be saved in place of some values.

        Args:
            references: The text of each such setting, by its path: ``{"model.token": "${oc.env:TOKEN}"}``.
        """
        copy = self.model_copy()
        copy._references = dict(references)
        return copy

    @property
    def devices(self) -> int | str | list[int]:
        """What Lightning is told to train on: one device, unless more were asked for."""
        if self.trainer.devices is not None:
            return self.trainer.devices
        return self.distributed.devices if self.distributed.enabled else 1

    @property
    def num_nodes(self) -> int:
        """How many nodes take part."""
        if self.trainer.num_nodes is not None:
            return self.trainer.num_nodes
        return self.distributed.num_nodes if self.distributed.enabled else 1

    @property
    def strategy_name(self) -> str:
        """The strategy, wherever it was set."""
        return self.trainer.strategy or self.strategy
