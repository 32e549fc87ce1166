"""What every task says, and how it is found by its name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from framework_core.contracts.data import DataSpec
from framework_core.errors import ConfigError, ConfigProblem, near_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from framework_core.contracts.processing import Processing
    from framework_core.contracts.scores import ScoredSamples

MOST_PARTS = 30
"""Classes or targets that are scored sample by sample; with more there is the whole alone."""


@dataclass(frozen=True)
class Objective:
    """What a model makes small, as its settings say it.

    Args:
        loss: The name of the loss; empty takes the task's own.
        label_smoothing: The share of a label that is spread over all classes.
        bce_threshold: The share of a class above which it counts as the whole class.
        huber_delta: The error up to which the Huber loss is a square.
        threshold: The probability from which a sample has a class.
    """

    loss: str | None = None
    label_smoothing: float = 0.0
    bce_threshold: float | None = None
    huber_delta: float = 1.0
    threshold: float = 0.5


class Task(ABC):
    """A task on certain data.

    Args:
        data: What the data turned out to be.
        objective: What is made small.

    Raises:
        ConfigError: The objective makes no sense for the task.
    """

    losses: ClassVar[tuple[str, ...]]
    """The losses that are possible, the default first."""

    monitor: ClassVar[tuple[str, Literal["min", "max"]]]
    """The metric that tells which checkpoint is best."""

    min_classes: ClassVar[int] = 2
    loss_counts_all_processes: ClassVar[bool] = False
    """Whether the loss is made of ``shared_sum``."""

    used_with: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Settings beside the loss, and the losses that use them."""

    def __init__(self, data: DataSpec, objective: Objective) -> None:
        self.data = data
        self.objective = objective
        self.loss_name = objective.loss or self.losses[0]
        if problems := [*self._wrong_loss(), *self._unused()]:
            raise ConfigError(problems)

    @abstractmethod
    def loss(self, outputs: Tensor, target: Tensor, *, training: bool) -> Tensor:
        """What training makes small. Outside training the target is taken as it is, unsmoothed."""

    def loss_count(self, target: Tensor) -> float:
        """Of how many things the loss of a batch is the mean."""
        return len(target)

    def expected_loss(self, target: Tensor | None = None) -> float | None:
        """The loss of a model that has learned nothing: all classes are equally likely, all numbers zero.

        Args:
            target: The targets that the loss is of; without them nothing is said where it depends on them.
        """
        return None

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """The metrics of validation and test, by name."""

    def test_metrics(self) -> Mapping[str, Metric]:
        """What is counted in the test beside them, for ``finish_test``, ``figures`` and ``tables``."""
        return {}

    def observe(self, inputs: Tensor, outputs: Tensor, target: Tensor) -> None:  # noqa: B027  # few tasks look
        """See a batch of the test."""

    def finish_test(self, counted: Mapping[str, Any]) -> Mapping[str, float]:
        """Take what ``test_metrics`` counted.

        Returns:
            More metrics, by name.
        """
        return {}

    def probabilities(self, outputs: Tensor) -> Tensor | None:
        """The probability of each class, in the form of the outputs; nothing where there are no classes."""
        return None

    def postprocessing(self) -> Processing | None:
        """What makes of outputs the columns of ``predict``, without torch; nothing where that is not written."""
        return None

    @abstractmethod
    def predict(self, outputs: Tensor) -> dict[str, Any]:
        """Outputs to the columns of a table."""

    def captions(self, outputs: Tensor, target: Tensor) -> list[str]:
        """What was right and what was said of each sample, in a line or two; nothing where it cannot be said so."""
        return []

    def figures(self) -> dict[str, Figure]:
        """What to draw after the test, by name."""
        return {}

    def answers_figures(self, outputs: Tensor, target: Tensor) -> dict[str, Figure]:
        """What to draw from the answer to every sample of the test, by name."""
        return {}

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """What the last test came to for each sample beside its loss; nothing where that is all, or its class."""
        return None

    def tables(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """What to write down after the test, by name: rows of columns."""
        return {}

    def _wrong_loss(self) -> list[ConfigProblem]:
        if self.loss_name in self.losses:
            return []
        message = f"is no loss for {self.data.task}; possible: {', '.join(self.losses)}"
        return [
            ConfigProblem("model.loss", message, value=self.loss_name, near=near_names(self.loss_name, self.losses))
        ]

    def _unused(self) -> list[ConfigProblem]:
        found = []
        for setting in ("label_smoothing", "bce_threshold", "huber_delta", "threshold"):
            default = Objective.__dataclass_fields__[setting].default
            uses = self.used_with.get(setting, ())
            if getattr(self.objective, setting) != default and self.loss_name not in uses:
                with_what = f"with loss={' or '.join(uses)} only" if uses else f"not for {self.data.task}"
                value = getattr(self.objective, setting)
                found.append(ConfigProblem(f"model.{setting}", f"has an effect {with_what}", value=value))
        return found


def task_for(data: DataSpec, objective: Objective, places: Mapping[str, str]) -> Task | None:
    """The task of the data; nothing where it is one of somebody's own.

    Args:
        data: What the data turned out to be.
        objective: What is made small.
        places: Where the class of each task is, by the name that data gives the task: ``"package.module:Class"``.

    Raises:
        ConfigError: The objective makes no sense for the task.
    """
    if data.task not in places:
        return None
    module, _, name = places[data.task].partition(":")
    found: type[Task] = getattr(import_module(module), name)
    return found(data, objective)


def smoothed(target: Tensor, share: float) -> Tensor:
    """Shares of classes with a part of each spread over all classes."""
    return target * (1 - share) + share / target.shape[1] if share else target


def metric_name(name: str) -> str:
    """A name as part of the name of a metric: MLflow takes letters, digits and few signs."""
    return "".join(each if each.isascii() and (each.isalnum() or each in "_-. ") else "_" for each in name)


def as_floats(values: Tensor) -> list[float]:
    """A vector as plain numbers; what could not be measured is NaN."""
    return [float(value) for value in values.detach().to(torch.float32).cpu()]
