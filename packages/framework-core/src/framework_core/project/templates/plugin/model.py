"""The model ``${module}_net``."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from framework_core import BaseModel
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy


class Net(BaseModel):
    """A network of two layers that learns classes, whatever the shape of its inputs.

    What the data turned out to be, its shape and the names of its classes, is in ``self.data``.

    Args:
        width: How many features lie between the layers.
        drop_rate: How much of them is dropped in training.
        **kwargs: What every model takes.
    """

    domain: ClassVar[str] = "$domain"
    tasks: ClassVar[tuple[str, ...]] = ("tabular-classification",)
    monitor = ("val/accuracy", "max")

    def __init__(self, width: int = 64, drop_rate: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(self.data.input_shape), self.width),
            nn.ReLU(),
            nn.Dropout(self.drop_rate),
            nn.Linear(self.width, self.data.num_classes),
        )

    def _setup_metrics(self) -> dict[str, Metric]:
        return {"accuracy": MulticlassAccuracy(self.data.num_classes, average="micro")}

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """What training makes small."""
        return nn.functional.cross_entropy(outputs, target)

    def predict_step(self, batch: Tensor, batch_idx: int) -> dict[str, Any]:
        """The most likely class of each input, and how likely it is."""
        confidence, index = self(batch).softmax(1).max(1)
        return {"label": [self.data.class_names[each] for each in index.tolist()], "confidence": confidence}
