"""The folder that ``fw export`` wrote, as a model that answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from framework_core.contracts.processing import Processing
from framework_core.errors import DataError, FrameworkError, ServeError
from framework_core.serving.features import statistics
from framework_core.serving.likeness import difference
from framework_core.serving.model import Abandoned, RawFile, always
from framework_core.serving.networks import INPUT, NETWORKS
from framework_core.serving.processing import Array, Asking, Network, Preprocessing, Row, Sample, build

ABOUT, GOLDEN = "export.json", "golden.npz"
FILES, ROWS = "golden", "golden.json"


class ExportedModel:
    """An exported model, and what stands around its network.

    Args:
        folder: What ``fw export`` wrote.
        name: What it is called in addresses; empty is the name of the model.
        version: What tells it from others; empty is the id of its run.
        threads: How many threads a batch is computed by; 0 is one a core.
        max_batch: How many inputs are computed together at most.

    Raises:
        ServeError: There is no exported model, or it does not answer its golden samples as it did when it was exported.
        MissingPackageError: Something that it needs is not installed.
    """

    def __init__(
        self, folder: Path, *, name: str = "", version: str = "", threads: int = 0, max_batch: int = 64
    ) -> None:
        self.about: Mapping[str, Any] = read_about(folder)
        self.name = name or str(self.about["model"])
        self.version = version or str(self.about["run_id"])
        self.max_batch = max_batch
        self._preprocessing: Preprocessing | None = _built(self.about.get("preprocessing"))
        self._postprocessing: Asking | None = _built(self.about.get("postprocessing"))
        self.suffixes: tuple[str, ...] = () if self._preprocessing is None else tuple(self._preprocessing.suffixes)
        with _told(folder):
            self._network: Network = NETWORKS[self.about["format"]](folder, threads=threads)
            self._check_golden(folder)
            self._check_files(folder)

    def prepare(self, file: RawFile) -> Sequence[Sample]:
        """The samples of a file.

        Raises:
            DataError: It cannot be read.
        """
        found = self._reading.samples(file.content, file.suffix)
        if not found:
            raise DataError("There is nothing to predict in it.")
        return found

    def samples_in(self, prepared: Sequence[Sample]) -> int:
        """How many inputs of the network a prepared file is."""
        return len(prepared)

    def answer(self, prepared: Sequence[Sequence[Sample]], wanted: Callable[[], bool] = always) -> Sequence[list[Row]]:
        """The rows of each prepared file: all of them go through the network together.

        Args:
            prepared: The files.
            wanted: Whether somebody still waits; asked whenever the network is.

        Raises:
            Abandoned: Nobody waits any more.
        """

        def network(inputs: Array) -> Mapping[str, Array]:
            if not wanted():
                raise Abandoned
            return self._network(inputs)

        samples = [sample for file in prepared for sample in file]
        said: list[Row] = []
        for start in range(0, len(samples), self.max_batch):
            said += self._said(samples[start : start + self.max_batch], network)
        found = []
        for file in prepared:
            own, said = said[: len(file)], said[len(file) :]
            found.append(self._reading.rows(file, own))
        return found

    def infer(self, inputs: Array) -> Mapping[str, Array]:
        """Prepared inputs, the batch first, to outputs by name.

        Raises:
            DataError: They are not what the network takes.
        """
        given = fitted(inputs, self.about["input"])
        try:
            return self._network(given)
        except Exception as error:  # each runtime has errors of its own, and each is about what was sent
            what = f"Inputs of shape {given.shape} with these values are beyond what the model can read."
            raise DataError(what) from error

    def features(self, prepared: Sequence[Sample]) -> Sequence[Mapping[str, float]]:
        """The features of each sample."""
        return [self._reading.features(sample) for sample in prepared]

    def features_of(self, inputs: Array) -> Mapping[str, float]:
        """The features of one prepared input."""
        return statistics(inputs) if self._preprocessing is None else self._preprocessing.features(Sample(inputs))

    def size_of(self, file: RawFile) -> int:
        """How many values a file holds once it is decoded, as far as its beginning tells."""
        return 0 if self._preprocessing is None else self._preprocessing.size_of(file.content, file.suffix)

    @property
    def _reading(self) -> Preprocessing:
        assert self._preprocessing is not None  # noqa: S101  # without it there are no suffixes, and nobody asks
        return self._preprocessing

    def _said(self, samples: Sequence[Sample], network: Network) -> list[Row]:
        inputs = self._reading.batch([sample.input for sample in samples])
        if self._postprocessing is not None:
            return self._postprocessing.answer(network, inputs)
        outputs = network(inputs)
        columns = {name: values.tolist() for name, values in outputs.items()}
        return [{name: values[index] for name, values in columns.items()} for index in range(len(samples))]

    def _check_golden(self, folder: Path) -> None:
        """See that this machine computes what the exporting one did."""
        golden = np.load(folder / GOLDEN)
        tolerance = float(self.about["compared"]["tolerance"])
        for name, found in self._network(golden[INPUT]).items():
            largest = max(1.0, float(np.abs(golden[name]).max(initial=0.0)))
            apart = float(np.abs(found - golden[name]).max(initial=0.0)) / largest
            if not apart <= tolerance:
                cause = f"its {name} for its golden samples lies {apart:.2g} of the largest from what was exported"
                raise _changed(folder, cause)

    def _check_files(self, folder: Path) -> None:
        """See that its golden files are answered as the trained model answered them."""
        if "compared_files" not in self.about:
            return
        tolerance = float(self.about["compared_files"]["tolerance"]["answers"])
        for name, expected in json.loads((folder / ROWS).read_text("utf-8")).items():
            file = folder / FILES / name
            (found,) = self.answer([self.prepare(RawFile(file.read_bytes(), file.suffix.lower()))])
            if apart := difference(found, expected, tolerance):
                raise _changed(folder, f"it answers its golden file {name} otherwise than the trained model: {apart}")


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Whatever a runtime stumbles over, in a line: each has errors of its own."""
    try:
        yield
    except FrameworkError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise _changed(
            folder, f"its network cannot be run: {lines[0][:200].rstrip('.') if lines else error!r}"
        ) from error


