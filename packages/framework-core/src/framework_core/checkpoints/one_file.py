"""Writing one safetensors file with one tensor in memory at a time.

The format is a header of JSON with the place of each tensor, after its length in eight bytes, and then the tensors:
https://huggingface.co/docs/safetensors/index.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from framework_core.checkpoints.content import Weight
from framework_core.errors import CheckpointError

TYPES = {
    **{"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool", "C64": "complex64"},
    **{"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8"},
    **{"U64": "uint64", "U32": "uint32", "U16": "uint16"},
    **{"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"},
}
"""What safetensors calls types, and torch."""

ALIGNED = 8
"""Bytes: tensors begin at a multiple of it, where the largest types come first."""


def write_one_by_one(weights: Mapping[str, Weight], path: Path, about: Mapping[str, str], *, source: Path) -> None:
    """Write them.

    Args:
        weights: The tensors by the names that they get.
        path: The file.
        about: What else its header says.
        source: Where they come from, for the message.

    Raises:
        CheckpointError: One cannot be read, or is of a type that the format has not.
        OSError: The file cannot be written.
    """
    names = {ours: theirs for theirs, ours in TYPES.items()}
    if unknown := sorted({weight.dtype for weight in weights.values()} - names.keys()):
        raise CheckpointError(source, f"has weights of the type {', '.join(unknown)}, and safetensors has no such")
    size = {name: getattr(torch, weight.dtype).itemsize for name, weight in weights.items()}
    ordered = sorted(weights, key=lambda name: (-size[name], name))
    header: dict[str, object] = {"__metadata__": dict(about)}
    end = 0
    for name in ordered:
        start, end = end, end + weights[name].numel * size[name]
        header[name] = {
            "dtype": names[weights[name].dtype],
            "shape": list(weights[name].shape),
            "data_offsets": [start, end],
        }
    told = json.dumps(header, separators=(",", ":")).encode()
    told += b" " * (-len(told) % ALIGNED)
    with path.open("wb") as file:
        file.write(len(told).to_bytes(8, "little") + told)
        for name in ordered:
            tensor = weights[name].load().detach().cpu().contiguous()
            file.write(tensor.reshape(-1).view(torch.uint8).numpy().data)
