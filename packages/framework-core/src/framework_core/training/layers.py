"""The layers of a model, as it says them itself: for fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

from lightning.pytorch import LightningModule
from torch import nn

from framework_core.base.model import BaseModel
from framework_core.errors import ContractError


def layers_of(module: LightningModule) -> Sequence[Sequence[str]]:
    """The names of the parameters by layer, from the input to the head.

    Raises:
        ContractError: The model does not say, or has one layer only.
    """
    layers = [layer for layer in module.parameter_layers() if layer] if isinstance(module, BaseModel) else []
    if len(layers) < 2:
        name = type(module).__name__
        raise ContractError(
            f"The model {name} cannot be fine-tuned by layer",
            ["it does not say what its layers are" if not layers else "it has one layer only"],
            next_step=f"Give {name} a method parameter_layers(self) that returns the names of its parameters by layer, "
            "or leave finetune.* out.",
        )
    return layers


def numbered_layers(module: LightningModule) -> dict[nn.Parameter, int]:
    """The number of the layer that each parameter belongs to; what no layer names belongs to the head."""
    layers = layers_of(module)
    numbers = {name: number for number, layer in enumerate(layers) for name in layer}
    return {parameter: numbers.get(name, len(layers) - 1) for name, parameter in module.named_parameters()}
