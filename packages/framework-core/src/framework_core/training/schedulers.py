"""Learning-rate schedulers: each a factor of the learning rate, by optimizer step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

Shape = Callable[[float], float]
"""From the share of the training that is over, 0 to 1, to the share of the way down that is left, 1 to 0."""


def constant(optimizer: Optimizer, *, total_steps: int, steps_per_epoch: float, warmup_steps: int) -> LRScheduler:
    """The learning rate stays as it is."""
    return _by_step(optimizer, warmup_steps, lambda step: 1.0)


def cosine(
    optimizer: Optimizer, *, total_steps: int, steps_per_epoch: float, warmup_steps: int, min_lr: float
) -> LRScheduler:
    """Half a cosine down to ``min_lr``: https://arxiv.org/abs/1608.03983, equation 5."""
    return _downwards(optimizer, total_steps, warmup_steps, min_lr, _half_cosine)


def cosine_restarts(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    warmup_steps: int,
    min_lr: float,
    cycles: int,
) -> LRScheduler:
    """``cycles`` cosines of the same length: https://arxiv.org/abs/1608.03983, equation 5 with T_mult 1."""

    def shape(progress: float) -> float:
        return _half_cosine(progress * cycles % 1.0) if progress < 1 else 0.0

    return _downwards(optimizer, total_steps, warmup_steps, min_lr, shape)


def linear(
    optimizer: Optimizer, *, total_steps: int, steps_per_epoch: float, warmup_steps: int, min_lr: float
) -> LRScheduler:
    """A straight line down to ``min_lr``."""
    return _downwards(optimizer, total_steps, warmup_steps, min_lr, lambda progress: 1 - progress)


def polynomial(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    warmup_steps: int,
    min_lr: float,
    power: float,
) -> LRScheduler:
    """A power of what is left, down to ``min_lr``."""
    return _downwards(optimizer, total_steps, warmup_steps, min_lr, lambda progress: (1 - progress) ** power)


def step(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    warmup_steps: int,
    step_epochs: float,
    gamma: float,
) -> LRScheduler:
    """Times ``gamma`` every ``step_epochs`` epochs, counted from the first step of the training."""
    return _by_step(optimizer, warmup_steps, lambda n: gamma ** int(n / (step_epochs * steps_per_epoch)))


def multistep(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    warmup_steps: int,
    milestones: Sequence[float],
    gamma: float,
) -> LRScheduler:
    """Times ``gamma`` at each milestone, an epoch counted from the first step of the training."""

    def factor(n: int) -> float:
        passed = sum(n >= epoch * steps_per_epoch for epoch in milestones)
        return float(gamma**passed)

    return _by_step(optimizer, warmup_steps, factor)


def exponential(
    optimizer: Optimizer, *, total_steps: int, steps_per_epoch: float, warmup_steps: int, gamma: float
) -> LRScheduler:
    """Times ``gamma`` over each epoch, smoothly."""
    return _by_step(optimizer, warmup_steps, lambda n: gamma ** (n / steps_per_epoch))


def one_cycle(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    pct_start: float,
    anneal_strategy: str,
    div_factor: float,
    final_div_factor: float,
) -> LRScheduler:
    """Torch's one-cycle policy, with the optimizer's learning rate as its peak."""
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=total_steps,
        pct_start=pct_start,
        anneal_strategy=anneal_strategy,  # type: ignore[arg-type]  # the settings allow torch's two words only
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        cycle_momentum=False,
    )


def plateau(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    mode: str,
    factor: float,
    patience: int,
    threshold: float,
    cooldown: int,
    min_lr: float,
) -> ReduceLROnPlateau:
    """Torch's reduction on a plateau of the monitored metric."""
    return ReduceLROnPlateau(
        optimizer,
        mode=mode,  # type: ignore[arg-type]  # "min" or "max", as the settings hold it
        factor=factor,
        patience=patience,
        threshold=threshold,
        cooldown=cooldown,
        min_lr=min_lr,
    )


def _half_cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))


def _downwards(optimizer: Optimizer, total_steps: int, warmup_steps: int, min_lr: float, shape: Shape) -> LRScheduler:
    falling = max(1, total_steps - warmup_steps)

    def for_group(lr: float) -> Callable[[int], float]:
        floor = min(1.0, min_lr / lr)
        return lambda n: floor + (1 - floor) * shape(min(1.0, max(0, n - warmup_steps) / falling))

    return _warmed_up(optimizer, warmup_steps, [for_group(group["lr"]) for group in optimizer.param_groups])


def _by_step(optimizer: Optimizer, warmup_steps: int, factor: Callable[[int], float]) -> LRScheduler:
    return _warmed_up(optimizer, warmup_steps, [factor] * len(optimizer.param_groups))


def _warmed_up(optimizer: Optimizer, warmup_steps: int, factors: Sequence[Callable[[int], float]]) -> LRScheduler:
    def with_warmup(factor: Callable[[int], float]) -> Callable[[int], float]:
        return lambda n: factor(n) * (n + 1) / (warmup_steps + 1) if n < warmup_steps else factor(n)

    return LambdaLR(optimizer, [with_warmup(factor) for factor in factors])
