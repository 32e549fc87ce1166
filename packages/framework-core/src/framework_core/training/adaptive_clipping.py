"""Adaptive gradient clipping: Brock et al., https://arxiv.org/abs/2102.06171, section 4.1."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from framework_core.base.model import BaseModel

SMALLEST_NORM = 1e-3
"""Weights that start at zero could otherwise never move."""


class AdaptiveGradientClipping(Callback):
    """Cuts the gradient of each unit whose norm is more than a share of the norm of the unit's weights.

    The head is left out, as in the paper, where the model says what its layers are.

    Args:
        share: How large a gradient may be beside its weights.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._clipped: list[nn.Parameter] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out the head."""
        layers = pl_module.parameter_layers() if isinstance(pl_module, BaseModel) else ()
        head = set(layers[-1]) if len(layers) > 1 else set()
        self._clipped = [parameter for name, parameter in pl_module.named_parameters() if name not in head]

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Called when the gradients of a step are complete."""
        for parameter in self._clipped:
            if parameter.grad is not None:
                clip(parameter.grad, parameter.detach(), self._share)


def clip(gradient: Tensor, weights: Tensor, share: float) -> None:
    """Cut a gradient in place, unit by unit: a unit is what the first axis counts."""
    most = _norms(weights).clamp_(min=SMALLEST_NORM).mul_(share)
    gradient.mul_((most / _norms(gradient).clamp_(min=1e-6)).clamp_(max=1.0))


def _norms(tensor: Tensor) -> Tensor:
    units = tensor.reshape(1, -1) if tensor.ndim <= 1 else tensor.flatten(1)
    found: Tensor = units.square().sum(dim=1).sqrt()
    return found.reshape(-1, *[1] * (tensor.ndim - 1)) if tensor.ndim > 1 else found
