"""Energy of each channel, normalised by what it was lately."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PCEN(nn.Module):
    """Per-channel energy normalisation, Wang et al., https://arxiv.org/abs/1607.05666, formulas 1 and 2.

    ``(E / (eps + M) ** gain + bias) ** power - bias ** power``, where ``M`` is a moving average of the energy ``E`` of
    a band that begins with its first frame.

    Args:
        bands: How many bands there are.
        trainable: Whether smoothing, gain, bias and power of each band are learned, as in section 3.
        smoothing: The weight of the new frame in the moving average.
        gain: How much of the average is divided out.
        bias: What is added before the root.
        power: The exponent of the root.
        eps: Keeps the division away from zero, for waves between -1 and 1.
    """

    def __init__(
        self,
        bands: int,
        *,
        trainable: bool = False,
        smoothing: float = 0.025,
        gain: float = 0.98,
        bias: float = 2.0,
        power: float = 0.5,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.eps = eps
        start = torch.tensor([smoothing, gain, bias, power], dtype=torch.float64)
        # Their logarithms are learned, as the authors do: each stays above zero.
        logs = start.log().float()[:, None].repeat(1, bands)
        if trainable:
            self.logs: Tensor = nn.Parameter(logs)
        else:
            self.register_buffer("logs", logs, persistent=False)

    def forward(self, energy: Tensor) -> Tensor:
        """``(N, bands, frames)`` to the same, in 32 bits under any precision."""
        with torch.autocast(energy.device.type, enabled=False):
            smoothing, gain, bias, power = self.logs.float().exp()[..., None]
            average = moving_average(energy, smoothing.clamp(max=1.0))
            # As a difference of logarithms, which is exact where the average is tiny.
            level = energy * torch.exp(-gain * (self.eps + average).log())
            found: Tensor = (level + bias) ** power - bias**power
            return found


def moving_average(values: Tensor, weight: Tensor) -> Tensor:
    """``m[t] = (1 - weight) * m[t - 1] + weight * values[t]`` from ``m[0] = values[0]``.

    Every value is reached from the one before in one step, from the one before that in two; each round doubles the
    reach (Hillis and Steele, Data Parallel Algorithms, https://doi.org/10.1145/7902.7903): there is no loop over time.

    Args:
        values: ``(N, bands, frames)``.
        weight: ``(bands, 1)``.
    """
    average = torch.cat([values[..., :1], weight * values[..., 1:]], dim=-1)
    kept, reach = 1.0 - weight, 1
    while reach < values.shape[-1]:
        average = average + kept * functional.pad(average[..., :-reach], (reach, 0))
        kept, reach = kept.square(), 2 * reach
    return average
