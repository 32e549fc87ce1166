"""A run, or a version of a registered model, as a source of what a server answers with."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from framework_core.deployment.export import export
from framework_core.deployment.trained_model import TrainedModel
from framework_core.model_registry import find
from framework_core.model_registry.version import read_reference
from framework_core.serving.exported import ExportedModel
from framework_core.serving.model import ServedModel
from framework_core.tracking.lookup import RECORD, RUNS
from framework_core.trained import Predictor


class RunSource:
    """A run, which stays what it is; or a stage of a registered model, where another version may come to stand.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``; or ``NAME@STAGE`` or ``NAME/NUMBER``.
        runtime: ``torch`` runs it by the code that trained it; ``onnx`` and ``torch-export`` export it first.
        name: What the model is called in addresses; empty is the registered name, or the model's own.
        threads: How many threads a batch is computed by; 0 is the runtime's own choice.
        max_batch: How many inputs are computed together at most.
    """

    def __init__(self, run: str, *, runtime: str, name: str = "", threads: int = 0, max_batch: int = 64) -> None:
        self._run = run
        self._runtime = runtime
        self._threads = threads
        self._max_batch = max_batch
        here = any((each / run / RECORD).is_file() for each in (Path(), RUNS))
        self._reference = None if here else read_reference(run)
        self._name = name or (self._reference[0] if self._reference else "")
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def state(self) -> Any:
        """The version that stands in the stage; a run that was trained is trained."""
        return find(self._run).version if self._reference else self._run

    def load(self) -> ServedModel:
        """The model with its best weights.

        Raises:
            RunNotFoundError: There is no such run, or it has no checkpoint.
            UnknownNameError: There is no such registered model.
            VersionNotFoundError: It has no such version, or none stands in that stage.
            ExportError: It cannot be exported for the runtime.
        """
        run = version = ""
        if self._reference:
            # The stage is looked at once, so that what is loaded is what is said to be.
            version = str(find(self._run).version)
            run = f"{self._reference[0]}/{version}"
        if self._runtime == "torch":
            if self._threads:
                torch.set_num_threads(self._threads)
            return TrainedModel(Predictor(run or self._run), name=self._name, version=version)
        self._folder = tempfile.TemporaryDirectory(prefix="fw-serve-")
        folder = Path(self._folder.name) / self._runtime
        export(run or self._run, self._runtime, folder)
        options: dict[str, Any] = {"threads": self._threads, "max_batch": self._max_batch}
        return ExportedModel(folder, name=self._name, version=version, **options)
