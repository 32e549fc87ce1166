"""What every kind of checkpoint gives: tensors by name, each read when it is asked for, and what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor


@dataclass(frozen=True)
class Weight:
    """A tensor of the model.

    Attributes:
        shape: Its length along each axis.
        dtype: Its type in torch's words: ``float32``.
        load: Reads it.
    """

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Tensor]

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    @classmethod
    def of(cls, tensor: Tensor) -> Weight:
        """One that is read already, or mapped from a file."""
        return cls(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), lambda: tensor)


@dataclass(frozen=True)
class Content:
    """A checkpoint.

    Attributes:
        path: Where it is.
        kind: ``framework``, ``lightning``, ``torch``, ``safetensors``, ``torch-sharded``, ``deepspeed``.
        weights: The model's tensors by their names there.
        rest: What else there is, in words: ``optimizer``, ``scheduler`` and so on.
        world_size: How many processes wrote it; 1 where one did.
        epoch: Whole epochs behind it, where it says so.
        step: Optimizer steps behind it, likewise.
        detail: What is special about the kind: ``ZeRO 3``.
    """

    path: Path
    kind: str
    weights: Mapping[str, Weight]
    rest: tuple[str, ...] = ()
    world_size: int = 1
    epoch: int | None = None
    step: int | None = None
    detail: str = ""

    @property
    def numbers(self) -> int:
        """How many numbers its weights have, buffers among them."""
        return sum(weight.numel for weight in self.weights.values())

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The types of its weights, the most frequent first."""
        return tuple(name for name, _ in Counter(weight.dtype for weight in self.weights.values()).most_common())

    @property
    def size(self) -> int:
        """Bytes on disk."""
        if self.path.is_file():
            return self.path.stat().st_size
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())
