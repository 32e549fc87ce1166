"""One class for each sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score

from framework_core.contracts.processing import Processing
from framework_core.tasks.task import Task, smoothed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Classification(Task):
    """Outputs are one logit a class; a target is the index of a class, or a share of each."""

    losses = ("cross_entropy", "bce")
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("val/accuracy", "max")
    used_with: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "label_smoothing": ("cross_entropy", "bce"),
        "bce_threshold": ("bce",),
    }
    _taken_for_what: tuple[tuple[int, ...], ...] = ()

    def loss(self, outputs: Tensor, target: Tensor, *, training: bool) -> Tensor:
        """Cross-entropy; or with ``bce`` a yes or no for each class, as in https://arxiv.org/abs/2110.00476."""
        smoothing = self.objective.label_smoothing if training else 0.0
        if self.loss_name == "cross_entropy":
            if target.is_floating_point():
                target = target.to(outputs.dtype)
            return functional.cross_entropy(outputs, target, label_smoothing=smoothing)
        shares = target if target.is_floating_point() else functional.one_hot(target, outputs.shape[1])
        shares = smoothed(shares.to(outputs.dtype), smoothing)
        if self.objective.bce_threshold is not None:
            shares = (shares > self.objective.bce_threshold).to(outputs.dtype)
        return functional.binary_cross_entropy_with_logits(outputs, shares)

    def expected_loss(self, target: Tensor | None = None) -> float | None:
        """The logarithm of the number of classes, or of 2 where each class is a question of its own."""
        return math.log(self.data.num_classes if self.loss_name == "cross_entropy" else 2)

    def metrics(self) -> Mapping[str, Metric]:
        """Accuracy over all samples, and F1 averaged over classes."""
        classes = self.data.num_classes
        return {
            "accuracy": MulticlassAccuracy(classes, average="micro"),
            "f1": MulticlassF1Score(classes, average="macro"),
        }

    def test_metrics(self) -> Mapping[str, Metric]:
        """What was taken for what."""
        return {"confusion": MulticlassConfusionMatrix(self.data.num_classes)}

    def finish_test(self, counted: Mapping[str, Any]) -> Mapping[str, float]:
        """Keep the confusion matrix to be drawn."""
        self._taken_for_what = tuple(tuple(row) for row in counted["confusion"].tolist())
        return {}

    def probabilities(self, outputs: Tensor) -> Tensor:
        """The probability of each class."""
        return torch.softmax(outputs.float(), dim=1)

    def postprocessing(self) -> Processing:
        """The same columns, without torch."""
        settings = {"class_names": list(self.data.class_names)}
        return Processing(builder="framework_core.serving.answers:ClassAnswers", settings=settings)

    def predict(self, outputs: Tensor) -> dict[str, Any]:
        """The likeliest class, its probability, and those of all classes."""
        probabilities = self.probabilities(outputs)
        confidence, label = probabilities.max(dim=1)
        names = self.data.class_names
        return {
            "label": [names[index] for index in label.tolist()],
            "confidence": confidence,
            "probabilities": [dict(zip(names, row, strict=True)) for row in probabilities.tolist()],
        }

    def captions(self, outputs: Tensor, target: Tensor) -> list[str]:
        """The true class and the one that was taken, with its probability."""
        confidence, label = torch.softmax(outputs.float(), dim=1).max(dim=1)
        names = self.data.class_names
        return [
            f"true {names[true]}\npredicted {names[said]}, {share:.0%}"
            for true, said, share in zip(target.tolist(), label.tolist(), confidence.tolist(), strict=True)
        ]

    def figures(self) -> dict[str, Figure]:
        """The confusion matrix of the last test."""
        from framework_core.tracking.plots import confusion_matrix

        if not self._taken_for_what:
            return {}
        return {"confusion_matrix": confusion_matrix(self._taken_for_what, self.data.class_names)}

    def answers_figures(self, outputs: Tensor, target: Tensor) -> dict[str, Figure]:
        """Calibration, precision and recall, ROC."""
        from framework_core.tracking.probability_plots import of_one_class

        return of_one_class(self.probabilities(outputs), target, self.data.class_names)

    def tables(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Precision, recall and F1 of each class in the last test."""
        counts = self._taken_for_what
        return {"per_class": [self._of_class(index) for index in range(len(counts))]} if counts else {}

    def _of_class(self, index: int) -> dict[str, Any]:
        counts = self._taken_for_what
        right = counts[index][index]
        there, said = sum(counts[index]), sum(row[index] for row in counts)
        return {
            "class": self.data.class_names[index],
            "samples": there,
            "precision": round(right / said, 6) if said else 0.0,
            "recall": round(right / there, 6) if there else 0.0,
            "f1": round(2 * right / (there + said), 6) if there + said else 0.0,
        }
