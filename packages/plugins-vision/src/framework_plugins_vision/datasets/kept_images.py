"""Decoded images kept in memory, so that each is decoded once and not in every epoch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor

from framework_core import DataError
from framework_plugins_vision import reading

LIMIT = 256 << 20
"""Bytes of decoded images that ``dataset.cache=auto`` keeps at most."""

SAMPLED = 16
"""Images that the size of all is judged by."""


class KeptImages:
    """A reader that remembers what it read.

    Args:
        read: Reads a file.
    """

    def __init__(self, read: Callable[[str], Tensor]) -> None:
        self.read = read
        self._kept: dict[str, Tensor] = {}

    def __call__(self, path: str) -> Tensor:
        """The pixels of a file; read the first time."""
        image = self._kept.get(path)
        if image is None:
            # Contiguous, channels last: as decoders give them, and not a view of something larger.
            image = self._kept[path] = self.read(path)
        return image

    def fill(self, paths: Sequence[str]) -> None:
        """Read all that is missing, so that processes started from here on share it."""
        missing = [path for path in paths if path not in self._kept]
        with reading.quiet(), ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for path, image in zip(missing, pool.map(self._or_nothing, missing), strict=True):
                if image is not None:
                    self._kept[path] = image

    def _or_nothing(self, path: str) -> Tensor | None:
        """What cannot be read is told when its turn comes."""
        try:
            return self.read(path)
        except DataError:
            return None


def decoded_size(paths: Sequence[str], read: Callable[[str], Tensor]) -> int:
    """About how many bytes all images take once they are decoded, judged by some of them."""
    step = max(1, len(paths) // SAMPLED)
    sizes = []
    for path in paths[::step][:SAMPLED]:
        try:
            sizes.append(read(path).numel())
        except DataError:
            continue
    return int(sum(sizes) / len(sizes) * len(paths)) if sizes else 0
