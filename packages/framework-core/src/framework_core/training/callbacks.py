"""The callbacks that settings of training ask for."""

from __future__ import annotations

from lightning.pytorch import Callback

from framework_core.contracts.config import RunConfig
from framework_core.training.adaptive_clipping import AdaptiveGradientClipping
from framework_core.training.averaging import averaging
from framework_core.training.freezing import Freezing


def training_callbacks(config: RunConfig) -> list[Callback]:
    """What takes part in the training itself, beside what reports on it."""
    found: list[Callback | None] = [averaging(config.averaging)]
    if config.finetune.freeze_epochs:
        found.append(Freezing(config.finetune))
    if config.adaptive_gradient_clip_val is not None:
        found.append(AdaptiveGradientClipping(config.adaptive_gradient_clip_val))
    return [each for each in found if each is not None]
