"""What a network's numbers mean: a point, quantiles, or the parameters of a distribution; each with its loss.

Axes: B windows, H horizon, C targets, P numbers for each value, Q levels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework_plugins_timeseries.forecast_numbers import FEWEST_DEGREES, SMALLEST

LOSSES = ("mse", "mae", "huber", "quantile", "normal", "student_t")


class Head(nn.Module, ABC):
    """From a network's ``(B, H, C, P)`` to a loss, a point and quantiles."""

    numbers: int
    """How many numbers the network gives for each value."""

    @abstractmethod
    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """What training makes small."""

    @abstractmethod
    def point(self, outputs: Tensor) -> Tensor:
        """One forecast for each value, ``(B, H, C)``."""

    def restore(self, outputs: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Outputs for values that were shifted and divided, as outputs for those before; ``(B, 1, C)`` each."""
        return outputs * scale.unsqueeze(-1) + shift.unsqueeze(-1)

    @abstractmethod
    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor | None:
        """The quantiles of each value, ``(B, H, C, Q)``; nothing where the head has none of its own."""

    @abstractmethod
    def reading(self) -> dict[str, Any]:
        """How ``ForecastNumbers`` reads its numbers."""


class PointHead(Head):
    """One number, and an error that is made small.

    Args:
        loss: ``mse``, ``mae`` or ``huber``.
        huber_delta: With ``huber``, the error up to which it is a square.
    """

    numbers = 1

    def __init__(self, loss: str, huber_delta: float = 1.0) -> None:
        super().__init__()
        self.loss_name = loss
        self.huber_delta = huber_delta

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The mean of squares, of absolute errors, or of squares up to an error and absolute errors beyond."""
        if self.loss_name == "mae":
            return functional.l1_loss(self.point(outputs), target)
        if self.loss_name == "huber":
            return functional.huber_loss(self.point(outputs), target, delta=self.huber_delta)
        return functional.mse_loss(self.point(outputs), target)

    def point(self, outputs: Tensor) -> Tensor:
        """The number."""
        return outputs.squeeze(-1)

    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor | None:
        """None of its own."""
        return None

    def reading(self) -> dict[str, Any]:
        """A point."""
        return {"head": "point"}


class QuantileHead(Head):
    """Some quantiles, each learned by the pinball loss (Koenker and Bassett, https://doi.org/10.2307/1913643).

    Args:
        levels: Their levels, rising; 0.5 is among them.
    """

    levels: Tensor

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        self.numbers = len(levels)
        self.median = list(levels).index(0.5)
        self.register_buffer("levels", torch.tensor(levels), persistent=False)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The mean pinball loss."""
        return pinball(outputs, target, self.levels.to(outputs.dtype)).mean()

    def point(self, outputs: Tensor) -> Tensor:
        """The median."""
        return outputs[..., self.median]

    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor | None:
        """Straight lines between those that were learned, put in order where they crossed."""
        known = outputs.sort(dim=-1).values
        grid = self.levels.to(outputs)
        upper = torch.searchsorted(grid, levels.to(grid)).clamp(1, len(grid) - 1)
        share = ((levels.to(grid) - grid[upper - 1]) / (grid[upper] - grid[upper - 1])).clamp(0, 1)
        return known[..., upper - 1] * (1 - share) + known[..., upper] * share

    def reading(self) -> dict[str, Any]:
        """Quantiles, and their levels."""
        return {"head": "quantile", "levels": self.levels.tolist()}


class NormalHead(Head):
    """The mean and the standard deviation of a normal distribution; the loss is its negative log likelihood."""

    numbers = 2

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Mean negative log likelihood."""
        likelihood: Tensor = self._distribution(outputs).log_prob(target)  # type: ignore[no-untyped-call]
        return -likelihood.mean()

    def point(self, outputs: Tensor) -> Tensor:
        """The mean."""
        return outputs[..., 0]

    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor | None:
        """Those of the distribution."""
        standard: Tensor = torch.special.ndtri(levels.to(outputs))
        found: Tensor = outputs[..., :1] + _positive(outputs[..., 1:2]) * standard
        return found

    def reading(self) -> dict[str, Any]:
        """The parameters of a normal distribution."""
        return {"head": "normal"}

    def drawn(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """A value for each standard normal number."""
        return outputs[..., 0] + _positive(outputs[..., 1]) * noise

    def restore(self, outputs: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """The mean is moved and scaled, the deviation scaled."""
        return torch.stack([outputs[..., 0] * scale + shift, _scaled(outputs[..., 1], scale)], dim=-1)

    def _distribution(self, outputs: Tensor) -> torch.distributions.Normal:
        return torch.distributions.Normal(outputs[..., 0], _positive(outputs[..., 1]), validate_args=False)


class StudentHead(Head):
    """Location, scale and degrees of freedom of Student's t, for heavy tails."""

    numbers = 3

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Mean negative log likelihood."""
        location, scale, degrees = self._parts(outputs)
        found = torch.distributions.StudentT(degrees, location, scale, validate_args=False)
        likelihood: Tensor = found.log_prob(target)  # type: ignore[no-untyped-call]
        return -likelihood.mean()

    def point(self, outputs: Tensor) -> Tensor:
        """The location, which is mean and median."""
        return outputs[..., 0]

    def quantiles(self, outputs: Tensor, levels: Tensor) -> Tensor | None:
        """Those of the distribution."""
        from scipy.special import stdtrit

        location, scale, degrees = (each.detach().double().cpu().unsqueeze(-1) for each in self._parts(outputs))
        standard = torch.from_numpy(stdtrit(degrees.numpy(), levels.double().cpu().numpy()))
        return (location + scale * standard).to(outputs)

    def reading(self) -> dict[str, Any]:
        """The parameters of Student's t."""
        return {"head": "student_t"}

    def restore(self, outputs: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """The location is moved and scaled, the scale scaled; the degrees of freedom stay."""
        moved = outputs[..., 0] * scale + shift
        return torch.stack([moved, _scaled(outputs[..., 1], scale), outputs[..., 2]], dim=-1)

    def _parts(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return outputs[..., 0], _positive(outputs[..., 1]), FEWEST_DEGREES + _positive(outputs[..., 2])


def head_for(loss: str, *, quantiles: Sequence[float], huber_delta: float) -> Head:
    """The head that learns by a loss."""
    if loss == "quantile":
        return QuantileHead(quantiles)
    if loss == "normal":
        return NormalHead()
    if loss == "student_t":
        return StudentHead()
    return PointHead(loss, huber_delta)


def pinball(quantiles: Tensor, target: Tensor, levels: Tensor) -> Tensor:
    """The pinball loss of each quantile, ``(..., Q)``."""
    behind = target.unsqueeze(-1) - quantiles
    return torch.maximum(levels * behind, (levels - 1) * behind)


def _positive(values: Tensor) -> Tensor:
    return functional.softplus(values) + SMALLEST


def _scaled(raw: Tensor, scale: Tensor) -> Tensor:
    """The number whose ``_positive`` is that of ``raw`` times ``scale``."""
    wanted = (_positive(raw) * scale - SMALLEST).clamp(min=1e-8)
    # The inverse of softplus, written so that large values do not overflow.
    return wanted + torch.log(-torch.expm1(-wanted))
