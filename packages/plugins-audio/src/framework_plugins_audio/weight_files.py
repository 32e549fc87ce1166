"""Tensors of a file of weights, without running anything that may stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from framework_core.errors import DataError

_INNER = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Where checkpoints of training programs keep the weights, the better first."""

_PREFIXES = ("module.", "_orig_mod.")
"""What torch's wrappers put in front of every name."""


def tensors_in(path: Path, *, next_step: str) -> dict[str, Tensor]:
    """The tensors of a file, by name.

    Args:
        path: A ``.safetensors`` file, or a ``.pth`` file that holds tensors only.
        next_step: What to do where there are none.

    Raises:
        DataError: There is no such file, or there are no weights in it.
    """
    if not path.is_file():
        raise DataError(f"There is no file of weights {path}.", paths=[path], next_step=next_step)
    try:
        loaded = _read(path)
    except Exception as error:
        raise _no_weights(path, type(error).__name__, next_step) from error
    inner = next((loaded[key] for key in _INNER if isinstance(loaded.get(key), Mapping)), loaded)
    state = {str(key): value for key, value in inner.items() if isinstance(value, Tensor)}
    if not state:
        raise _no_weights(path, "no tensors", next_step)
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _read(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    return loaded if isinstance(loaded, Mapping) else {}


def _no_weights(path: Path, why: str, next_step: str) -> DataError:
    return DataError(
        f"{path} holds no weights that can be read ({why}).",
        paths=[path],
        possible="Weights are read from .safetensors, and from .pth files that hold tensors only.",
        next_step=next_step,
    )
