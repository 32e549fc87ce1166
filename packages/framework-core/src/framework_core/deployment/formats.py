"""The formats of a trained model: each writes a folder, and reads it again to see what it answers."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framework_core.deployment.network import Network, Source, answers, free_axes
from framework_core.errors import ExportError, MissingPackageError
from framework_core.serving.networks import INPUT, ONNX_FILE, OUTPUTS, TORCH_FILE, onnx_network, torch_network
from framework_core.tracking import logged_model

EXTRA = "framework-core[onnx]"

Answer = tuple[np.ndarray[Any, Any], ...]
Read = Callable[[Tensor], Answer]
"""What a written model answers to inputs."""


def to_onnx(source: Source, inputs: Tensor, folder: Path, about: Mapping[str, Any]) -> Read:
    """``model.onnx``, with what it is in its metadata; read by ONNX Runtime.

    Raises:
        MissingPackageError: ONNX is not installed.
        ExportError: The model has a part that ONNX does not know.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        _needed(package)
    network = Network(source.model)
    names = list(OUTPUTS[: len(answers(network, inputs))])
    with _quiet(), _told(), torch.no_grad():
        program: Any = torch.onnx.export(
            _exported(source, network, inputs), dynamo=True, input_names=[INPUT], output_names=names
        )
    program.model.metadata_props.update({f"framework.{key}": json.dumps(value) for key, value in about.items()})
    program.save(str(folder / ONNX_FILE))
    return _read(onnx_network(folder))


def to_torch_export(source: Source, inputs: Tensor, folder: Path, about: Mapping[str, Any]) -> Read:
    """``model.pt2``, which ``torch.export.load`` reads without this framework, with what it is among its files.

    Raises:
        ExportError: The model has a part that cannot be captured.
    """
    network = Network(source.model)
    with _quiet(), _told():
        program = _exported(source, network, inputs)
        torch.export.save(program, folder / TORCH_FILE, extra_files={"framework.json": json.dumps(about)})
    return _read(torch_network(folder))


def to_safetensors(source: Source, inputs: Tensor, folder: Path, about: Mapping[str, Any]) -> Read:
    """The weights, and what the model is made from again."""
    logged_model.save(source.model, source.settings, source.data, folder)
    module = Network(logged_model.load(folder))
    return lambda inputs: _arrays(answers(module, inputs))


def to_mlflow(source: Source, inputs: Tensor, folder: Path, about: Mapping[str, Any]) -> Read:
    """A model of MLflow's, for ``mlflow.pyfunc.load_model`` and ``mlflow models serve``."""
    import mlflow
    from mlflow.models import ModelSignature

    from framework_core.tracking.tracker import model_requirements, schema

    saved = folder / ".saved"
    logged_model.save(source.model, source.settings, source.data, saved / "model")
    with torch.no_grad():
        outputs = logged_model.to_numpy(source.model.eval()(inputs))
    example = inputs.numpy()
    free = len(free_axes(source.model, source.data, inputs))
    with _quiet():
        mlflow.pyfunc.save_model(
            folder / "model",
            loader_module="framework_core.tracking.logged_model",
            data_path=str(saved / "model"),
            signature=ModelSignature(inputs=schema(example, free), outputs=schema(outputs, free)),
            input_example=example,
            pip_requirements=model_requirements(),
            metadata=dict(about),
        )
        (folder / "model").rename(folder / "mlflow")
        _merge(folder / "mlflow", folder)
        _remove(saved)
        loaded = mlflow.pyfunc.load_model(str(folder))
    return lambda inputs: (np.asarray(loaded.predict(inputs.numpy())),)


def _read(network: Callable[[np.ndarray[Any, Any]], Mapping[str, np.ndarray[Any, Any]]]) -> Read:
    return lambda inputs: tuple(network(inputs.numpy()).values())


def _exported(source: Source, network: Network, inputs: Tensor) -> torch.export.ExportedProgram:
    """The network as a graph, for a batch of any size."""
    free = dict.fromkeys(free_axes(source.model, source.data, inputs), torch.export.Dim.DYNAMIC)
    with torch.no_grad():
        return torch.export.export(network, (inputs.clone(),), dynamic_shapes={"input": free}, strict=False)


def _merge(source: Path, target: Path) -> None:
    for path in source.iterdir():
        path.rename(target / path.name)
    source.rmdir()


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


def _arrays(found: tuple[Tensor, ...]) -> Answer:
    return tuple(each.float().numpy() for each in found)


def _needed(package: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise MissingPackageError(package, needed_for="An export to ONNX", requirement=EXTRA)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters say to their own developers."""
    names = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "mlflow")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Whatever an exporter stumbles over, in a line."""
    try:
        yield
    except Exception as error:  # exporters have dozens of errors of their own
        raise ExportError(_cause(error)) from error


def _cause(error: BaseException) -> str:
    """What an error comes from, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200].rstrip('.')}" if lines else type(error).__name__


FORMATS: dict[str, Callable[[Source, Tensor, Path, Mapping[str, Any]], Read]] = {
    "onnx": to_onnx,
    "torch-export": to_torch_export,
    "safetensors": to_safetensors,
    "mlflow": to_mlflow,
}
"""What writes each format."""
