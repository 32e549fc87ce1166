"""The settings of torch's optimizers, under torch's names and with its defaults. Nothing here imports torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from framework_core.contracts.config import DecayingOptimizerConfig, OptimizerConfig

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class _Adam(DecayingOptimizerConfig):
    betas: tuple[Rate, Rate] = (0.9, 0.999)
    """How slowly the averages of the gradient and of its square move."""

    eps: Positive = 1e-8
    """Keeps the division away from zero."""

    foreach: bool | None = None
    """Whether all tensors are updated in one call; empty lets torch choose."""


class Adam(_Adam):
    """Adam (Kingma and Ba, https://arxiv.org/abs/1412.6980)."""

    amsgrad: bool = False
    """Whether the largest past average is used."""

    fused: bool | None = None
    """Whether one fused kernel does the update; empty lets torch choose."""


class AdamW(Adam):
    """AdamW (Loshchilov and Hutter, https://arxiv.org/abs/1711.05101)."""

    weight_decay: NotNegative = 0.01
    """How strongly weights are drawn to zero."""


class Adamax(_Adam):
    """Adamax (Kingma and Ba, https://arxiv.org/abs/1412.6980, section 7)."""

    lr: Positive = 2e-3
    """The learning rate."""


class NAdam(_Adam):
    """NAdam (Dozat, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ)."""

    lr: Positive = 2e-3
    """The learning rate."""

    momentum_decay: NotNegative = 4e-3
    """How fast the momentum warms up."""

    decoupled_weight_decay: bool = False
    """Whether weights decay as in AdamW."""


class RAdam(_Adam):
    """RAdam (Liu et al., https://arxiv.org/abs/1908.03265)."""

    decoupled_weight_decay: bool = False
    """Whether weights decay as in AdamW."""


class SGD(DecayingOptimizerConfig):
    """Stochastic gradient descent with momentum."""

    lr: Positive = 0.1
    """The learning rate."""

    momentum: NotNegative = 0.9
    """How much of the last step is kept."""

    dampening: NotNegative = 0.0
    """How much of the gradient is left out of the momentum."""

    nesterov: bool = False
    """Whether the gradient is taken one step ahead."""

    foreach: bool | None = None
    """Whether all tensors are updated in one call; empty lets torch choose."""

    fused: bool | None = None
    """Whether one fused kernel does the update; empty lets torch choose."""


class RMSprop(DecayingOptimizerConfig):
    """RMSprop (Hinton, Neural Networks for Machine Learning, lecture 6)."""

    lr: Positive = 0.01
    """The learning rate."""

    alpha: Rate = 0.99
    """How slowly the average of the squared gradient moves."""

    eps: Positive = 1e-8
    """Keeps the division away from zero."""

    momentum: NotNegative = 0.0
    """How much of the last step is kept."""

    centered: bool = False
    """Whether the gradient is divided by its variance."""


class Adagrad(DecayingOptimizerConfig):
    """Adagrad (Duchi et al., https://jmlr.org/papers/v12/duchi11a.html)."""

    lr: Positive = 0.01
    """The learning rate."""

    lr_decay: NotNegative = 0.0
    """How fast the learning rate falls."""

    initial_accumulator_value: NotNegative = 0.0
    """Where the sum of squares starts."""

    eps: Positive = 1e-10
    """Keeps the division away from zero."""


class Adadelta(DecayingOptimizerConfig):
    """Adadelta (Zeiler, https://arxiv.org/abs/1212.5701)."""

    lr: Positive = 1.0
    """The learning rate."""

    rho: Rate = 0.9
    """How slowly the average of the squared gradient moves."""

    eps: Positive = 1e-6
    """Keeps the division away from zero."""


class Adafactor(DecayingOptimizerConfig):
    """Adafactor (Shazeer and Stern, https://arxiv.org/abs/1804.04235)."""

    lr: Positive = 0.01
    """The learning rate."""

    beta2_decay: float = -0.8
    """How the average of the squared gradient changes its speed."""

    d: Positive = 1.0
    """Where an update is cut."""


class ASGD(DecayingOptimizerConfig):
    """Averaged stochastic gradient descent (Polyak and Juditsky, https://doi.org/10.1137/0330046)."""

    lr: Positive = 0.01
    """The learning rate."""

    lambd: NotNegative = 1e-4
    """How fast old weights leave the average."""

    alpha: NotNegative = 0.75
    """The power by which the learning rate falls."""

    t0: NotNegative = 1e6
    """The step at which averaging starts."""


class Rprop(OptimizerConfig):
    """Resilient propagation (Riedmiller and Braun, https://doi.org/10.1109/ICNN.1993.298623)."""

    lr: Positive = 0.01
    """The learning rate."""

    etas: tuple[Positive, Positive] = (0.5, 1.2)
    """By how much a step shrinks and grows."""

    step_sizes: tuple[Positive, Positive] = (1e-6, 50.0)
    """The smallest and the largest step."""


class LBFGS(OptimizerConfig):
    """Limited-memory BFGS (Liu and Nocedal, https://doi.org/10.1007/BF01589116)."""

    lr: Positive = 1.0
    """The learning rate."""

    max_iter: PositiveInt = 20
    """How many iterations one step has at most."""

    history_size: PositiveInt = 100
    """How many updates are remembered."""

    tolerance_grad: NotNegative = 1e-7
    """The gradient at which a step ends."""

    tolerance_change: NotNegative = 1e-9
    """The change at which a step ends."""

    max_eval: NonNegativeInt | None = None
    """How often the loss is computed in one step at most."""

    line_search_fn: Literal["strong_wolfe"] | None = None
    """How the length of a step is found."""
