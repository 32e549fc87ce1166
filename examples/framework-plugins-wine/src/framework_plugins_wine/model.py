"""A gated network for tables."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from framework_core import BaseModel, DataSpec
from framework_core.contracts import ModelContract, Processing
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy


class GatedMLP(BaseModel):
    """Two layers whose outputs are gated by their own input (GLU), and a classifier.

    Args:
        width: The length of the hidden layers.
        drop_rate: Dropout before the classifier.
        data: What the model is trained on.
    """

    domain: ClassVar[str] = "tabular"
    tasks: ClassVar[tuple[str, ...]] = ("tabular-classification",)
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("val/loss", "min")

    def __init__(self, width: int = 32, drop_rate: float = 0.1, *, data: DataSpec | None = None) -> None:
        super().__init__(data=data)
        self.width = width
        self.drop_rate = drop_rate

    @property
    def contract(self) -> ModelContract:
        """Classification needs two classes at least."""
        return ModelContract(tasks=self.tasks, min_classes=2)

    def _build_model(self) -> nn.Module:
        (features,) = self.data.input_shape
        return nn.Sequential(
            nn.Linear(features, 2 * self.width),
            nn.GLU(),
            nn.Linear(self.width, 2 * self.width),
            nn.GLU(),
            nn.Dropout(self.drop_rate),
            nn.Linear(self.width, self.data.num_classes),
        )

    def _setup_metrics(self) -> dict[str, Metric]:
        return {"accuracy": MulticlassAccuracy(self.data.num_classes, average="micro")}

    def loss(self, outputs: Any, target: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(outputs, target)

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """One batch to the likeliest class of each sample and its probability."""
        confidence, label = torch.softmax(self(batch), dim=1).max(dim=1)
        return {"label": [self.data.class_names[index] for index in label.tolist()], "confidence": confidence}

    def postprocessing(self) -> Processing:
        """The same of bare outputs, without torch: for a server."""
        settings = {"class_names": list(self.data.class_names)}
        return Processing(builder="framework_plugins_wine.serving:Growers", settings=settings)
