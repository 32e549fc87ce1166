"""Features of each clip on a scale of its own."""

from __future__ import annotations

from torch import Tensor, nn

EPS = 1e-5
"""Is added to a variance: a clip whose features are all the same has none."""


class ClipNormalization(nn.Module):
    """Takes the mean off the real frames of each clip and divides them by their deviation; padding becomes 0.

    Padding does not count: a short clip in a long batch has the scale that it has alone.

    Args:
        of_bands: Whether each band of a clip has a mean and a deviation of its own, and not the clip.
    """

    def __init__(self, *, of_bands: bool = False) -> None:
        super().__init__()
        self.axes = (3,) if of_bands else (1, 2, 3)

    def forward(self, features: Tensor, real: Tensor) -> Tensor:
        """Normalised features.

        Args:
            features: ``(batch, channels, bands, frames)``.
            real: Which frames are real, ``(batch, frames)``.
        """
        mask = real[:, None, None].to(features.dtype)
        number = mask.expand_as(features).sum(dim=self.axes, keepdim=True)
        mean = (features * mask).sum(dim=self.axes, keepdim=True) / number
        centred = (features - mean) * mask
        variance = centred.square().sum(dim=self.axes, keepdim=True) / number
        return centred * (variance + EPS).rsqrt()
