"""Each window on a scale of its own: taken off before the network, put back behind it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class InstanceNorm(nn.Module):
    """Takes off the last value, or mean and standard deviation, or divides by the mean size; each target, each window.

    ``standard`` is RevIN of Kim et al., Reversible Instance Normalization (ICLR 2022), section 3, equations 1 to 3.

    Args:
        kind: ``last``, ``standard`` or ``size``.
        targets: How many targets there are.
        affine: Whether scale and shift are learned for each target, as in RevIN's equation 2.
    """

    def __init__(self, kind: str, targets: int, *, affine: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self.weight = nn.Parameter(torch.ones(targets)) if affine else None
        self.bias = nn.Parameter(torch.zeros(targets)) if affine else None

    def forward(self, past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(B, L, C)`` to the same on its own scale, and the shift and scale to put it back, ``(B, 1, C)``."""
        if self.kind == "last":
            shift = past[:, -1:].detach()
            scale = torch.ones_like(shift)
        elif self.kind == "size":
            scale = past.abs().mean(dim=1, keepdim=True).detach() + 1e-5
            shift = torch.zeros_like(scale)
        else:
            shift = past.mean(dim=1, keepdim=True).detach()
            scale = (past.var(dim=1, keepdim=True, unbiased=False) + 1e-5).sqrt().detach()
        normal = (past - shift) / scale
        if self.weight is None or self.bias is None:
            return normal, shift, scale
        learned = scale / (self.weight + 1e-10)
        return normal * self.weight + self.bias, shift - self.bias * learned, learned
