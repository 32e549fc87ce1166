"""The layers of a model, as it says them itself: for fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
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
    numbers = {plain_name(name): number for number, layer in enumerate(layers) for name in layer}
    return {parameter: numbers.get(plain_name(name), len(layers) - 1) for name, parameter in module.named_parameters()}


def plain_name(name: str) -> str:
    """The name of a parameter as the model's author knows it, without what wraps its modules."""
    return unwrapped(name).removeprefix("module.")


def unwrapped(name: str) -> str:
    """The name without what stands in the middle of names alone, and is no author's word."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name


WRAPPERS = (
    "_orig_mod.",
    "_forward_module.",
    "_fsdp_wrapped_module.",
    "_checkpoint_wrapped_module.",
    "_ddp_module.",
)
"""What ``torch.compile``, Lightning, FSDP and activation checkpointing call the module that they wrap."""

SHAPE = "_framework_shape"


def remember_shapes(model: nn.Module) -> None:
    """Note the shape of each parameter, before something makes flat pieces of them."""
    for parameter in model.parameters():
        setattr(parameter, SHAPE, parameter.shape)


def shape_of(parameter: nn.Parameter) -> torch.Size:
    """The shape that a parameter has in the model."""
    found: torch.Size = getattr(parameter, SHAPE, parameter.shape)
    return found
