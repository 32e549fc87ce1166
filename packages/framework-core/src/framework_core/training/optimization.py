"""From the settings to the optimizer and scheduler that Lightning drives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import LightningModule
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from framework_core.contracts.config import (
    DecayingOptimizerConfig,
    OptimizerConfig,
    SchedulerConfig,
    WarmupConfig,
)
from framework_core.errors import ConfigError, ConfigProblem
from framework_core.plugins.catalogue import import_builder
from framework_core.plugins.registry import registry
from framework_core.training.layers import numbered_layers, shape_of


@dataclass(frozen=True)
class Optimization:
    """What ``configure_optimizers`` of a model in a run answers with.

    Args:
        optimizer: The optimizer's settings.
        scheduler: The scheduler's settings.
        monitor: The metric a plateau is looked for in.
        mode: Whether less (``"min"``) or more (``"max"``) of it is better.
        layer_decay: What the learning rate is multiplied by from one layer to the one before it.
    """

    optimizer: OptimizerConfig
    scheduler: SchedulerConfig
    monitor: str | None
    mode: str
    layer_decay: float | None = None

    def __call__(self, module: LightningModule) -> dict[str, Any]:
        """Lightning's form of an optimizer with its scheduler.

        Raises:
            ConfigError: The scheduler needs to know where training or an epoch ends, and nobody knows.
        """
        optimizer = self._optimizer(module)
        scheduler = self._scheduler(optimizer, module)
        form: dict[str, Any] = {"scheduler": scheduler, "interval": "step"}
        if isinstance(scheduler, ReduceLROnPlateau):
            form = {"scheduler": scheduler, "interval": "epoch", "monitor": self.monitor}
        return {"optimizer": optimizer, "lr_scheduler": form}

    def _optimizer(self, module: LightningModule) -> Any:
        builder = import_builder(registry.catalogue.get("optimizer", self.optimizer.name))
        settings = self.optimizer.settings()
        if isinstance(self.optimizer, DecayingOptimizerConfig):
            settings.pop("decay_norm_and_bias")
        groups = parameter_groups(module, self.optimizer)
        if self.layer_decay is not None:
            groups = groups_by_layer(groups, numbered_layers(module), self.optimizer.lr, self.layer_decay)
        return builder(groups, **settings)

    def _scheduler(self, optimizer: Any, module: LightningModule) -> Any:
        builder = import_builder(registry.catalogue.get("scheduler", self.scheduler.name))
        trainer = module.trainer
        total = trainer.estimated_stepping_batches
        if self.scheduler.needs_end and (math.isinf(total) or total < 1):
            message = "the length of the data is not known, so this scheduler needs it"
            raise ConfigError([ConfigProblem("trainer.max_steps", f"has to be set: {message}")])
        if math.isinf(trainer.num_training_batches):
            self._refuse_to_count_epochs()
        total_steps = max(1, int(total)) if math.isfinite(total) else 1
        steps_per_epoch = max(1.0, trainer.num_training_batches / trainer.accumulate_grad_batches)
        settings = self.scheduler.settings()
        if isinstance(self.scheduler, WarmupConfig):
            del settings["warmup_epochs"]
            settings["warmup_steps"] = warmup_steps(self.scheduler, total_steps, steps_per_epoch)
        if self.scheduler.name == "plateau":
            settings["mode"] = self.mode
        return builder(optimizer, total_steps=total_steps, steps_per_epoch=steps_per_epoch, **settings)

    def _refuse_to_count_epochs(self) -> None:
        """Where the data does not say how many batches it has, a number of epochs is no number of steps."""
        known = "the length of the data is not known; trainer.limit_train_batches=N says how many batches an epoch has"
        if self.scheduler.counts_epochs:
            raise ConfigError([ConfigProblem("scheduler", f"{self.scheduler.name} counts epochs, and {known}")])
        warmup = isinstance(self.scheduler, WarmupConfig) and self.scheduler.warmup_steps is None
        if warmup and self.scheduler.settings()["warmup_epochs"]:
            message = f"counts epochs, and {known}; in steps it is scheduler.warmup_steps=N"
            raise ConfigError([ConfigProblem("scheduler.warmup_epochs", message)])


def parameter_groups(module: nn.Module, config: OptimizerConfig) -> list[dict[str, Any]]:
    """The parameters to train, those with one axis (biases, normalisation) in a group without weight decay.

    What decay does to them and why it is left out: He et al., https://arxiv.org/abs/1812.01187, section 3.1.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not isinstance(config, DecayingOptimizerConfig) or config.decay_norm_and_bias or not config.weight_decay:
        return [{"params": trained}]
    decayed = [parameter for parameter in trained if len(shape_of(parameter)) > 1]
    plain = [parameter for parameter in trained if len(shape_of(parameter)) <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def groups_by_layer(
    groups: list[dict[str, Any]], layers: Mapping[nn.Parameter, int], lr: float, decay: float
) -> list[dict[str, Any]]:
    """Parameter groups split by layer, the head first, each layer with its own learning rate.

    Clark et al., https://arxiv.org/abs/2003.10555, table 7, and Bao et al., https://arxiv.org/abs/2106.08254.
    """
    last = max(layers.values())
    found = []
    for layer in range(last, -1, -1):
        for group in groups:
            chosen = [parameter for parameter in group["params"] if layers[parameter] == layer]
            found.append({**group, "params": chosen, "lr": lr * decay ** (last - layer)})
    return [group for group in found if group["params"]]


def warmup_steps(config: WarmupConfig, total_steps: int, steps_per_epoch: float) -> int:
    """How many optimizer steps the learning rate rises; an epoch whose length is not known counts as the whole run."""
    steps_per_epoch = min(steps_per_epoch, total_steps)
    if config.warmup_steps is not None:
        return min(config.warmup_steps, total_steps)
    if config.warmup_epochs is not None:
        return min(round(config.warmup_epochs * steps_per_epoch), total_steps)
    return min(total_steps // 10, round(5 * steps_per_epoch))
