"""The settings of timm's schedulers and optimizers. Read without torch."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt

from framework_core.contracts import DecayingOptimizerConfig, WarmupConfig

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class TimmSchedulerConfig(WarmupConfig):
    """What timm's schedulers have in common."""

    warmup_lr: NotNegative = 0.0
    """Where the warm-up begins."""

    noise_start: float | None = Field(default=None, ge=0, lt=1)
    """The share of the training after which the learning rate is noisy; empty has none."""


class TimmCyclesConfig(TimmSchedulerConfig):
    """What schedulers of several cycles have in common."""

    needs_end: ClassVar[bool] = True

    min_lr: NotNegative = 0.0
    """Where each cycle ends."""

    cycles: PositiveInt = 1
    """How many cycles there are."""

    cycle_mul: float = Field(default=1.0, ge=1)
    """How many times longer each cycle is than the last."""

    cycle_decay: float = Field(default=1.0, gt=0, le=1)
    """What each cycle's learning rate is multiplied by."""


class TimmCosine(TimmCyclesConfig):
    """timm's cosine (https://arxiv.org/abs/1608.03983)."""

    k_decay: Positive = 1.0
    """The power of the time (https://arxiv.org/abs/2004.05909)."""


class TimmTanh(TimmCyclesConfig):
    """timm's hyperbolic tangent (https://arxiv.org/abs/1806.01593)."""


class TimmPoly(TimmSchedulerConfig):
    """timm's power of what is left."""

    needs_end: ClassVar[bool] = True

    min_lr: NotNegative = 0.0
    """Where it ends."""

    power: Positive = 0.5
    """The power."""

    k_decay: Positive = 1.0
    """The power of the time (https://arxiv.org/abs/2004.05909)."""


class TimmStep(TimmSchedulerConfig):
    """timm's steps."""

    decay_epochs: Positive = 90.0
    """How many epochs lie between two steps."""

    decay_rate: float = Field(default=0.1, gt=0, lt=1)
    """What the learning rate is multiplied by."""


class TimmMultiStep(TimmSchedulerConfig):
    """timm's steps at given epochs."""

    decay_milestones: list[Positive] = Field(min_length=1)
    """The epochs."""

    decay_rate: float = Field(default=0.1, gt=0, lt=1)
    """What the learning rate is multiplied by."""


class Lamb(DecayingOptimizerConfig):
    """LAMB, as timm has it (You et al., https://arxiv.org/abs/1904.00962)."""

    betas: tuple[Rate, Rate] = (0.9, 0.999)
    """How slowly the averages of the gradient and of its square move."""

    eps: Positive = 1e-6
    """Keeps the division away from zero."""

    weight_decay: NotNegative = 0.01
    """How strongly weights are drawn to zero."""

    max_grad_norm: Positive | None = 1.0
    """Where the norm of all gradients is cut."""

    trust_clip: bool = False
    """Whether a layer's step is at most as long as its weights."""
