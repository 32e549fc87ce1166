"""Memory for batches, used again once nobody holds the batch that was in it.

A batch of images is larger than what allocators keep, so each would be given fresh pages by the system, whose first
touch costs as much as a fifth of reading the images.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor

LARGE = 1 << 20
"""Numbers from which on a batch is worth keeping the memory of."""

KEPT = 2
"""How many that nobody uses are kept: a loop holds one batch while it asks for the next."""


class BatchMemory:
    """Gives room for batches of ``float32``."""

    def __init__(self) -> None:
        self._free: list[np.ndarray[Any, Any]] = []

    def room(self, shape: tuple[int, ...]) -> Tensor:
        """Room for a batch; what is in it is of no meaning."""
        count = math.prod(shape)
        if count < LARGE:
            return torch.from_numpy(np.empty(shape, dtype=np.float32))
        memory = self._taken(count)
        used = memory[:count].reshape(shape)
        # The tensor holds this view of the memory; when the last tensor that shares it is gone, so is the view.
        weakref.finalize(used, self._give_back, memory).atexit = False
        return torch.from_numpy(used)

    def _taken(self, count: int) -> np.ndarray[Any, Any]:
        while self._free:
            memory = self._free.pop()
            if count <= memory.size <= 2 * count:
                return memory
        return np.empty(count, dtype=np.float32)

    def _give_back(self, memory: np.ndarray[Any, Any]) -> None:
        if len(self._free) < KEPT:
            self._free.append(memory)
