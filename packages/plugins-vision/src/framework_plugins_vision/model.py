"""The base class of vision models: image classification, its loss, metrics, predictions and plots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score

from framework_core import BaseModel, DataSpec
from framework_core.contracts import ModelContract

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class BaseVisionModel(BaseModel):
    """Learns the class of an image. Inputs are ``(batch, channels, height, width)``, outputs one logit a class.

    A subclass gives ``_build_model``; metrics, loss and ``forward`` have defaults that it may replace.

    Args:
        data: What the model is trained on.
    """

    domain: ClassVar[str] = "vision"
    tasks: ClassVar[tuple[str, ...]] = ("image-classification",)
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("val/accuracy", "max")

    def __init__(self, *, data: DataSpec | None = None) -> None:
        super().__init__(data=data)
        self._confusion: MulticlassConfusionMatrix | None = None
        self._taken_for_what: list[list[int]] = []

    @property
    def contract(self) -> ModelContract:
        """Classification needs two classes at least."""
        return ModelContract(tasks=self.tasks, min_classes=2)

    def _setup_metrics(self) -> Metric | MetricCollection | Mapping[str, Metric]:
        """Accuracy over all images, and F1 averaged over classes."""
        if self._data_spec is None or not self.data.num_classes:
            return {}
        classes = self.data.num_classes
        return {
            "accuracy": MulticlassAccuracy(classes, average="micro"),
            "f1": MulticlassF1Score(classes, average="macro"),
        }

    def loss(self, outputs: Any, target: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(outputs, target)

    def on_test_start(self) -> None:
        """Count anew what is taken for what."""
        self._confusion = MulticlassConfusionMatrix(self.data.num_classes).to(self.device)

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss``, the metrics and the confusion matrix."""
        inputs, target = batch
        outputs = self(inputs)
        if self._confusion is not None:
            self._confusion.update(outputs, target)
        self._log_evaluation(outputs, target, "test", self.test_metrics)
        return {"outputs": outputs, "target": target}

    def on_test_epoch_end(self) -> None:
        """Put together what every process counted."""
        if self._confusion is not None:
            self._taken_for_what = self._confusion.compute().tolist()
            self._confusion = None

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """One batch of images to the likeliest class of each, its probability, and those of all classes."""
        probabilities = torch.softmax(self(batch).float(), dim=1)
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

        if not self._taken_for_what:
            return {}
        return {"confusion_matrix": confusion_matrix(self._taken_for_what, self.data.class_names)}
