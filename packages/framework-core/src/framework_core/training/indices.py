"""Which samples make a batch, and which batch it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Indices(list[Any]):
    """The samples of a batch, or of one process's part of it, and which batch it is; loading processes get it as it is.

    Args:
        samples: Their indices.
        epoch: The epoch.
        batch: The batch's number in it.
        first: The place of the first one in the whole batch.
        whole: How many samples that has; these, where nothing is said.
    """

    def __init__(
        self, samples: Sequence[Any] = (), epoch: int = 0, batch: int = 0, first: int = 0, whole: int | None = None
    ) -> None:
        super().__init__(samples)
        self.epoch = epoch
        self.batch = batch
        self.first = first
        self.whole = len(self) if whole is None else whole
