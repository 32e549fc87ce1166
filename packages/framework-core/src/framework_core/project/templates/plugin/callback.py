"""The callback ``${module}_jitter``."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class Jitter(Callback):
    """Adds noise to the inputs of each training batch.

    Args:
        std: Its standard deviation.
    """

    def __init__(self, std: float = 0.1) -> None:
        self.std = std

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Called by Lightning before each training step; the batch is a copy, so it is changed in place."""
        inputs, _ = batch
        inputs.add_(self.std * torch.randn_like(inputs))
