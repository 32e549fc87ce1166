"""Files of the test, from which an exported model has to answer as the trained one does."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from framework_core.errors import ExportError
from framework_core.prediction import Row, is_attachment
from framework_core.serving.likeness import difference, furthest
from framework_core.serving.processing import Array, Asking, Network, Preprocessing, Sample, build
from framework_core.trained import Predictor
from framework_core.training.tested_samples import input_of

COUNT = 8
LARGEST = 2_000_000
"""Bytes of a file at most, to go along with a model."""

INPUT_TOLERANCE = 0.005
"""How far prepared inputs may lie from those of training on average, as a share of their spread. Decoders and resizers
round to a level of 255, which is a ten-thousandth; another interpolation is some hundredths."""

ROUNDING = 1e-4
"""How far another processor's outputs may lie from these, as a share of the largest; most lie a tenth of it apart."""

ROW_TOLERANCE = 0.02
"""How far a number of an answer may lie from that of the trained model, as a share of it where it is above one."""


@dataclass(frozen=True)
class GoldenFile:
    """A file, and what the trained model says of it.

    Attributes:
        path: Where it is.
        rows: The rows of ``fw predict``, without the path.
    """

    path: Path
    rows: list[Row]


def golden_files(predictor: Predictor, datamodule: Any, folder: Path) -> list[GoldenFile]:
    """A few files of the test with the answers of the trained model.

    Args:
        predictor: The model.
        datamodule: Its data, set up.
        folder: Where the files are put.
    """
    with tempfile.TemporaryDirectory() as made:
        files = [path for path in datamodule.sample_files(COUNT, Path(made)) if path.stat().st_size <= LARGEST]
        folder.mkdir(exist_ok=True)
        copies = [folder / f"{number}-{path.name}" for number, path in enumerate(files)]
        for path, copy in zip(files, copies, strict=True):
            shutil.copyfile(path, copy)
    if not copies:
        return []
    rows = {path: list(each) for path, each in groupby(predictor.rows(copies), key=lambda row: str(row["path"]))}
    return [GoldenFile(path, [plain(row) for row in rows[str(path)]]) for path in copies]


def steady(golden: Sequence[GoldenFile], way: FromFiles) -> list[GoldenFile]:
    """The files whose answers are no matter of rounding, as a text is in which one of two tokens is hardly likelier.

    The others are taken out of their folder.

    Args:
        golden: The files.
        way: What answers them.
    """
    shaken = way.shaken()
    kept = [each for each in golden if not difference(shaken.rows(each.path), way.rows(each.path), ROW_TOLERANCE)]
    for each in golden:
        if each not in kept:
            each.path.unlink()
    return kept


def write_rows(golden: Sequence[GoldenFile], file: Path) -> None:
    """What the trained model says of each file, for whoever reads the export."""
    file.write_text(json.dumps({each.path.name: each.rows for each in golden}, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class FromFiles:
    """A way from the content of a file to rows, without the code of training.

    Attributes:
        preprocessing: From the content to inputs.
        network: From inputs to outputs by name.
        postprocessing: How the network is asked, and what is made of its outputs.
    """

    preprocessing: Preprocessing
    network: Network
    postprocessing: Asking

    def shaken(self) -> FromFiles:
        """The same with outputs that lie as far from these as those of another processor may."""
        chance = np.random.default_rng(0)

        def network(inputs: Array) -> Mapping[str, Array]:
            found = self.network(inputs)
            return {
                name: each + (ROUNDING * np.abs(each).max() * chance.uniform(-1, 1, each.shape)).astype(each.dtype)
                for name, each in found.items()
            }

        return replace(self, network=network)

    def rows(self, path: Path) -> list[Row]:
        """The answer to a file."""
        samples = self.preprocessing.samples(path.read_bytes(), path.suffix.lower())
        inputs = self.preprocessing.batch([sample.input for sample in samples])
        return self.preprocessing.rows(samples, self.postprocessing.answer(self.network, inputs))


def check_inputs(dataset: Any, paths: Sequence[Path], preprocessing: Preprocessing) -> float:
    """How far prepared inputs lie from those of training.

    Args:
        dataset: The samples of the files, as ``predict_dataset`` gives them.
        paths: The files.
        preprocessing: What prepares them without the code of training.

    Returns:
        The mean distance of the file with the largest, as a share of the spread of its input.

    Raises:
        ExportError: They are other inputs.
    """
    trained = [input_of(dataset[index]) for index in range(len(dataset))]
    samples: list[tuple[Path, Sample]] = []
    for path in paths:
        found = preprocessing.samples(path.read_bytes(), path.suffix.lower())
        samples += [(path, sample) for sample in found]
    if len(samples) != len(trained):
        raise ExportError(
            f"its preprocessing makes {len(samples)} inputs of files of which training makes {len(trained)}"
        )
    largest = 0.0
    for (path, sample), expected in zip(samples, trained, strict=True):
        apart = _apart(sample.input, expected)
        if not apart <= INPUT_TOLERANCE:
            raise ExportError(
                f"its preprocessing prepares {path.name} otherwise than training does: "
                f"{'another shape' if apart == np.inf else f'{apart:.2g} of the spread apart on average'}"
            )
        largest = max(largest, apart)
    return largest


def check_rows(golden: Sequence[GoldenFile], rows_of: Callable[[Path], list[Row]]) -> float:
    """How far answers from the file on lie from those of the trained model.

    Args:
        golden: The files.
        rows_of: What is asked.

    Returns:
        The largest distance of a number.

    Raises:
        ExportError: They are other answers.
    """
    largest = 0.0
    for each in golden:
        found = rows_of(each.path)
        if apart := difference(found, each.rows, ROW_TOLERANCE):
            raise ExportError(f"it answers {each.path.name} otherwise than the model does: {apart}")
        largest = max(largest, furthest(found, each.rows))
    return largest


def from_files(preprocessing: Mapping[str, Any], network: Any, postprocessing: Mapping[str, Any]) -> FromFiles:
    """The way that an export describes.

    Args:
        preprocessing: The ``Processing``.
        network: From inputs to outputs by name.
        postprocessing: The ``Processing``.
    """
    from framework_core.contracts.processing import Processing

    made = (build(Processing.model_validate(each)) for each in (preprocessing, postprocessing))
    return FromFiles(next(made), network, next(made))


def plain(row: Mapping[str, Any]) -> Row:
    """A row without the path, and without what is a file of its own."""
    return {name: value for name, value in row.items() if name != "path" and not is_attachment(value)}


def _apart(found: Array, expected: Array) -> float:
    if found.shape != expected.shape:
        return np.inf
    spread = float(expected.std()) if expected.dtype.kind == "f" else 0.0
    return float(np.abs(found.astype(np.float64) - expected).mean()) / (spread or 1.0)