def _changed(folder: Path, cause: str) -> ServeError:
    next_step = "Export it anew: fw export RUN --to onnx -o FOLDER"
    return ServeError(str(folder), cause, possible="What was exported is served as it is.", next_step=next_step)


def read_about(folder: Path) -> dict[str, Any]:
    """What an exported model says of itself.

    Raises:
        ServeError: There is none that a server can read.
    """
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text("utf-8"))
    except FileNotFoundError as error:
        raise ServeError(str(folder), f"it has no {ABOUT}") from error
    except (OSError, ValueError) as error:
        raise ServeError(str(folder), f"its {ABOUT} cannot be read") from error
    if about.get("format") not in NETWORKS:
        cause = f"it is of the format {about.get('format')}, which takes the whole framework to read"
        raise ServeError(str(folder), cause, possible=f"Formats that are served: {', '.join(NETWORKS)}")
    return about


def fitted(inputs: Array, wanted: Mapping[str, Any]) -> Array:
    """Inputs in the form that a network takes.

    Args:
        inputs: What was sent.
        wanted: ``dtype``, ``shape`` with nothing where a length is free, and ``below`` where values are numbers of
            tokens: how many there are.

    Raises:
        DataError: They have another shape, or values that do not fit.
    """
    shape = wanted["shape"]
    same = inputs.ndim == len(shape) and all(
        size is None or size == found for size, found in zip(shape, inputs.shape, strict=True)
    )
    if not same:
        raise DataError(f"The model takes inputs of shape {_shape_text(shape)}, and these have {inputs.shape}.")
    if 0 in inputs.shape:
        raise DataError("There is no input.")
    dtype = np.dtype(wanted["dtype"])
    if dtype.kind == "i" and inputs.dtype.kind == "f" and not np.array_equal(inputs, inputs.astype(np.int64)):
        raise DataError("The model takes whole numbers.")
    if inputs.dtype.kind not in "iufb":
        raise DataError(f"The model takes numbers of the type {dtype}.")
    below = wanted.get("below")
    if below is not None and not (inputs.min() >= 0 and inputs.max() < below):
        raise DataError(
            f"The model knows tokens from 0 to {below - 1:,}, and not {inputs.min():,} to {inputs.max():,}."
        )
    found = np.ascontiguousarray(inputs, dtype=dtype)
    if dtype.kind == "f" and not np.isfinite(found).all():
        raise DataError("The inputs have values that are not finite.")
    return found


def _shape_text(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"


def _built(processing: Mapping[str, Any] | None) -> Any:
    return None if processing is None else build(Processing.model_validate(processing))
