"""Freezing what was pretrained while the head learns, and freeing it layer by layer."""

from __future__ import annotations

import logging
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from framework_core.contracts.training import FinetuneConfig
from framework_core.errors import ConfigError, ConfigProblem
from framework_core.process import is_main_process
from framework_core.training.layers import numbered_layers

_log = logging.getLogger("framework_core")


class Freezing(Callback):
    """Freezes and frees layers by the number of the epoch, so a run that is continued needs no memory of it.

    Every parameter is in the optimizer from the start; one without a gradient is not moved by it. Normalisation of
    frozen layers keeps its statistics.

    Args:
        settings: For how long.
    """

    def __init__(self, settings: FinetuneConfig) -> None:
        self._settings = settings
        self._layers: dict[nn.Parameter, int] = {}
        self._said = -1

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Tell the strategy, before it wraps the model.

        Raises:
            ConfigError: It takes no model that is frozen in parts.
        """
        _look_for_frozen(trainer.strategy)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the layers once; what the model froze itself is left alone."""
        layers = numbered_layers(pl_module)
        self._layers = {parameter: number for parameter, number in layers.items() if parameter.requires_grad}
        self._head = max(layers.values())
        # A run that is continued inside an epoch starts none.
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze the first layers, free the rest."""
        frozen = frozen_layers(self._settings, trainer.current_epoch, self._head)
        for parameter, number in self._layers.items():
            parameter.requires_grad = number >= frozen
        for module in pl_module.modules():
            own = list(module.parameters())
            if own:
                module.train(any(parameter.requires_grad for parameter in own))
        if frozen != self._said:
            self._said = frozen
            _log.info("frozen    %d of %d layers", frozen, self._head + 1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the model as it was."""
        for parameter in self._layers:
            parameter.requires_grad = True


def frozen_layers(settings: FinetuneConfig, epoch: int, head: int) -> int:
    """How many layers are frozen in an epoch, counted from the input; the head never is."""
    if epoch < settings.freeze_epochs:
        return head
    if settings.unfreeze_every_n_epochs is None:
        return 0
    freed = 1 + (epoch - settings.freeze_epochs) // settings.unfreeze_every_n_epochs
    return max(0, head - freed)


def _look_for_frozen(strategy: Any) -> None:
    """Let DDP look which parameters have gradients; it would wait for those of frozen layers else.

    Raises:
        ConfigError: The strategy was told not to.
    """
    if not isinstance(strategy, DDPStrategy) or strategy._ddp_kwargs.get("find_unused_parameters"):
        return
    if strategy._ddp_kwargs.get("find_unused_parameters") is False:
        message = "DDP would wait for the gradients of frozen layers; strategy=ddp looks which layers have some"
        raise ConfigError([ConfigProblem("finetune.freeze_epochs", message)])
    strategy._ddp_kwargs["find_unused_parameters"] = True
    if is_main_process():
        _log.info("frozen    DDP looks for layers without gradients at each step (find_unused_parameters)")
