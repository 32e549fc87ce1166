"""Cepstral coefficients of mel bands."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class CosineTransform(nn.Module):
    """The first coefficients of an orthonormal discrete cosine transform (DCT-II) over bands.

    Of log-mels these are MFCCs: Davis and Mermelstein, Comparison of Parametric Representations for Monosyllabic Word
    Recognition, https://doi.org/10.1109/TASSP.1980.1163420.

    Args:
        bands: How many bands there are.
        coefficients: How many coefficients are taken.
    """

    basis: Tensor

    def __init__(self, bands: int, coefficients: int) -> None:
        super().__init__()
        places = (torch.arange(bands, dtype=torch.float64) + 0.5) / bands
        waves = torch.cos(math.pi * torch.arange(coefficients, dtype=torch.float64)[:, None] * places)
        waves = waves * math.sqrt(2.0 / bands)
        waves[0] /= math.sqrt(2.0)
        self.register_buffer("basis", waves.float(), persistent=False)

    def forward(self, logs: Tensor) -> Tensor:
        """``(N, bands, frames)`` to ``(N, coefficients, frames)``, in 32 bits under any precision."""
        with torch.autocast(logs.device.type, enabled=False):
            return self.basis.float() @ logs
