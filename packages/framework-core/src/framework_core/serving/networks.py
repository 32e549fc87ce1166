"""An exported network as a function of arrays, by ONNX Runtime or torch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from framework_core.errors import MissingPackageError
from framework_core.serving.processing import Array, Network

INPUT, OUTPUTS = "input", ("output", "probabilities")
"""What the input and the outputs are called, wherever a format names them."""

ONNX_FILE, TORCH_FILE = "model.onnx", "model.pt2"


def onnx_network(folder: Path, *, threads: int = 0) -> Network:
    """What ``model.onnx`` of a folder answers, on the processor.

    Args:
        folder: Where it is.
        threads: How many threads a batch is computed by; 0 is one a core.

    Raises:
        MissingPackageError: ONNX Runtime is not installed.
    """
    if find_spec("onnxruntime") is None:
        raise MissingPackageError("onnxruntime", needed_for="A model in ONNX", requirement="framework-core[serve]")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
    session = onnxruntime.InferenceSession(str(folder / ONNX_FILE), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def run(inputs: Array) -> Mapping[str, Array]:
        return dict(zip(names, session.run(names, {INPUT: inputs}), strict=True))

    return run


def torch_network(folder: Path, *, threads: int = 0) -> Network:
    """What ``model.pt2`` of a folder answers.

    Args:
        folder: Where it is.
        threads: How many threads a batch is computed by; 0 is torch's own choice.

    Raises:
        MissingPackageError: Torch is not installed.
    """
    if find_spec("torch") is None:
        raise MissingPackageError("torch", needed_for="A model of torch.export", requirement="torch")
    import torch

    if threads:
        torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch says to its own developers
        module = torch.export.load(folder / TORCH_FILE).module()

    def run(inputs: Array) -> Mapping[str, Array]:
        with torch.no_grad():
            found: Any = module(torch.from_numpy(np.ascontiguousarray(inputs)))
        return {name: each.float().numpy() for name, each in zip(OUTPUTS, found, strict=False)}

    return run


NETWORKS: dict[str, Callable[..., Network]] = {"onnx": onnx_network, "torch-export": torch_network}
"""What reads the network of each format that a server takes."""
