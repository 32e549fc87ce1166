"""What each of several processes had in each step: its samples, its loss, and what that counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from framework_core.training.sampling import ResumableBatches, place_in
from framework_core.training.shares import weight_of_loss
from framework_core.verification.witness import digest


class ScaleWitness(Callback):
    """Writes down what a process had, into a file of its own.

    Args:
        file: Its name begins so.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._data = ""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Before a step."""
        self._data = digest(batch)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a step."""
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        loaders: Any = trainer.fit_loop._combined_loader.flattened if trainer.fit_loop._combined_loader else []
        places = [place for place in map(place_in, loaders) if isinstance(place, ResumableBatches)]
        line = {
            "epoch": trainer.current_epoch,
            "batch": batch_idx,
            "own": [[str(each) for each in place.indices(trainer.current_epoch, batch_idx)] for place in places],
            "whole": [[str(each) for each in place.whole(trainer.current_epoch, batch_idx)] for place in places],
            "data": self._data,
            "loss": None if loss is None else float(loss) * weight_of_loss(trainer, pl_module),
            "draws": sorted({type(each).__name__ for each in pl_module.modules() if _draws(each)}),
            "averages": sorted({type(each).__name__ for each in pl_module.modules() if _averages(each)}),
        }
        with self._file.with_suffix(f".{trainer.global_rank}").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _draws(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0


def _averages(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and not isinstance(module, nn.SyncBatchNorm)
