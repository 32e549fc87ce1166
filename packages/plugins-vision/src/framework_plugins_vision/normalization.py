"""From the bytes of an image to the numbers that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Normalization(nn.Module):
    """Values from 0 to 1, less the mean of their channel, by its deviation: the last step of a transform.

    Bytes go straight into the numbers of a batch, while they are in the processor's cache; torchvision's own steps for
    it take two to three times as long.

    Args:
        mean: Subtracted from each channel.
        std: What each channel is divided by.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean = tuple(float(each) for each in mean)
        self.std = tuple(float(each) for each in std)
        self._of_bytes, self._of_shares = self._numbers(255.0), self._numbers(1.0)

    def forward(self, image: Tensor, *others: Any) -> Any:
        """The image as ``float32``; what else goes through the transform is left as it is."""
        out = torch.empty(image.shape, dtype=torch.float32)
        self.into(image, out)
        return (out, *others) if others else out

    def batch(self, images: Tensor) -> Tensor:
        """A batch of images."""
        out = torch.empty(images.shape, dtype=torch.float32)
        for image, place in zip(images, out, strict=True):
            self.into(image, place)
        return out

    def of_bytes(self, images: Tensor) -> Tensor:
        """A batch of bytes, on whatever device it is: the same numbers as one by one, channels last as bytes are."""
        mean, inverse = (each.to(images.device, non_blocking=True) for each in self._of_bytes)
        return images.to(torch.float32).sub_(mean).mul_(inverse)

    def into(self, image: Tensor, out: Tensor) -> None:
        """The same, into a place that is there: ``(channels, height, width)``, of ``float32``."""
        mean, inverse = self._of_bytes if image.dtype == torch.uint8 else self._of_shares
        # Decoders give the colours of a pixel side by side; they are taken apart while they become numbers.
        out.copy_(image)
        out.sub_(mean).mul_(inverse)

    def _numbers(self, scale: float) -> tuple[Tensor, Tensor]:
        """What is subtracted from each channel and what it is multiplied by: made once, as small tensors take long."""
        mean, std = (torch.tensor(each, dtype=torch.float32)[:, None, None] * scale for each in (self.mean, self.std))
        return mean, 1 / std

    def extra_repr(self) -> str:
        """What is subtracted and divided by."""
        return f"mean={self.mean}, std={self.std}"
