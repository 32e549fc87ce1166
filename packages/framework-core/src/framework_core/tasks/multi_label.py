"""Any number of classes for each sample."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MultilabelAveragePrecision, MultilabelF1Score

from framework_core.contracts.processing import Processing
from framework_core.contracts.scores import SampleScore, ScoredSamples
from framework_core.tasks.task import MOST_PARTS, Task, as_floats, metric_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class MultiLabel(Task):
    """Outputs are one logit a class; a target has 1 for each class of the sample and 0 for the others."""

    losses = ("bce",)
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("val/map", "max")
    min_classes: ClassVar[int] = 1
    used_with: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "label_smoothing": ("bce",),
        "bce_threshold": ("bce",),
        "threshold": ("bce",),
    }
    _of_classes: Mapping[str, tuple[float, ...]] = {}

    def loss(self, outputs: Tensor, target: Tensor, *, training: bool) -> Tensor:
        """The mean of a yes or no for each class."""
        shares = target.to(outputs.dtype)
        if training:
            # Each class is a question of its own with two answers.
            shares = shares.lerp(torch.full_like(shares, 0.5), self.objective.label_smoothing)
            if self.objective.bce_threshold is not None:
                shares = (shares > self.objective.bce_threshold).to(outputs.dtype)
        return functional.binary_cross_entropy_with_logits(outputs, shares)

    def expected_loss(self, target: Tensor | None = None) -> float | None:
        """The logarithm of 2: each class is a question with two answers."""
        return math.log(2)

    def metrics(self) -> Mapping[str, Metric]:
        """Average precision and F1, averaged over classes; F1 over all answers too."""
        count, threshold = self.data.num_classes, self.objective.threshold
        return {
            "map": _AveragePrecision(count, average="macro"),
            "f1": _OfWholeLabels(count, threshold=threshold, average="macro"),
            "f1_micro": _OfWholeLabels(count, threshold=threshold, average="micro"),
        }

    def test_metrics(self) -> Mapping[str, Metric]:
        """Both for each class."""
        count = self.data.num_classes
        return {
            "ap": _AveragePrecision(count, average=None),
            "f1": _OfWholeLabels(count, threshold=self.objective.threshold, average=None),
        }

    def finish_test(self, counted: Mapping[str, Any]) -> Mapping[str, float]:
        """Average precision and F1 of each class; a class that no sample has is left out."""
        self._of_classes = {name: tuple(as_floats(values.reshape(-1))) for name, values in counted.items()}
        return {
            f"{name}/{metric_name(label)}": value
            for name, values in self._of_classes.items()
            for label, value in zip(self.data.class_names, values, strict=True)
            if not math.isnan(value)
        }

    def probabilities(self, outputs: Tensor) -> Tensor:
        """The probability of each class."""
        return torch.sigmoid(outputs.float())

    def postprocessing(self) -> Processing:
        """The same columns, without torch."""
        settings = {"class_names": list(self.data.class_names), "threshold": self.objective.threshold}
        return Processing(builder="framework_core.serving.answers:LabelsAnswers", settings=settings)

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """F1 over all answers, of each sample and of each class."""
        if outputs is None or target is None:
            return None
        said, there = self.probabilities(outputs) >= self.objective.threshold, target > 0.5
        right, size = 2.0 * (said & there), said.float() + there.float()
        names = self.data.class_names
        each = {
            name: _f1(right[:, number], size[:, number])
            for number, name in enumerate(names)
            if len(names) <= MOST_PARTS
        }
        whole = _f1(right.sum(dim=1), size.sum(dim=1))
        scores = {"f1_micro": replace(whole, parts={"class": each} if each else {})}
        return ScoredSamples(truth=there.int().tolist(), scores=scores)

    def predict(self, outputs: Tensor) -> dict[str, Any]:
        """The classes that are likely enough, and the probability of each."""
        probabilities = self.probabilities(outputs).tolist()
        names, threshold = self.data.class_names, self.objective.threshold
        rows = [dict(zip(names, row, strict=True)) for row in probabilities]
        return {
            "labels": [[name for name, share in row.items() if share >= threshold] for row in rows],
            "probabilities": rows,
        }

    def captions(self, outputs: Tensor, target: Tensor) -> list[str]:
        """The true classes and those that were taken."""
        names = self.data.class_names

        def listed(row: list[bool]) -> str:
            return ", ".join(name for name, there in zip(names, row, strict=True) if there) or "none"

        said = torch.sigmoid(outputs.float()) >= self.objective.threshold
        return [
            f"true {listed(right)}\npredicted {listed(taken)}"
            for right, taken in zip((target > 0.5).tolist(), said.tolist(), strict=True)
        ]

    def figures(self) -> dict[str, Figure]:
        """Average precision and F1 of each class in the last test."""
        from framework_core.tracking.plots import bars

        if not self._of_classes:
            return {}
        return {"classes": bars("Classes of the test", self.data.class_names, self._of_classes)}

    def answers_figures(self, outputs: Tensor, target: Tensor) -> dict[str, Figure]:
        """Calibration, precision and recall, ROC."""
        from framework_core.tracking.probability_plots import of_several_labels

        return of_several_labels(self.probabilities(outputs), target, self.data.class_names)


def _f1(right: Tensor, size: Tensor) -> SampleScore:
    """F1 of each sample, which weighs as much as there is and was said."""
    return SampleScore(values=as_floats(right / size.clamp(min=1)), weights=as_floats(size))


class _AveragePrecision(MultilabelAveragePrecision):
    """Average precision of whole labels; a class that no sample has is left out without a word at every epoch."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        super().update(preds, (target > 0.5).long())

    def compute(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return super().compute()


class _OfWholeLabels(MultilabelF1Score):
    def update(self, preds: Tensor, target: Tensor) -> None:
        super().update(preds, (target > 0.5).long())
