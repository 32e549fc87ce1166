"""A run's model that answers by the code that trained it: every model and dataset can, without an export."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from framework_core.deployment.network import Network, answers, tokens_below
from framework_core.errors import DataError, ExportError, FrameworkError
from framework_core.prediction import Row, is_attachment
from framework_core.serving.exported import fitted
from framework_core.serving.features import statistics
from framework_core.serving.model import Abandoned, RawFile, always
from framework_core.serving.networks import INPUT, OUTPUTS
from framework_core.serving.processing import Array, Preprocessing, Sample, build
from framework_core.trained import Predictor
from framework_core.training.tested_samples import input_of


class TrainedModel:
    """A trained model, asked as ``fw predict`` asks it.

    Args:
        predictor: The model.
        name: What it is called in addresses; empty is the name of the model.
        version: What tells it from others; empty is the id of its run.
    """

    def __init__(self, predictor: Predictor, *, name: str = "", version: str = "") -> None:
        trained = predictor.trained
        self._predictor = predictor
        predictor.datamodule.num_workers = 0
        self.name = name or trained.config.model.name.rpartition(":")[2]
        self.version = version or trained.record.run_id
        described = predictor.preprocessing
        self._preprocessing: Preprocessing | None = None if described is None else build(described)
        self.suffixes = predictor.suffixes if self._preprocessing is None else self._preprocessing.suffixes
        data = trained.data
        wanted = {"name": INPUT, "dtype": data.input_dtype, "shape": [None, *data.input_shape], **tokens_below(data)}
        self.about: Mapping[str, Any] = {
            "format": "torch",
            "run_id": trained.record.run_id,
            "model": trained.config.model.name,
            "dataset": trained.config.dataset.name,
            "task": data.task,
            "class_names": list(data.class_names),
            "target_names": list(data.target_names),
            **({"input": wanted} if data.input_shape else {}),
        }
        self._network = Network(trained.model)

    def prepare(self, file: RawFile) -> RawFile:
        """The file as it is: the dataset reads it together with others."""
        return file

    def samples_in(self, prepared: RawFile) -> int:
        """Not known before the dataset reads it."""
        return 1

    def features(self, prepared: RawFile) -> Sequence[Mapping[str, float]]:
        """The features of each input; the file is read once more for it."""
        if self._preprocessing is not None:
            samples = self._preprocessing.samples(prepared.content, prepared.suffix)
            return [self._preprocessing.features(sample) for sample in samples]
        with tempfile.TemporaryDirectory(prefix="fw-serve-") as folder:
            path = Path(folder) / f"0{prepared.suffix}"
            path.write_bytes(prepared.content)
            dataset = self._predictor.dataset([path])
            return [statistics(input_of(dataset[index])) for index in range(len(dataset))]

    def features_of(self, inputs: Array) -> Mapping[str, float]:
        """The features of one prepared input."""
        return statistics(inputs) if self._preprocessing is None else self._preprocessing.features(Sample(inputs))

    def size_of(self, file: RawFile) -> int:
        """How many values a file holds once it is decoded, as far as its beginning tells."""
        return 0 if self._preprocessing is None else self._preprocessing.size_of(file.content, file.suffix)

    def answer(self, prepared: Sequence[RawFile], wanted: Callable[[], bool] = always) -> Sequence[list[Row]]:
        """The rows of each file.

        Args:
            prepared: The files.
            wanted: Whether somebody still waits.

        Raises:
            DataError: One cannot be read.
            Abandoned: Nobody waits any more.
        """
        if not wanted():
            raise Abandoned
        with tempfile.TemporaryDirectory(prefix="fw-serve-") as folder:
            paths = [Path(folder) / f"{number}{file.suffix}" for number, file in enumerate(prepared)]
            for path, file in zip(paths, prepared, strict=True):
                path.write_bytes(file.content)
            try:
                rows = self._predictor.rows(paths)
            except FrameworkError as error:
                raise _without_paths(error, paths) from error
            of = {path: [_plain(row) for row in each] for path, each in groupby(rows, key=lambda row: str(row["path"]))}
            return [of.get(str(path), []) for path in paths]

    def infer(self, inputs: Array) -> Mapping[str, Array]:
        """Prepared inputs, the batch first, to outputs by name.

        Raises:
            DataError: They are not what the network takes, or its outputs are no tensors.
        """
        if "input" not in self.about:
            raise DataError("This model takes files; for prepared inputs, export it: fw export RUN --to onnx.")
        device = next((each.device for each in self._network.parameters()), torch.device("cpu"))
        tensor: Tensor = torch.from_numpy(fitted(inputs, self.about["input"])).to(device)
        try:
            found = answers(self._network, tensor)
        except ExportError as error:
            raise DataError(f"The outputs of this model are no arrays: {error.cause}.") from error
        return {name: each.float().cpu().numpy() for name, each in zip(OUTPUTS, found, strict=False)}


def _plain(row: Row) -> Row:
    """A row as JSON holds it: without where the file lay, and with what it gave as a file in base64."""
    source = Path(row["path"])
    return {
        name: base64.b64encode(value.content(source)).decode() if is_attachment(value) else value
        for name, value in row.items()
        if name != "path"
    }


def _without_paths(error: FrameworkError, paths: Sequence[Path]) -> DataError:
    """The error in the words of whoever sent the files, which had no path here."""
    what = str(error.what)
    for path in paths:
        what = what.replace(f" {path}", "", 1).replace(str(path), "the file")
    return DataError(what)
