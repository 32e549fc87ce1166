"""Everything Lightning's Trainer takes that can be written as text.

The fields and their meaning are Lightning's; a test holds them against its signature. Left out are ``logger``
and ``callbacks``, which are objects: ``mlops.tracking`` and ``callbacks`` make them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, StringConstraints

Accelerator = Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
Precision = Literal[
    "32-true",
    "16-mixed",
    "bf16-mixed",
    "16-true",
    "bf16-true",
    "64-true",
    "transformer-engine",
    "transformer-engine-float16",
    "32",
    "16",
    "bf16",
    "64",
    32,
    16,
    64,
]
Duration = Annotated[str, StringConstraints(pattern=r"^\d+:\d{2}:\d{2}:\d{2}$")]
DurationParts = dict[Literal["weeks", "days", "hours", "minutes", "seconds"], NonNegativeInt]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Batches = NonNegativeInt | Share


class TrainerConfig(BaseModel):
    """What Lightning's Trainer takes, under Lightning's names."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    accelerator: Accelerator = "auto"
    """The kind of device; ``auto`` takes the fastest there is."""

    strategy: str | None = None
    """The same as ``strategy`` at the top."""

    devices: PositiveInt | Literal["auto", -1] | list[NonNegativeInt] | None = None
    """How many devices, or which; empty takes what ``distributed`` says."""

    num_nodes: PositiveInt | None = None
    """How many nodes; empty takes what ``distributed`` says."""

    precision: Precision | None = None
    """Number format; empty is 32 bits."""

    max_epochs: int | None = Field(default=15, ge=-1)
    """How many epochs at most; -1 has no end."""

    min_epochs: NonNegativeInt | None = None
    """How many epochs at least."""

    max_steps: int = Field(default=-1, ge=-1)
    """How many optimizer steps at most; -1 has no limit."""

    min_steps: NonNegativeInt | None = None
    """How many optimizer steps at least."""

    max_time: Duration | DurationParts | None = None
    """How long at most, ``DD:HH:MM:SS``."""

    fast_dev_run: bool | NonNegativeInt = False
    """Run this many batches of everything, without checkpoints, to see that it works."""

    limit_train_batches: Batches | None = None
    """How many training batches an epoch has: a number, or a share between 0.0 and 1.0."""

    limit_val_batches: Batches | None = None
    """The same for validation."""

    limit_test_batches: Batches | None = None
    """The same for the test."""

    limit_predict_batches: Batches | None = None
    """The same for prediction."""

    overfit_batches: Batches = 0.0
    """Train and validate on these batches only, to see whether the model can learn at all."""

    val_check_interval: PositiveInt | Share | Duration | DurationParts | None = None
    """How often validation runs inside an epoch: a share of it, a number of batches, a duration."""

    check_val_every_n_epoch: PositiveInt | None = 1
    """How many epochs lie between two validations."""

    num_sanity_val_steps: int | None = Field(default=None, ge=-1)
    """How many validation batches are tried before training; empty is 2."""

    log_every_n_steps: PositiveInt | None = None
    """Steps between two points of a curve; empty gives about a thousand points for the whole run."""

    enable_checkpointing: bool = True
    """Whether checkpoints are written."""

    enable_progress_bar: bool = True
    """Whether progress is shown."""

    enable_model_summary: bool = False
    """Whether Lightning's table of layers is printed."""

    accumulate_grad_batches: PositiveInt = 1
    """How many batches make one optimizer step."""

    gradient_clip_val: Annotated[float, Field(ge=0)] | None = None
    """Where gradients are cut."""

    gradient_clip_algorithm: Literal["norm", "value"] | None = None
    """Whether their norm is cut or each value."""

    deterministic: bool | Literal["warn"] | None = None
    """Whether torch must use deterministic algorithms."""

    benchmark: bool | None = None
    """Whether cuDNN tries its algorithms first."""

    inference_mode: bool = True
    """Whether evaluation runs in ``torch.inference_mode``."""

    use_distributed_sampler: bool = True
    """Whether Lightning spreads the data over processes."""

    profiler: Literal["bottleneck", "simple", "advanced", "pytorch", "xla"] | None = None
    """``bottleneck`` says what training waits for and what would help; the others are Lightning's."""

    detect_anomaly: bool = False
    """Whether autograd looks for the operation that made a NaN."""

    barebones: bool = False
    """Leave out everything that is not training, to measure Lightning itself."""

    plugins: list[str] | None = None
    """Lightning plugins by name."""

    sync_batchnorm: bool = False
    """Whether batch normalisation is shared between processes."""

    reload_dataloaders_every_n_epochs: NonNegativeInt = 0
    """How many epochs lie between two rebuilds of the data loaders."""

    default_root_dir: str | None = None
    """Where Lightning writes what has no other place; empty is the run's folder."""

    enable_autolog_hparams: bool = True
    """Whether Lightning hands hyperparameters to loggers."""

    model_registry: str | None = None
    """Where Lightning's own registry is asked for checkpoints."""
