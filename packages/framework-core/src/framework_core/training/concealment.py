"""Checkpoints without secrets: a model that saves its hyperparameters may have been given one."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from pydantic import SecretBytes, SecretStr

from framework_core.secrets import HIDDEN, concealed

KEYS = (LightningModule.CHECKPOINT_HYPER_PARAMS_KEY, LightningDataModule.CHECKPOINT_HYPER_PARAMS_KEY)


class ConcealedHyperparameters(Callback):
    """Saves hyperparameters as they were written where they came from the environment or from a secret."""

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Called with everything that is about to be saved."""
        for key in KEYS:
            if key in checkpoint:
                checkpoint[key] = concealed({name: _plain(value) for name, value in checkpoint[key].items()})


def _plain(value: Any) -> Any:
    return HIDDEN if isinstance(value, SecretStr | SecretBytes) else value
