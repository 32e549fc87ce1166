"""timm's learning-rate schedulers, driven as torch's are: stepped after every optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.scheduler.multistep_lr import MultiStepLRScheduler
from timm.scheduler.poly_lr import PolyLRScheduler
from timm.scheduler.step_lr import StepLRScheduler
from timm.scheduler.tanh_lr import TanhLRScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class TimmScheduler(LRScheduler):
    """A scheduler of timm's as one of torch's; what it does at a step follows from the step alone.

    Args:
        optimizer: The optimizer.
        schedule: timm's scheduler of it, in steps.
    """

    def __init__(self, optimizer: Optimizer, schedule: Any) -> None:
        self._schedule = schedule
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Any]:
        """The learning rate of each group at this step."""
        values = self._schedule._get_lr(self.last_epoch)
        return list(self._schedule._add_noise(values, self.last_epoch))

    def state_dict(self) -> dict[str, Any]:
        """Torch's, without timm's scheduler, which has no state of its own."""
        return {key: value for key, value in super().state_dict().items() if key != "_schedule"}


def timm_cosine(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    warmup_steps: int,
    warmup_lr: float,
    min_lr: float,
    cycles: int,
    cycle_mul: float,
    cycle_decay: float,
    k_decay: float,
    noise_start: float | None,
) -> LRScheduler:
    """Cosines, each longer and lower than the last."""
    return TimmScheduler(
        optimizer,
        CosineLRScheduler(
            optimizer,
            t_initial=_first_cycle(total_steps, cycles, cycle_mul),
            lr_min=min_lr,
            cycle_mul=cycle_mul,
            cycle_decay=cycle_decay,
            cycle_limit=cycles,
            k_decay=k_decay,
            **_common(total_steps, warmup_steps, warmup_lr, noise_start),
        ),
    )


def timm_tanh(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    warmup_steps: int,
    warmup_lr: float,
    min_lr: float,
    cycles: int,
    cycle_mul: float,
    cycle_decay: float,
    noise_start: float | None,
) -> LRScheduler:
    """Falls as a hyperbolic tangent."""
    return TimmScheduler(
        optimizer,
        TanhLRScheduler(
            optimizer,
            t_initial=_first_cycle(total_steps, cycles, cycle_mul),
            lr_min=min_lr,
            cycle_mul=cycle_mul,
            cycle_decay=cycle_decay,
            cycle_limit=cycles,
            **_common(total_steps, warmup_steps, warmup_lr, noise_start),
        ),
    )


def timm_poly(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    warmup_steps: int,
    warmup_lr: float,
    min_lr: float,
    power: float,
    k_decay: float,
    noise_start: float | None,
) -> LRScheduler:
    """A power of what is left."""
    return TimmScheduler(
        optimizer,
        PolyLRScheduler(
            optimizer,
            t_initial=total_steps,
            lr_min=min_lr,
            power=power,
            k_decay=k_decay,
            **_common(total_steps, warmup_steps, warmup_lr, noise_start),
        ),
    )


def timm_step(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    warmup_steps: int,
    warmup_lr: float,
    decay_epochs: float,
    decay_rate: float,
    noise_start: float | None,
) -> LRScheduler:
    """Times a rate every few epochs."""
    return TimmScheduler(
        optimizer,
        StepLRScheduler(
            optimizer,
            decay_t=max(1, round(decay_epochs * steps_per_epoch)),
            decay_rate=decay_rate,
            **_in_place(total_steps, warmup_steps, warmup_lr, noise_start),
        ),
    )


def timm_multistep(
    optimizer: Optimizer,
    *,
    total_steps: int,
    steps_per_epoch: float,
    warmup_steps: int,
    warmup_lr: float,
    decay_milestones: Sequence[float],
    decay_rate: float,
    noise_start: float | None,
) -> LRScheduler:
    """Times a rate at given epochs."""
    return TimmScheduler(
        optimizer,
        MultiStepLRScheduler(
            optimizer,
            decay_t=[round(epoch * steps_per_epoch) for epoch in decay_milestones],
            decay_rate=decay_rate,
            **_in_place(total_steps, warmup_steps, warmup_lr, noise_start),
        ),
    )


def _first_cycle(total_steps: int, cycles: int, cycle_mul: float) -> int:
    """The length of the first cycle, so that all of them fill the training."""
    whole = sum(cycle_mul**number for number in range(cycles))
    return max(1, round(total_steps / whole))


def _common(total_steps: int, warmup_steps: int, warmup_lr: float, noise_start: float | None) -> dict[str, Any]:
    noise = None if noise_start is None else round(noise_start * total_steps)
    return {
        "warmup_t": warmup_steps,
        "warmup_lr_init": warmup_lr,
        "t_in_epochs": False,
        "noise_range_t": noise,
        "initialize": True,
    }


def _in_place(total_steps: int, warmup_steps: int, warmup_lr: float, noise_start: float | None) -> dict[str, Any]:
    """Epochs are counted from the first step of the training, the warm-up among them."""
    return {**_common(total_steps, warmup_steps, warmup_lr, noise_start), "warmup_prefix": False}
