"""One class for each series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score

from framework_core.contracts import Processing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SeriesClassification:
    """Scores logits, one a class, against the index of a class.

    Args:
        class_names: The name of each class.
        label_smoothing: The share of a label that training spreads over all classes.
    """

    def __init__(self, class_names: Sequence[str], label_smoothing: float = 0.0) -> None:
        self.class_names = tuple(class_names)
        self.label_smoothing = label_smoothing
        self._confusion: MulticlassConfusionMatrix | None = None
        self._counts: list[list[int]] = []

    def loss(self, outputs: Tensor, target: Tensor, *, training: bool) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(outputs, target, label_smoothing=self.label_smoothing if training else 0.0)

    def expected_loss(self) -> float:
        """The logarithm of the number of classes."""
        return math.log(len(self.class_names))

    def metrics(self) -> Mapping[str, Metric]:
        """Accuracy over all series, and F1 averaged over classes."""
        classes = len(self.class_names)
        return {
            "accuracy": MulticlassAccuracy(classes, average="micro"),
            "f1": MulticlassF1Score(classes, average="macro"),
        }

    def begin_test(self, device: torch.device) -> None:
        """Count anew what is taken for what."""
        self._confusion = MulticlassConfusionMatrix(len(self.class_names)).to(device)

    def see_test(self, outputs: Tensor, target: Tensor) -> None:
        """Count a batch."""
        if self._confusion is not None:
            self._confusion.update(outputs, target)

    def end_test(self) -> None:
        """Put together what every process counted."""
        if self._confusion is not None:
            self._counts = self._confusion.compute().tolist()
        self._confusion = None

    def probabilities(self, outputs: Tensor) -> Tensor:
        """The probability of each class."""
        return torch.softmax(outputs.float(), dim=1)

    def postprocessing(self) -> Processing:
        """The same columns, without torch."""
        settings = {"class_names": list(self.class_names)}
        return Processing(builder="framework_core.serving.answers:ClassAnswers", settings=settings)

    def predict(self, outputs: Tensor) -> dict[str, Any]:
        """The likeliest class, its probability, and those of all classes."""
        probabilities = self.probabilities(outputs)
        confidence, label = probabilities.max(dim=1)
        names = self.class_names
        return {
            "label": [names[index] for index in label.tolist()],
            "confidence": confidence,
            "probabilities": [dict(zip(names, row, strict=True)) for row in probabilities.tolist()],
        }

    def figures(self) -> dict[str, Figure]:
        """The confusion matrix of the last test."""
        from framework_core.tracking.plots import confusion_matrix

        return {"confusion_matrix": confusion_matrix(self._counts, self.class_names)} if self._counts else {}

    def answers_figures(self, outputs: Tensor, target: Tensor) -> dict[str, Figure]:
        """Calibration, precision and recall, ROC."""
        from framework_core.tracking.probability_plots import of_one_class

        return of_one_class(self.probabilities(outputs), target, self.class_names)

    def tables(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Precision, recall and F1 of each class in the last test."""
        return {"per_class": [self._of_class(index) for index in range(len(self._counts))]} if self._counts else {}

    def _of_class(self, index: int) -> dict[str, Any]:
        right = self._counts[index][index]
        there, said = sum(self._counts[index]), sum(row[index] for row in self._counts)
        precision, recall = right / said if said else 0.0, right / there if there else 0.0
        f1 = 2 * right / (there + said) if there + said else 0.0
        name = self.class_names[index]
        return {"class": name, "series": there, "precision": precision, "recall": recall, "f1": f1}
