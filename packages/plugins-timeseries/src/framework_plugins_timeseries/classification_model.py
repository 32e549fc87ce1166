"""The base class of models that tell the class of a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor
from torchmetrics import Metric, MetricCollection

from framework_core import BaseModel, DataSpec
from framework_core.contracts import ModelContract, Processing
from framework_core.errors import ContractError
from framework_plugins_timeseries.classification_data import FOR_CLASSIFICATION
from framework_plugins_timeseries.tasks.classification import SeriesClassification

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class BaseSeriesClassifier(BaseModel):
    """Tells the class of a series: ``(batch, channels, steps)`` to ``(batch, classes)``, one logit a class.

    A subclass gives ``_build_model``. Loss, metrics, the confusion matrix and the table by class are here.

    Args:
        label_smoothing: The share of a label that training spreads over all classes.
        data: What the model is trained on.
    """

    domain: ClassVar[str] = "timeseries"
    tasks: ClassVar[tuple[str, ...]] = (FOR_CLASSIFICATION,)

    def __init__(self, *, label_smoothing: float = 0.0, data: DataSpec | None = None) -> None:
        super().__init__(data=data)
        self._task = None if data is None else SeriesClassification(data.class_names, label_smoothing)

    @property
    def task(self) -> SeriesClassification:
        """What is learned.

        Raises:
            ContractError: The model was created without data.
        """
        if self._task is None:
            raise ContractError(
                f"{type(self).__name__} was created without data", ["it needs to know which classes there are"]
            )
        return self._task

    @property
    def contract(self) -> ModelContract:
        """Telling classes apart needs two at least."""
        return ModelContract(tasks=self.tasks, min_classes=2)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy."""
        return self.task.loss(outputs, target, training=self.training)

    def probabilities(self, outputs: Any) -> Tensor | None:
        """Those of the classes."""
        return None if self._task is None else self._task.probabilities(outputs)

    def postprocessing(self) -> Processing | None:
        """That of the task."""
        return None if self._task is None else self._task.postprocessing()

    def expected_loss(self, target: Tensor | None = None) -> float | None:
        """The logarithm of the number of classes."""
        return None if self._task is None else self._task.expected_loss()

    def _setup_metrics(self) -> Metric | MetricCollection | Mapping[str, Metric]:
        """Accuracy and F1."""
        return {} if self._task is None else self._task.metrics()

    def on_test_start(self) -> None:
        """Count anew."""
        self.task.begin_test(self.device)

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss``, the metrics and the confusion matrix."""
        found = self._evaluate(batch, "test", self.test_metrics)
        self.task.see_test(found["outputs"], found["target"])
        return found

    def on_test_epoch_end(self) -> None:
        """Put together what every process counted."""
        self.task.end_test()

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """One batch of series to the columns of a table."""
        return self.task.predict(self(batch))

    def figures(self) -> Mapping[str, Figure]:
        """The confusion matrix."""
        return {} if self._task is None else self._task.figures()

    def answers_figures(self, outputs: Tensor, target: Tensor) -> Mapping[str, Figure]:
        """Calibration, precision and recall, ROC."""
        return {} if self._task is None else self._task.answers_figures(outputs, target)

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Precision, recall and F1 by class."""
        return {} if self._task is None else self._task.tables()
