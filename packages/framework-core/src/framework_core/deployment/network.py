"""A trained model as a plain network: prepared inputs to outputs, and to probabilities where it has classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from framework_core.base.model import BaseModel
from framework_core.contracts.data import DataSpec
from framework_core.errors import ExportError


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
        model: The trained model.
        data: What it was trained on.
        settings: Its settings, as they are saved.
    """

    model: nn.Module
    data: DataSpec
    settings: Mapping[str, Any]


class Network(nn.Module):
    """A model and what is made of its outputs.

    Args:
        model: The trained model.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.eval()

    def forward(self, input: Tensor) -> tuple[Tensor, ...]:
        """Prepared inputs, the batch first, to outputs, and to probabilities where the model has some."""
        outputs = self.model(input)
        scores = self.model.probabilities(outputs) if isinstance(self.model, BaseModel) else None
        return (outputs,) if scores is None else (outputs, scores)


def answers(network: nn.Module, inputs: Tensor) -> tuple[Tensor, ...]:
    """What a network gives, without gradients.

    Raises:
        ExportError: It gives something else than tensors.
    """
    with torch.no_grad():
        found: Any = network(inputs)
    if not isinstance(found, tuple) or not all(isinstance(each, Tensor) for each in found):
        what = ", ".join(type(each).__name__ for each in found) if isinstance(found, tuple) else type(found).__name__
        raise ExportError(f"what it gives is no tensor: {what}")
    return found


def free_axes(model: nn.Module, data: DataSpec, inputs: Tensor) -> list[int]:
    """The axes of inputs that have any length: the batch, and all of data without a fixed shape, as text is."""
    fixed = data.input_shape and not getattr(model, "takes_any_length", False)
    return [0] if fixed else list(range(inputs.ndim))


def tokens_below(data: DataSpec) -> dict[str, int]:
    """How many tokens there are, as a description of inputs says it; nothing where they are no tokens."""
    found = data.facts.get("vocabulary_size")
    return {"below": found} if isinstance(found, int) and data.input_dtype == "int64" else {}


def made_up_inputs(data: DataSpec, count: int) -> Tensor | None:
    """Inputs for a model whose data is not at hand; nothing where nobody knows what they look like.

    Args:
        data: What the model was trained on.
        count: How many.
    """
    generator = torch.Generator().manual_seed(0)
    if data.input_shape and data.input_dtype == "float32":
        return torch.randn(count, *data.input_shape, generator=generator)
    vocabulary = data.facts.get("vocabulary_size")
    if isinstance(vocabulary, int):
        length = data.input_shape or (16,)
        return torch.randint(1, vocabulary, (count, *length), generator=generator)
    return None
