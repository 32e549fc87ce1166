"""The base class of models that tell classes of texts or words apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor
from torchmetrics import Metric, MetricCollection

from framework_core import BaseModel, DataSpec
from framework_core.contracts import ModelContract, Processing, ScoredSamples
from framework_core.errors import ContractError
from framework_plugins_nlp.tasks.classification import Classification
from framework_plugins_nlp.tasks.token_classification import TokenClassification
from framework_plugins_nlp.word_tokens import IGNORED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TASKS: Mapping[str, type[Classification] | type[TokenClassification]] = {
    Classification.name: Classification,
    TokenClassification.name: TokenClassification,
}
"""What can be learned, by what data calls it."""


class BaseNLPModel(BaseModel):
    """Learns the class of a text, or of each of its words, as the data says.

    Inputs are tokens, ``(batch, length)``, filled up with ``self.pad_id``; outputs are one number a class,
    ``(batch, self.data.num_classes)``, and for words one a class and token, with the length behind. A subclass gives
    ``_build_model``: ``self.vocabulary_size`` says how many tokens there are, and ``self.of_words`` what is wanted.
    Loss, metrics, tables and predictions are here.

    Args:
        label_smoothing: The share of a label that is spread over all classes.
        class_weights: ``balanced`` lets every class count as much as any other in the loss.
        data: What the model is trained on.
    """

    domain: ClassVar[str] = "nlp"
    tasks: ClassVar[tuple[str, ...]] = ("text-classification",)

    def __init__(
        self, *, label_smoothing: float = 0.0, class_weights: str = "none", data: DataSpec | None = None
    ) -> None:
        super().__init__(data=data)
        self._task: Classification | TokenClassification | None = None
        if data is not None and data.task in TASKS:
            self._task = TASKS[data.task](data, label_smoothing=label_smoothing, class_weights=class_weights)
            self.monitor = self._task.monitor
            self.loss_counts_all_processes = self._task.weight is not None or self.of_words
        self._test_counts: MetricCollection | None = None

    @property
    def task(self) -> Classification | TokenClassification:
        """What is learned.

        Raises:
            ContractError: The data is for something else.
        """
        if self._task is None:
            raise ContractError(f"{type(self).__name__} has no loss", [f"the task {self.data.task} is not one of text"])
        return self._task

    @property
    def contract(self) -> ModelContract:
        """Telling classes apart needs two at least."""
        return ModelContract(tasks=self.tasks, min_classes=2)

    @property
    def of_words(self) -> bool:
        """Whether each word has a class, and not the text."""
        return self.data.task == TokenClassification.name

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return self._fact("vocabulary_size")

    @property
    def pad_id(self) -> int:
        """The token that fills up short texts."""
        return self._fact("pad_id")

    def _fact(self, name: str) -> int:
        found = self.data.facts.get(name)
        if not isinstance(found, int):
            raise ContractError(
                f"{type(self).__name__} and this data do not fit",
                [f"the data does not say its {name}: its samples are not tokens"],
            )
        return found

    def _setup_metrics(self) -> Metric | MetricCollection | Mapping[str, Metric]:
        """The task's metrics."""
        return {} if self._task is None else self._task.metrics()

    def loss(self, outputs: Any, target: Tensor) -> Tensor:
        """The task's loss."""
        return self.task.loss(outputs, target, training=self.training)

    def loss_count(self, target: Tensor) -> float:
        """Texts, or words; what their classes weigh where some weigh more than others."""
        weight = self.task.weight
        if weight is not None:
            return float(weight[target[target.ne(IGNORED)]].sum())
        return int(target.ne(IGNORED).sum()) if self.of_words else len(target)

    def probabilities(self, outputs: Any) -> Tensor | None:
        """Those of the classes."""
        return None if self._task is None else self._task.probabilities(outputs)

    def postprocessing(self) -> Processing | None:
        """That of the task."""
        return None if self._task is None else self._task.postprocessing()

    def expected_loss(self, target: Tensor | None = None) -> float | None:
        """That of the task."""
        return None if self._task is None else self._task.expected_loss()

    def on_test_start(self) -> None:
        """Count anew."""
        counts: dict[str, Any] = {} if self._task is None else dict(self._task.test_metrics())
        self._test_counts = MetricCollection(counts, compute_groups=False).to(self.device)
        if self._task is not None:
            self._task.begin_test()

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss``, the metrics, and what the task counts.

        Returns:
            ``outputs`` and ``target`` of texts. Nothing for words: those of a sentence depend on each other, and an
            interval from single ones would be too narrow.
        """
        inputs, target = batch
        outputs = self(inputs)
        if self._test_counts is not None:
            self._test_counts.update(outputs, target)
            self.task.observe(outputs, target)
        self._log_evaluation(outputs, target, "test", self.test_metrics)
        return {} if self.of_words else {"outputs": outputs, "target": target}

    def on_test_epoch_end(self) -> None:
        """Put together what every process counted."""
        if self._test_counts and self._task is not None:
            found = self._task.finish_test(self._test_counts.compute())
            self.log_dict({f"test/{name}": value for name, value in found.items()})
        self._test_counts = None

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """One batch of tokens to the columns of a table."""
        inputs = batch[0] if isinstance(batch, list | tuple) else batch
        return self.task.predict(self(inputs))

    def figures(self) -> Mapping[str, Figure]:
        """What the task draws after the last test."""
        return {} if self._task is None else self._task.figures()

    def answers_figures(self, outputs: Tensor, target: Tensor) -> Mapping[str, Figure]:
        """What the task draws from the answer to every text of the test."""
        return self._task.answers_figures(outputs, target) if isinstance(self._task, Classification) else {}

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """What the task says of each sentence of the test; of a text its class is enough."""
        return self._task.scored_samples() if isinstance(self._task, TokenClassification) else None

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What the task writes down after the last test."""
        if self._task is None:
            return {}
        texts = getattr(getattr(self._trainer, "datamodule", None), "texts", {})
        test = texts.get("test") if isinstance(texts, Mapping) else None
        return self._task.tables(getattr(test, "texts", ()))
