"""A closer look at one real batch: forward and backward, and what looks wrong though nothing forbids it."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from framework_core.base.model import BaseModel
from framework_core.contracts.signature import accepts

SAMPLES = 4
"""How many samples go forward and backward; two would be enough for what is looked at, but for chance."""

LARGE = 30.0
"""An input beyond this was not normalised: 255 is what pixels have."""

FAR = 3.0
"""How many times larger than expected a first loss may be, and how many times smaller."""

SHOWN = 3


@dataclass(frozen=True)
class Look:
    """What was seen."""

    warnings: tuple[str, ...]
    seconds: float
    samples: int


def look(model: BaseModel, inputs: Tensor, target: Tensor) -> Look:
    """Put samples through a model and back. Weights, statistics, gradients and random numbers stay what they were.

    Args:
        model: The model.
        inputs: Inputs as the loader gives them; the first few are taken.
        target: Their targets.
    """
    started = time.perf_counter()
    inputs, target = inputs[:SAMPLES], target[:SAMPLES]
    warnings = _ranges(inputs)
    with isolate_rng(), unchanged(model):
        loss = model.loss(model.train()(inputs), target)
        warnings += _start(float(loss.detach()), _expected(model, target))
        loss.backward()  # type: ignore[no-untyped-call]
        warnings += _reach(model)
    return Look(tuple(warnings), time.perf_counter() - started, len(inputs))


def _ranges(inputs: Tensor) -> list[str]:
    if not inputs.is_floating_point() or not inputs.numel():
        return []
    low, high = float(inputs.min()), float(inputs.max())
    if low == high:
        return [f"every input is {low:g}: there is nothing to learn from"]
    if max(abs(low), abs(high)) > LARGE:
        return [f"inputs run from {low:g} to {high:g}: they look as if they were not normalised"]
    return []


def _start(loss: float, expected: float | None) -> list[str]:
    if expected is None or expected / FAR <= loss <= expected * FAR:
        return []
    side = "above" if loss > expected else "below"
    return [f"the first loss is {loss:.3g}, far {side} the {expected:.3g} of a model that has learned nothing"]


def _expected(model: BaseModel, target: Tensor) -> float | None:
    return model.expected_loss(target) if accepts(model.expected_loss, "target") else model.expected_loss()


def _reach(model: BaseModel) -> list[str]:
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    without = [name for name, parameter in named if parameter.grad is None]
    if not without:
        return []
    shown = ", ".join(without[:SHOWN]) + (", ..." if len(without) > SHOWN else "")
    return [f"no gradient reaches {len(without)} of {len(named)} parameters: {shown}"]


@contextmanager
def unchanged(model: BaseModel) -> Iterator[None]:
    """Weights, statistics and gradients stay what they are."""
    buffers = copy.deepcopy(dict(model.named_buffers()))
    training = model.training
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
        model.zero_grad(set_to_none=True)
        model.train(training)
