"""The ends of epochs, told to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lightning.pytorch import Callback, LightningModule, Trainer


class EpochEnds(Callback):
    """Tells of the end of each epoch, its validation included.

    Args:
        tell: Takes the number of the epoch, from 1, and the last value of each metric.
    """

    def __init__(self, tell: Callable[[int, Mapping[str, float]], None]) -> None:
        self._tell = tell

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Called in every process, for a metric may have to be put together from all of them."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self._tell(trainer.current_epoch + 1, metrics)
