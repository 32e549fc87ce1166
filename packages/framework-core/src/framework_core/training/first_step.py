"""What waits for the first step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class AfterFirstStep(Callback):
    """Does something once, after the first batch: what would take the processor from the start of a run.

    Args:
        do: What.
    """

    def __init__(self, do: Callable[[], None]) -> None:
        self._do: Callable[[], None] | None = do

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Do it."""
        if self._do is not None:
            self._do()
            self._do = None
