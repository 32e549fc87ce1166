"""Image files with a target each: read, prepared and put together a batch at a time."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info
from torchvision.transforms import v2

from framework_core import BatchDataset, DataError, seed_sample
from framework_plugins_vision import reading
from framework_plugins_vision.datasets.batch_memory import BatchMemory
from framework_plugins_vision.image_hashes import Picture, file_picture
from framework_plugins_vision.normalization import Normalization
from framework_plugins_vision.transforms import Transform

_memory = BatchMemory()
_log = logging.getLogger("framework_core")


class ImageReader:
    """Reads image files as bytes of pixels.

    Args:
        channels: 1 for grey, 3 for RGB.
        short_side: A large JPEG is decoded smaller, as long as its shorter side keeps so many pixels; 0 decodes all.
        quick: Whether a JPEG is decoded in less time, with pixels that are a little off.
    """

    def __init__(self, channels: int, short_side: int = 0, *, quick: bool = False) -> None:
        self.channels = channels
        self.short_side = short_side
        self.quick = quick

    def __call__(self, path: str) -> Tensor:
        """The pixels of a file.

        Raises:
            DataError: It cannot be read.
        """
        try:
            with open(path, "rb") as file:  # noqa: PTH123  # a Path takes a tenth of the time that decoding does
                return self.decoded(file.read())
        except reading.UNREADABLE as error:
            raise DataError(f"The image {path} cannot be read: {reading.reason(error)}", paths=[path]) from error

    def decoded(self, content: bytes) -> Tensor:
        """The pixels of a file's content."""
        image = reading.jpeg_pixels(content, self.channels, self.short_side, quick=self.quick)
        if image is None:
            with reading.quiet():
                image = reading.pixels(content, self.channels, short_side=self.short_side, quick=self.quick)
        return torch.from_numpy(image)


class ImageFiles(BatchDataset):
    """Image files with a target each.

    Args:
        paths: The files.
        targets: One for each file, the sample axis first.
        reader: From a path to bytes of pixels.
        transform: From those to what the model takes.
        skip: Whether a file that cannot be read is left out of its batch, with a warning; it is an error otherwise.
    """

    def __init__(
        self,
        paths: Sequence[Path | str],
        targets: Tensor,
        reader: Callable[[str], Tensor],
        transform: Transform,
        *,
        skip: bool = False,
    ) -> None:
        self.paths = [str(path) for path in paths]
        self.targets = targets
        self.reader = reader
        self.transform = transform
        self.skip = skip
        self._skipped: set[str] = set()

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The images of these indices, without those that are to be skipped, and their targets.

        Raises:
            DataError: One cannot be read, or none can.
        """
        read = self._readable(indices)
        return prepared(read, self.transform), self.targets[indices[list(read)]]

    def batch_of_bytes(self, indices: Tensor) -> tuple[Tensor, ...]:
        """The same, and images not normalised yet, where that is the last step.

        Raises:
            DataError: One cannot be read, or none can.
        """
        read = self._readable(indices)
        return prepared(read, self.transform, as_bytes=True), self.targets[indices[list(read)]]

    def _readable(self, indices: Tensor) -> dict[int, Tensor]:
        """The images that can be read, by their place in the batch."""
        images = {place: self._read(self.paths[index]) for place, index in enumerate(indices.tolist())}
        read = {place: image for place, image in images.items() if image is not None}
        if not read:
            raise DataError(
                f"None of the {len(indices)} images of a batch can be read, {self.paths[int(indices[0])]} among them.",
                next_step="Check the folder: dataset.verify=full",
            )
        return read

    def picture(self, index: int) -> Picture:
        """An image as it is in its file."""
        return file_picture(self.paths[index])

    def _read(self, path: str) -> Tensor | None:
        try:
            return self.reader(path)
        except DataError as error:
            if not self.skip:
                raise
            if path not in self._skipped:
                self._skipped.add(path)
                _log.warning("left out (%d so far): %s", len(self._skipped), error.what)
            return None


class UnlabelledImages(BatchDataset):
    """Image files to predict.

    Args:
        paths: The files.
        reader: From a path to bytes of pixels.
        transform: From those to what the model takes.
    """

    def __init__(self, paths: Sequence[Path], reader: Callable[[str], Tensor], transform: Transform) -> None:
        self.paths = [str(path) for path in paths]
        self.reader = reader
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, indices: Tensor) -> Any:
        """The images of these indices."""
        read = {place: self.reader(self.paths[index]) for place, index in enumerate(indices.tolist())}
        return prepared(read, self.transform)

    def __getitem__(self, index: int) -> Any:
        return self.batch(torch.tensor([index]))[0]


def prepared(images: Mapping[int, Tensor], transform: Transform, *, as_bytes: bool = False) -> Tensor:
    """A batch of images that went through a transform.

    Where the transform ends in a ``Normalization``, each image is written straight into the batch.

    Args:
        images: Bytes of pixels, by their place in the batch that was asked for.
        transform: From those to what the model takes.
        as_bytes: Whether a ``Normalization`` at the end is left out, if bytes come to it.
    """
    steps = list(transform.transforms) if isinstance(transform, v2.Compose) else []
    if not steps or not isinstance(steps[-1], Normalization):
        return torch.stack([_transformed(image, place, [transform]) for place, image in images.items()])
    *before, last = (step for step in steps if not isinstance(step, v2.PILToTensor))
    batch: Tensor | None = None
    for position, (place, image) in enumerate(images.items()):
        ready = _transformed(image, place, before)
        if batch is None:
            as_bytes = as_bytes and ready.dtype == torch.uint8
            batch = empty_batch((len(images), *ready.shape), as_bytes=as_bytes)
        if as_bytes:
            batch[position] = ready
        else:
            last.into(ready, batch[position])
    assert batch is not None  # noqa: S101  # no batch is empty
    return batch


def _transformed(image: Tensor, place: int, steps: Sequence[Any]) -> Tensor:
    seed_sample(place)
    for step in steps:
        image = step(image)
    return image


def empty_batch(shape: tuple[int, ...], *, as_bytes: bool = False) -> Tensor:
    """Room for a batch, where the process that trains will read it.

    A worker process takes shared memory at once, so that nothing is copied there; any other uses memory again. Bytes
    lie as decoders give them, the channels of a pixel side by side.
    """
    if as_bytes:
        count, channels, height, width = shape
        return _shared((count, height, width, channels), torch.uint8).permute(0, 3, 1, 2)
    if get_worker_info() is None:
        return _memory.room(shape)
    return _shared(shape, torch.float32)


def _shared(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if get_worker_info() is None:
        return torch.empty(shape, dtype=dtype)
    room = torch.empty(0, dtype=dtype)
    storage: Any = torch.UntypedStorage
    strides = torch.empty(shape, device="meta").stride()
    place: Tensor = room.set_(storage._new_shared(dtype.itemsize * math.prod(shape)), 0, torch.Size(shape), strides)
    return place
