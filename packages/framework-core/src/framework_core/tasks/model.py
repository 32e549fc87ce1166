"""The base class of models whose data says what is learned: loss, metrics and predictions go by the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from framework_core.base.model import BaseModel
from framework_core.contracts.checks import ModelContract
from framework_core.contracts.data import DataSpec
from framework_core.errors import ContractError
from framework_core.tasks.task import Objective, Task, task_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from framework_core.contracts.processing import Processing
    from framework_core.contracts.scores import ScoredSamples


class BaseTaskModel(BaseModel):
    """Learns what the data asks for: a class, several classes, or numbers for each sample.

    Outputs are one number a class or target, ``(batch, outputs)``; ``self.data.num_outputs`` says how many. A subclass
    gives ``_build_model``, and ``task_places`` where its domain has names of its own for tasks, or tasks of its own.

    Args:
        loss: What is made small; empty takes the task's own.
        label_smoothing: The share of a label that is spread over all classes.
        bce_threshold: With ``loss="bce"``, the share of a class above which it counts as the whole class.
        huber_delta: With ``loss="huber"``, the error up to which it is a square.
        threshold: With several labels, the probability from which a sample has a class.
        data: What the model is trained on.

    Raises:
        ConfigError: The loss makes no sense for the data's task.
    """

    task_places: ClassVar[Mapping[str, str]] = {
        "classification": "framework_core.tasks.classification:Classification",
        "multi-label-classification": "framework_core.tasks.multi_label:MultiLabel",
        "regression": "framework_core.tasks.regression:Regression",
    }
    """Where each task is, by the name that data gives it: a subclass of ``framework_core.tasks.task.Task``."""

    def __init__(
        self,
        *,
        loss: str | None = None,
        label_smoothing: float = 0.0,
        bce_threshold: float | None = None,
        huber_delta: float = 1.0,
        threshold: float = 0.5,
        data: DataSpec | None = None,
    ) -> None:
        super().__init__(data=data)
        objective = Objective(loss, label_smoothing, bce_threshold, huber_delta, threshold)
        self._task: Task | None = None if data is None else task_for(data, objective, self.task_places)
        if self._task is not None:
            self.monitor = self._task.monitor
            self.loss_counts_all_processes = self._task.loss_counts_all_processes
        self._test_counts: MetricCollection | None = None

    @property
    def task(self) -> Task:
        """What is learned.

        Raises:
            ContractError: The data is for a task that this model does not have.
        """
        if self._task is None:
            known = ", ".join(self.task_places)
            raise ContractError(f"{type(self).__name__} has no loss", [f"the task {self.data.task} is none of {known}"])
        return self._task

    @property
    def contract(self) -> ModelContract:
        """Telling classes apart needs two at least."""
        return ModelContract(tasks=self.tasks, min_classes=self._task.min_classes if self._task else 0)

    def parameter_layers(self) -> Sequence[Sequence[str]]:
        """The parts of a sequential network, one layer each; parts without parameters belong to none."""
        if not isinstance(self.model, nn.Sequential):
            return ()
        parts = [[f"model.{name}.{each}" for each, _ in part.named_parameters()] for name, part in _parts(self.model)]
        return [part for part in parts if part]

    def _setup_metrics(self) -> Metric | MetricCollection | Mapping[str, Metric]:
        """The task's metrics."""
        return {} if self._task is None else self._task.metrics()

    def loss(self, outputs: Any, target: Tensor) -> Tensor:
        """The task's loss."""
        return self.task.loss(outputs, target, training=self.training)

    def loss_count(self, target: Tensor) -> float:
        """That of the task."""
        return self.task.loss_count(target)

    def probabilities(self, outputs: Any) -> Tensor | None:
        """Those of the task, where it has classes."""
        return None if self._task is None else self._task.probabilities(outputs)

    def postprocessing(self) -> Processing | None:
        """That of the task, where it has one."""
        return None if self._task is None else self._task.postprocessing()

    def expected_loss(self, target: Tensor | None = None) -> float | None:
        """That of the task, where it has one."""
        return None if self._task is None else self._task.expected_loss(target)

    def on_test_start(self) -> None:
        """Count anew."""
        counts: dict[str, Any] = {} if self._task is None else dict(self._task.test_metrics())
        self._test_counts = MetricCollection(counts, compute_groups=False).to(self.device)

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss``, the metrics, and what the task counts."""
        inputs, target = batch
        outputs = self(inputs)
        if self._test_counts is not None and self._task is not None:
            self._test_counts.update(outputs, target)
            self._task.observe(inputs, outputs, target)
        self._log_evaluation(outputs, target, "test", self.test_metrics)
        return {"outputs": outputs, "target": target}

    def on_test_epoch_end(self) -> None:
        """Put together what every process counted."""
        if self._test_counts and self._task is not None:
            found = self._task.finish_test(self._test_counts.compute())
            self.log_dict({f"test/{name}": value for name, value in found.items()})
        self._test_counts = None

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """One batch of inputs to the columns of a table."""
        return self.task.predict(self(batch))

    def figures(self) -> dict[str, Figure]:
        """What the task draws after the last test."""
        return {} if self._task is None else self._task.figures()

    def answers_figures(self, outputs: Tensor, target: Tensor) -> Mapping[str, Figure]:
        """What the task draws from the answer to every sample of the test."""
        return {} if self._task is None else self._task.answers_figures(outputs, target)

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """What the task says of each sample of the test."""
        return None if self._task is None else self._task.scored_samples(outputs, target)

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What the task writes down after the last test."""
        return {} if self._task is None else self._task.tables()


def _parts(network: nn.Sequential) -> list[tuple[str, nn.Module]]:
    """The parts of a sequence, those of a sequence inside it and of an encoder one by one."""
    found: list[tuple[str, nn.Module]] = []
    for name, part in network.named_children():
        if isinstance(part, nn.Sequential):
            found += [(f"{name}.{inner}", each) for inner, each in _parts(part)]
        elif isinstance(part, nn.TransformerEncoder):
            found += [(f"{name}.layers.{index}", each) for index, each in enumerate(part.layers)]
            found += [(f"{name}.norm", part.norm)] if part.norm is not None else []
        else:
            found.append((name, part))
    return found
