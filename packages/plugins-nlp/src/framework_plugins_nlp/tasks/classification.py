"""One class for each text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassMatthewsCorrCoef,
)

from framework_core import DataSpec
from framework_core.contracts import Processing
from framework_plugins_nlp.shared_mean import shared_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MISTAKES = 50
"""Texts in the table of the worst mistakes."""

LONGEST_SHOWN = 500
"""Characters of a text in that table."""


class Classification(torch.nn.Module):
    """Outputs are one logit a class; a target is the index of a class.

    Args:
        data: What the data turned out to be.
        label_smoothing: The share of a label that is spread over all classes.
        class_weights: ``balanced`` lets every class count as much as any other in the loss.
    """

    name = "text-classification"
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("val/accuracy", "max")
    weight: Tensor | None

    def __init__(self, data: DataSpec, *, label_smoothing: float = 0.0, class_weights: str = "none") -> None:
        super().__init__()
        self.data = data
        self.label_smoothing = label_smoothing
        self.register_buffer("weight", balanced(data) if class_weights == "balanced" else None, persistent=False)
        self._losses: list[Tensor] = []
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._counts: Tensor | None = None

    def loss(self, outputs: Tensor, target: Tensor, *, training: bool) -> Tensor:
        """Cross-entropy."""
        smoothing = self.label_smoothing if training else 0.0
        if self.weight is None:
            return functional.cross_entropy(outputs, target, label_smoothing=smoothing)
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        weight = self.weight.to(outputs.dtype)
        total = functional.cross_entropy(outputs, target, weight=weight, label_smoothing=smoothing, reduction="sum")
        return shared_mean(total, weight[target].sum(), training=training)

    def expected_loss(self) -> float:
        """The logarithm of the number of classes."""
        return math.log(self.data.num_classes)

    def metrics(self) -> Mapping[str, Metric]:
        """Accuracy, F1 over all texts and averaged over classes, and Matthews' correlation."""
        classes = self.data.num_classes
        return {
            "accuracy": MulticlassAccuracy(classes, average="micro"),
            "f1_macro": MulticlassF1Score(classes, average="macro"),
            "f1_micro": MulticlassF1Score(classes, average="micro"),
            "mcc": MulticlassMatthewsCorrCoef(classes),
        }

    def test_metrics(self) -> Mapping[str, Metric]:
        """What was taken for what, and how far probabilities are from shares of right answers."""
        classes = self.data.num_classes
        return {
            "confusion": MulticlassConfusionMatrix(classes),
            "calibration_error": MulticlassCalibrationError(classes, n_bins=15),
        }

    def begin_test(self) -> None:
        """Forget the test before."""
        self._losses, self._outputs, self._targets, self._counts = [], [], [], None

    def observe(self, outputs: Tensor, target: Tensor) -> None:
        """Keep what was said of each text of the test."""
        outputs = outputs.detach().float()
        self._losses.append(functional.cross_entropy(outputs, target, reduction="none").cpu())
        self._outputs.append(outputs.softmax(dim=1).cpu())
        self._targets.append(target.cpu())

    def finish_test(self, counted: Mapping[str, Any]) -> Mapping[str, float]:
        """Keep the confusion matrix to be drawn; the calibration error is a metric."""
        self._counts = counted["confusion"].cpu()
        return {"calibration_error": float(counted["calibration_error"])}

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

    def figures(self) -> dict[str, Figure]:
        """The confusion matrix of the last test."""
        from framework_core.tracking.plots import confusion_matrix

        if self._counts is None:
            return {}
        return {"confusion_matrix": confusion_matrix(self._counts.tolist(), self.data.class_names)}

    def answers_figures(self, outputs: Tensor, target: Tensor) -> dict[str, Figure]:
        """Calibration, precision and recall, ROC."""
        from framework_core.tracking.probability_plots import of_one_class

        return of_one_class(self.probabilities(outputs), target, self.data.class_names)

    def tables(self, texts: Sequence[str]) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Precision, recall and F1 of each class, and the texts with the highest loss.

        Args:
            texts: Those of the test; empty where they are not known.
        """
        if self._counts is None:
            return {}
        per_class = of_each_class(self._counts, self.data.class_names, counted="texts")
        found: dict[str, Sequence[Mapping[str, Any]]] = {"per_class": per_class}
        if self._losses and len(texts) == sum(map(len, self._losses)):
            found["worst_mistakes"] = self._worst(texts)
        return found

    def _worst(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        losses, probabilities, targets = torch.cat(self._losses), torch.cat(self._outputs), torch.cat(self._targets)
        said = probabilities.argmax(dim=1)
        names = self.data.class_names
        rows = []
        for index in losses.argsort(descending=True, stable=True).tolist():
            if said[index] != targets[index]:
                rows.append(
                    {
                        "text": texts[index][:LONGEST_SHOWN],
                        "true": names[int(targets[index])],
                        "predicted": names[int(said[index])],
                        "probability": round(float(probabilities[index].max()), 4),
                        "loss": round(float(losses[index]), 4),
                    }
                )
            if len(rows) == MISTAKES:
                break
        return rows


def of_each_class(counts: Tensor, names: Sequence[str], *, counted: str) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class.

    Args:
        counts: What was taken for what: a row for each true class.
        names: The classes.
        counted: What was counted, the name of a column: ``texts``.
    """
    rows = []
    for index, name in enumerate(names):
        right = int(counts[index, index])
        said, there = int(counts[:, index].sum()), int(counts[index].sum())
        precision, recall = _ratio(right, said), _ratio(right, there)
        f1 = _ratio(2 * right, said + there)
        row = {"class": name, counted: there, "precision": precision, "recall": recall, "f1": f1}
        rows.append({key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()})
    return rows


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def balanced(data: DataSpec) -> Tensor:
    """A weight for each class: all texts over the texts of the class and the number of classes."""
    counts = torch.tensor([data.class_counts.get(name, 0) for name in data.class_names], dtype=torch.float32)
    return counts.sum() / (counts.clamp(min=1) * len(counts))
