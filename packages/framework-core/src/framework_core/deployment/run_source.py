"""A run as a source of what a server answers with."""

from __future__ import annotations

from typing import Any

import torch

from framework_core.deployment.trained_model import TrainedModel
from framework_core.run import Predictor


class RunSource:
    """A run, which stays what it is.

    Args:
        run: Its id, the beginning of its id, its name, its folder, or ``last``.
        name: What the model is called in addresses; empty is the model's own name.
        threads: How many threads a batch is computed by; 0 is torch's own choice.
    """

    def __init__(self, run: str, *, name: str = "", threads: int = 0) -> None:
        self._run = run
        self._name = name
        self._threads = threads

    def state(self) -> Any:
        """A run that was trained is trained."""
        return self._run

    def load(self) -> TrainedModel:
        """The model with its best weights.

        Raises:
            RunNotFoundError: There is no such run, or it has no checkpoint.
        """
        if self._threads:
            torch.set_num_threads(self._threads)
        return TrainedModel(Predictor(self._run), name=self._name)
