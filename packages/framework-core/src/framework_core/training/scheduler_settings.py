"""The settings of the learning-rate schedulers. Nothing here imports torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from framework_core.contracts.config import SchedulerConfig, WarmupConfig

Factor = Annotated[float, Field(gt=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Constant(WarmupConfig):
    """The learning rate stays as it is."""


class Cosine(WarmupConfig):
    """Half a cosine down to ``min_lr`` (Loshchilov and Hutter, https://arxiv.org/abs/1608.03983)."""

    needs_end: ClassVar[bool] = True

    min_lr: NotNegative = 0.0
    """Where it ends."""


class CosineRestarts(WarmupConfig):
    """Several cosines, one after another (Loshchilov and Hutter, https://arxiv.org/abs/1608.03983)."""

    needs_end: ClassVar[bool] = True

    min_lr: NotNegative = 0.0
    """Where each cosine ends."""

    cycles: PositiveInt = 3
    """How many there are."""


class Linear(WarmupConfig):
    """A straight line down to ``min_lr``."""

    needs_end: ClassVar[bool] = True

    min_lr: NotNegative = 0.0
    """Where it ends."""


class Polynomial(WarmupConfig):
    """A power of what is left of the training, down to ``min_lr``."""

    needs_end: ClassVar[bool] = True

    min_lr: NotNegative = 0.0
    """Where it ends."""

    power: Positive = 2.0
    """The power."""


class Step(WarmupConfig):
    """Times ``gamma`` every ``step_epochs`` epochs."""

    counts_epochs: ClassVar[bool] = True

    step_epochs: Positive = 30.0
    """How many epochs lie between two steps."""

    gamma: Factor = 0.1
    """What the learning rate is multiplied by."""


class MultiStep(WarmupConfig):
    """Times ``gamma`` at each of the ``milestones``."""

    counts_epochs: ClassVar[bool] = True

    milestones: list[Positive] = Field(min_length=1)
    """The epochs at which the learning rate falls."""

    gamma: Factor = 0.1
    """What it is multiplied by."""


class Exponential(WarmupConfig):
    """Times ``gamma`` over each epoch, smoothly."""

    counts_epochs: ClassVar[bool] = True

    gamma: Factor = 0.95
    """What one epoch multiplies the learning rate by."""


class OneCycle(SchedulerConfig):
    """One rise and one fall (Smith and Topin, https://arxiv.org/abs/1708.07120)."""

    needs_end: ClassVar[bool] = True

    pct_start: Factor = 0.3
    """The share of the training in which it rises."""

    anneal_strategy: Literal["cos", "linear"] = "cos"
    """The form of the fall."""

    div_factor: Positive = 25.0
    """What the learning rate is divided by at the start."""

    final_div_factor: Positive = 1e4
    """What the start is divided by at the end."""


class Plateau(SchedulerConfig):
    """Times ``factor`` when the monitored metric has not improved for ``patience`` validations."""

    factor: Factor = 0.1
    """What the learning rate is multiplied by."""

    patience: NonNegativeInt = 5
    """How many validations without an improvement are waited for."""

    threshold: NotNegative = 1e-4
    """The smallest relative change that counts as an improvement."""

    cooldown: NonNegativeInt = 0
    """How many validations after a step do not count."""

    min_lr: NotNegative = 0.0
    """Where it ends."""
