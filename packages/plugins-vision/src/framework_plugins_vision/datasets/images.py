"""Small images that are all in memory, taken and augmented a batch at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from framework_core import BatchDataset, draw_samples
from framework_plugins_vision.image_hashes import Picture


class ImagesInMemory(BatchDataset):
    """Square images and their classes; each image moved at random, and half of them mirrored where asked.

    Args:
        images: ``(count, channels, side, side)``.
        targets: The class of each, ``(count,)``.
        shift: How far an image is moved at most, in pixels, up or down and left or right.
        fill: What comes into view at the border.
        mirror: Whether half of the images are mirrored, left to right.
        policy: What else happens to a batch at random.
        finish: From the batch as it is kept to what the model takes.
    """

    def __init__(
        self,
        images: Tensor,
        targets: Tensor,
        *,
        shift: int = 0,
        fill: float = 0,
        mirror: bool = False,
        policy: Callable[[Tensor], Tensor] | None = None,
        finish: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.side = images.shape[-1]
        self.images = functional.pad(images, (shift,) * 4, value=fill) if shift else images
        self.targets = targets
        self.shift = shift
        self.mirror = mirror
        self.policy = policy
        self.finish = finish

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The images and classes of these indices."""
        images = self._taken(indices)
        return self.finish(images) if self.finish else images, self.targets[indices]

    def batch_of_bytes(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The same, before ``finish`` where images are bytes then."""
        images = self._taken(indices)
        finished = images if images.dtype == torch.uint8 or not self.finish else self.finish(images)
        return finished, self.targets[indices]

    def _taken(self, indices: Tensor) -> Tensor:
        images = self._moved(indices) if self.shift else self.images[indices]
        if self.mirror:
            turned = draw_samples(torch.rand, len(indices)) < 0.5
            images[turned] = images[turned].flip(-1)
        if self.policy:
            images = self.policy(images)
        return images

    def picture(self, index: int) -> Picture:
        """An image as it was, before it is moved."""
        inside = slice(self.shift, self.shift + self.side)
        image = self.images[index, :, inside, inside].contiguous()
        return Picture(f"image {index:,}", image.numpy().tobytes(), image)

    def _moved(self, indices: Tensor) -> Tensor:
        corners = draw_samples(lambda size: torch.randint(0, 2 * self.shift + 1, (size, 2, 1)), len(indices))
        rows, columns = corners.transpose(0, 1) + torch.arange(self.side)
        taken = self.images[indices[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return taken.permute(0, 3, 1, 2).contiguous()
