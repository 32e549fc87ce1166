"""A trained model exported into a folder: whole or not at all, and only if it answers as the model does."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framework_core import __version__
from framework_core.config.saved import saved_settings
from framework_core.deployment.comparison import TOLERANCE, difference_of, expected_of
from framework_core.deployment.formats import FORMATS, Answer, Read
from framework_core.deployment.golden_files import (
    INPUT_TOLERANCE,
    ROW_TOLERANCE,
    check_inputs,
    check_rows,
    from_files,
    golden_files,
    steady,
    write_rows,
)
from framework_core.deployment.images import MODEL, kubernetes_name, write_dockerfile, write_inference_service
from framework_core.deployment.network import Source, free_axes, made_up_inputs, tokens_below
from framework_core.errors import ExportError, FilesInTheWayError, FrameworkError, OutputError
from framework_core.serving.exported import ABOUT, FILES, GOLDEN, ROWS
from framework_core.serving.networks import INPUT, OUTPUTS
from framework_core.trained import RUNS, Predictor, Trained
from framework_core.training import preparation

IMAGES = ("docker", "kserve")
"""What a server is made of, beside the formats of models."""

SAMPLES = 8
"""Samples that the written model has to answer as the model did."""

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Exported:
    """A model that was exported.

    Attributes:
        directory: Where it is.
        format: As what.
        source: Whose samples it was compared on: ``test``, ``val``, ``train``, or ``made up``.
        samples: How many.
        difference: How far its answers lie from those of the model at most, as a share of the largest.
        files: How many files of the test it was compared on too, from the content of the file to the answer.
    """

    directory: Path
    format: str
    source: str
    samples: int
    difference: float
    files: int = 0


def export(
    run: str,
    to: str,
    directory: Path,
    *,
    overrides: Sequence[str] = (),
    output_dir: Path | None = None,
    image: str = "",
) -> Exported:
    """Export the model of a run, and compare what was written with it.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        to: ``onnx``, ``torch-export``, ``safetensors`` or ``mlflow``; or ``docker`` or ``kserve``: the model in
            ONNX, and what makes a server of it.
        directory: The folder to write; it must not be there, or be empty.
        overrides: Settings to change: ``dataset.path=other``.
        output_dir: Where runs are; ``runs`` here.
        image: The name of the container's image, for ``docker`` and ``kserve``; empty is the model's.

    Raises:
        RunNotFoundError: There is no such run, or it has no checkpoint.
        MissingPackageError: The format needs a package that is not installed.
        ExportError: The model cannot be written in this format, or would answer otherwise there.
        FilesInTheWayError: The folder holds something.
    """
    if directory.exists() and (directory.is_file() or any(directory.iterdir())):
        raise FilesInTheWayError([directory])
    predictor = Predictor(run, overrides=overrides, output_dir=output_dir or RUNS)
    try:
        with _new_folder(directory) as folder:
            if to not in IMAGES:
                return replace(_export(predictor, to, folder), directory=directory)
            (folder / MODEL).mkdir()
            done = _export(predictor, "onnx", folder / MODEL)
            _write_image(folder, to, image)
            return replace(done, directory=directory, format=to)
    except ExportError as error:
        raise error.of(predictor.trained.config.model.name, to, list(FORMATS)) from error.__cause__


def _write_image(folder: Path, to: str, image: str) -> None:
    about = json.loads((folder / MODEL / ABOUT).read_text("utf-8"))
    image = image or f"{kubernetes_name(about['model'])}:{about['run_id'][:8]}"
    write_dockerfile(folder, about, image)
    if to == "kserve":
        write_inference_service(folder, about, image)


def _export(predictor: Predictor, to: str, folder: Path) -> Exported:
    found = predictor.trained
    datamodule = _set_up(found)
    source, inputs = _samples(found, datamodule)
    subject = Source(found.model, found.data, saved_settings(found.config)["model"])
    expected = expected_of(subject, inputs)
    about = _about(predictor, to, inputs, expected)
    read = FORMATS[to](subject, inputs, folder, about)
    difference = difference_of(read, inputs, expected)
    about["compared"] = {"on": source, "samples": len(inputs), "difference": difference, "tolerance": TOLERANCE}
    files = _compare_files(predictor, datamodule, folder, read, about)
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    golden: dict[str, Any] = {INPUT: inputs.numpy(), **dict(zip(OUTPUTS, expected, strict=False))}
    np.savez(folder / GOLDEN, **golden)
    return Exported(folder, to, source, len(inputs), difference, files)


def _compare_files(predictor: Predictor, datamodule: Any, folder: Path, read: Read, about: dict[str, Any]) -> int:
    """Answers from the file on against those of training; the files stay with the export.

    Returns:
        How many files were compared.
    """
    before, after = about["preprocessing"], about["postprocessing"]
    # A model of MLflow's gives outputs alone, and takes prepared inputs.
    if datamodule is None or before is None or after is None or about["format"] == "mlflow":
        return 0
    golden = golden_files(predictor, datamodule, folder / FILES)
    way = from_files(before, lambda inputs: dict(zip(OUTPUTS, read(torch.from_numpy(inputs)), strict=False)), after)
    paths = [each.path for each in golden]
    inputs = check_inputs(predictor.dataset(paths), paths, way.preprocessing) if paths else 0.0
    golden = steady(golden, way)
    if not golden:
        return 0
    apart = {"inputs": inputs, "answers": check_rows(golden, way.rows)}
    write_rows(golden, folder / ROWS)
    tolerance = {"inputs": INPUT_TOLERANCE, "answers": ROW_TOLERANCE}
    about["compared_files"] = {"files": len(golden), "difference": apart, "tolerance": tolerance}
    return len(golden)


def _about(predictor: Predictor, to: str, inputs: Tensor, expected: Answer) -> dict[str, Any]:
    """What a program that runs it has to know."""
    found = predictor.trained
    data = found.data
    free = free_axes(found.model, data, inputs)
    before = predictor.preprocessing
    after = predictor.postprocessing
    if before is not None and after is None:
        _log.warning("answers   are bare outputs: the model does not say how rows are made of them without torch")
    return {
        "format": to,
        "framework_version": __version__,
        "run": found.record.name,
        "run_id": found.record.run_id,
        "model": found.config.model.name,
        "dataset": found.config.dataset.name,
        "task": data.task,
        "class_names": list(data.class_names),
        "target_names": list(data.target_names),
        "input": {
            "name": INPUT,
            "dtype": str(inputs.dtype).removeprefix("torch."),
            "shape": [None if axis in free else size for axis, size in enumerate(inputs.shape)],
            **tokens_below(data),
        },
        "outputs": [
            {"name": name, "shape": [None, *each.shape[1:]]} for name, each in zip(OUTPUTS, expected, strict=False)
        ],
        "preprocessing": before and before.model_dump(mode="json"),
        "postprocessing": after and after.model_dump(mode="json"),
    }


def _set_up(found: Trained) -> Any:
    """The data of the run; nothing where it is not at hand."""
    try:
        with torch.random.fork_rng():
            return preparation.set_up_data(found.config.dataset, "test", like=found.data)
    except (FrameworkError, OSError) as error:
        _log.info("samples   are made up: %s", str(error).splitlines()[0])
        return None


def _samples(found: Trained, datamodule: Any) -> tuple[str, Tensor]:
    """A few inputs: of the data where it is at hand, and else made up."""
    real = None if datamodule is None else _real_inputs(datamodule)
    if real is not None:
        return real
    inputs = made_up_inputs(found.data, SAMPLES)
    if inputs is None:
        raise ExportError("it takes samples to export it, and its data is not here")
    return "made up", inputs


def _real_inputs(datamodule: Any) -> tuple[str, Tensor] | None:
    datamodule.batch_size, datamodule.num_workers = SAMPLES, 0
    for split in ("test", "val", "train"):
        if preparation.has_batches(datamodule, split):
            with torch.random.fork_rng():
                batch: Any = next(iter(getattr(datamodule, f"{split}_dataloader")()))
            inputs = batch[0] if isinstance(batch, list | tuple) else batch
            if not isinstance(inputs, Tensor):
                raise ExportError(f"its inputs are no tensor but {type(inputs).__name__}")
            return split, inputs.contiguous()
    return None


@contextmanager
def _new_folder(directory: Path) -> Iterator[Path]:
    """A folder beside the one that is wanted, which takes its place when everything is in it."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    except OSError as error:
        raise OutputError(directory, f"{error.strerror or error}.", next_step="Choose another: -o FOLDER") from error
    try:
        yield new
        if directory.exists():
            directory.rmdir()
        new.chmod(0o755)
        new.rename(directory)
    finally:
        shutil.rmtree(new, ignore_errors=True)
