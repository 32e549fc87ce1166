"""Lightning's logger: it takes points and hands them on at once."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from framework_core.tracking.writer import JournalWriter


class TrackingLogger(Logger):
    """What ``self.log`` of a model and the step recorder write to.

    Args:
        name: The experiment.
        version: The run.
        writer: Where points go; ``None`` keeps them in the history only.
    """

    def __init__(self, name: str, version: str, writer: JournalWriter | None = None) -> None:
        super().__init__()
        self._name = name
        self._version = version
        self._writer = writer
        self.history: dict[str, list[tuple[int, Any]]] = {}
        """Every curve: its points as step and value."""

    @property
    def name(self) -> str:
        """The experiment."""
        return self._name

    @property
    def version(self) -> str:
        """The run."""
        return self._version

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Take points; tensors are read later, on the writer's thread."""
        at = step or 0
        values = {name: value for name, value in metrics.items() if name != "epoch"}
        for name, value in values.items():
            self.history.setdefault(name, []).append((at, value))
        if self._writer is not None:
            self._writer.write(values, at)

    @rank_zero_only
    def note_checkpoint(self, step: int) -> None:
        """Note that a checkpoint is being taken, and see that the journal has the points before it."""
        if self._writer is not None:
            self._writer.checkpoint(step)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the whole resolved configuration is recorded when the run starts."""

    def curve(self, name: str) -> list[tuple[int, float]]:
        """The points of one curve as numbers."""
        return [(step, float(value)) for step, value in self.history.get(name, ())]
