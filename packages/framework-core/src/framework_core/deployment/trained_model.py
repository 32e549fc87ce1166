"""A run's model that answers by the code that trained it: every model and dataset can, without an export."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from framework_core.deployment.network import Network, answers
from framework_core.errors import DataError, ExportError, FrameworkError
from framework_core.prediction import Row, is_attachment
from framework_core.run import Predictor
from framework_core.serving.exported import fitted
from framework_core.serving.model import RawFile
from framework_core.serving.networks import INPUT, OUTPUTS
from framework_core.serving.processing import Array, Preprocessing, build


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
        self._preprocessing = _preprocessing(predictor)
        self.suffixes = predictor.suffixes if self._preprocessing is None else self._preprocessing.suffixes
        data = trained.data
        free = {} if data.input_shape else {"shape": None}
        wanted = {"name": INPUT, "dtype": data.input_dtype, "shape": [None, *data.input_shape], **free}
        self.about: Mapping[str, Any] = {
            "format": "torch",
            "model": trained.config.model.name,
            "dataset": trained.config.dataset.name,
            "task": data.task,
            "class_names": list(data.class_names),
            "target_names": list(data.target_names),
            **({"input": wanted} if data.input_shape else {}),
        }
        self._network = Network(trained.model)
        self._folder = tempfile.TemporaryDirectory(prefix="fw-serve-")

    def prepare(self, file: RawFile) -> Path:
        """The file, where the dataset reads it."""
        with tempfile.NamedTemporaryFile(dir=self._folder.name, suffix=file.suffix, delete=False) as place:
            place.write(file.content)
        return Path(place.name)

    def samples_in(self, prepared: Path) -> int:
        """Not known before the dataset reads it."""
        return 1

    def size_of(self, file: RawFile) -> int:
        """How many values a file holds once it is decoded, as far as its beginning tells."""
        return 0 if self._preprocessing is None else self._preprocessing.size_of(file.content, file.suffix)

    def answer(self, prepared: Sequence[Path]) -> Sequence[list[Row] | Exception]:
        """The rows of each file; where one cannot be read, of each alone."""
        try:
            found = self._rows(prepared)
        except FrameworkError as error:
            if len(prepared) == 1:
                return [_without_path(error, prepared[0])]
            return [each for path in prepared for each in self.answer([path])]
        finally:
            for path in prepared if len(prepared) == 1 else ():
                path.unlink(missing_ok=True)
        for path in prepared:
            path.unlink(missing_ok=True)
        return found

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

    def _rows(self, paths: Sequence[Path]) -> list[list[Row] | Exception]:
        rows = self._predictor.rows(paths)
        of = {path: [_plain(row) for row in each] for path, each in groupby(rows, key=lambda row: str(row["path"]))}
        return [of.get(str(path), []) for path in paths]


def _preprocessing(predictor: Predictor) -> Preprocessing | None:
    described = getattr(predictor.datamodule, "preprocessing", lambda data: None)(predictor.trained.data)
    found: Preprocessing | None = None if described is None else build(described)
    return found


def _plain(row: Row) -> Row:
    """A row as JSON holds it: without where the file lay, and with what it gave as a file in base64."""
    source = Path(row["path"])
    return {
        name: base64.b64encode(value.content(source)).decode() if is_attachment(value) else value
        for name, value in row.items()
        if name != "path"
    }


def _without_path(error: FrameworkError, path: Path) -> FrameworkError:
    """The error in the words of whoever sent the file, which had no path here."""
    return DataError(str(error.what).replace(f" {path}", "", 1).replace(str(path), "the file"))
