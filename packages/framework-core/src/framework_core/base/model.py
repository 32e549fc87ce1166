"""The base class of models: a LightningModule that knows its data and how supervised learning goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from framework_core.contracts.checks import ModelContract
from framework_core.contracts.data import DataSpec
from framework_core.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.figure import Figure
    from torch.utils.data import Dataset

    from framework_core.contracts.config import ComponentConfig
    from framework_core.contracts.processing import Processing
    from framework_core.contracts.scores import ScoredSamples

PARTS = 1_000_000
"""In how many parts of one a weight is counted, as batches are weighed by whole numbers."""


class _BuildsAfterInit(type):
    """Builds the network when every ``__init__`` has run, so a subclass may set what ``_build_model`` reads."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        module = super().__call__(*args, **kwargs)
        module._construct()
        return module


class BaseModel(LightningModule, metaclass=_BuildsAfterInit):
    """A model that learns targets from inputs. A batch is a pair: inputs and targets, the batch axis first.

    A subclass gives the network in ``_build_model`` and a ``loss``; the rest has a default. Its own settings are
    the parameters of its ``__init__``, which passes ``**kwargs`` on.

    Args:
        data: What the model is trained on.
    """

    domain: ClassVar[str] = ""
    """The domain it belongs to."""

    tasks: ClassVar[tuple[str, ...]] = ()
    """What it can be trained for; empty for anything."""

    loss_counts_all_processes: bool = False
    """Whether the loss is that of the samples of all processes, as ``shared_sum`` makes it.

    Else it is taken for a mean over the samples of its process, and weighed by how many those are."""

    takes_any_length: ClassVar[bool] = False
    """Whether inputs may be longer or shorter than those of the data, as a text is that is continued; for exports."""

    monitor: tuple[str, Literal["min", "max"]] = ("val/loss", "min")
    """The metric that tells which checkpoint is best, and whether less or more of it is better."""

    def __init__(self, *, data: DataSpec | None = None) -> None:
        super().__init__()
        self._data_spec = data
        self.optimization: Callable[[LightningModule], Any] | None = None

    def _construct(self) -> None:
        self.model = self._build_model()
        metrics = _collected(self._setup_metrics())
        self.val_metrics = metrics.clone(prefix="val/")
        self.test_metrics = metrics.clone(prefix="test/")

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning notes the running hook here some forty times a step; torch's own __setattr__, made for
        # parameters, takes ten times as long for it.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    @classmethod
    def config_class(cls) -> type[ComponentConfig]:
        """The settings: the parameters of ``__init__``."""
        from framework_core.contracts.signature import config_from_signature

        return config_from_signature(cls)

    @property
    def data(self) -> DataSpec:
        """What the model is trained on.

        Raises:
            ContractError: The model was created without it.
        """
        if self._data_spec is None:
            name = type(self).__name__
            raise ContractError(
                f"{name} was created without data",
                ["it needs to know what it is trained on"],
                next_step=f"Give it a DataSpec: {name}(data=DataSpec(task=..., input_shape=..., class_names=...))",
            )
        return self._data_spec

    @property
    def contract(self) -> ModelContract:
        """What the model asks of the data; checked before training."""
        return ModelContract(tasks=self.tasks)

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """What the model would have its data be, known before it is built; nothing by default.

        A setting of the dataset that has one of these names and is empty takes the value.

        Args:
            **settings: The model's settings.

        Returns:
            Settings of a dataset: ``{"image_size": 224}``.
        """
        return {}

    def parameter_layers(self) -> Sequence[Sequence[str]]:
        """The names of the parameters by layer, from the input to the head; fine-tuning goes by it.

        Returns:
            Names as in ``named_parameters``; nothing where the model does not say.
        """
        return ()

    def enable_gradient_checkpointing(self) -> None:
        """Compute activations again in the backward pass in place of keeping them.

        Raises:
            ContractError: The model has no way to.
        """
        raise ContractError(
            f"{type(self).__name__} cannot compute activations again",
            ["it has no method enable_gradient_checkpointing of its own"],
            next_step="Leave performance.gradient_checkpointing out, or take a smaller dataset.batch_size.",
        )

    def _build_model(self) -> nn.Module:
        """The network. ``self.data`` and everything that ``__init__`` set is there.

        Raises:
            ContractError: A subclass has to give it.
        """
        raise _unwritten(self, "_build_model", "returns the network, a torch.nn.Module")

    def _setup_metrics(self) -> Metric | MetricCollection | Mapping[str, Metric]:
        """The metrics of validation and test, by name; none by default."""
        return {}

    def forward(self, x: Tensor) -> Any:
        """Inputs to outputs."""
        return self.model(x)

    def loss(self, outputs: Any, target: Tensor) -> Tensor:
        """What training makes small: a scalar tensor.

        Raises:
            ContractError: A subclass has to give it.
        """
        raise _unwritten(self, "loss", "takes outputs and targets and returns a scalar tensor")

    def probabilities(self, outputs: Any) -> Tensor | None:
        """The probability of each class, in the form of the outputs; nothing where it has no classes.

        An exported model gives them beside its outputs.
        """
        return None

    def postprocessing(self) -> Processing | None:
        """How a program without a training library makes of outputs what ``predict_step`` makes of them.

        Nothing where that is not written yet: an exported model gives bare outputs then.
        """
        return None

    def expected_loss(self, target: Tensor | None = None) -> float | None:
        """The loss of a model that has learned nothing yet; nothing where that cannot be said.

        Args:
            target: The targets that are looked at. A subclass whose expectation does not depend on them may leave the
                parameter out.
        """
        return None

    def loss_count(self, target: Tensor) -> float:
        """Of how many things the loss of a batch is the mean: by default of its samples.

        A subclass whose loss is a mean over tokens says how many a batch has, or what they weigh together, so that the
        loss of a validation or test is that of all tokens, whichever batches and processes they came in.
        """
        return len(target)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """One batch to its loss."""
        inputs, target = batch
        return self.loss(self(inputs), target)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """One batch to ``val/loss`` and the metrics."""
        self._evaluate(batch, "val", self.val_metrics)

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss`` and the metrics.

        Returns:
            ``outputs`` and ``target``: intervals of the metrics and the worst mistakes are told from them.
        """
        return self._evaluate(batch, "test", self.test_metrics)

    def _evaluate(self, batch: Any, split: str, metrics: MetricCollection) -> Mapping[str, Any]:
        inputs, target = batch
        outputs = self(inputs)
        self._log_evaluation(outputs, target, split, metrics)
        return {"outputs": outputs, "target": target}

    def _log_evaluation(self, outputs: Any, target: Tensor, split: str, metrics: MetricCollection) -> None:
        loss, count = self.loss(outputs, target), self.loss_count(target)
        size = count if isinstance(count, int) else round(count * PARTS)
        self.log(f"{split}/loss", loss, on_epoch=True, on_step=False, sync_dist=True, batch_size=size)
        metrics.update(outputs, target)
        self.log_dict(metrics, on_epoch=True, on_step=False)

    def predict_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch of inputs to the columns of a table: each a list or tensor with one entry a sample."""
        return {"output": self(batch)}

    def stream_predictions(self, dataset: Dataset[Any]) -> Iterator[str] | None:
        """Predictions as text that appears while it is made; nothing where they are no such text.

        ``fw predict`` prints it in place of a table. The model is on its device, and ready to predict.

        Args:
            dataset: What ``predict_dataset`` of the data gave.
        """
        return None

    def figures(self) -> Mapping[str, Figure]:
        """What to draw after the test, by name."""
        return {}

    def answers_figures(self, outputs: Tensor, target: Tensor) -> Mapping[str, Figure]:
        """What to draw after the test from the answer to every sample, by name; nothing by default.

        Args:
            outputs: What the model gave for each, the sample axis first.
            target: What was right.
        """
        return {}

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What to write down after the test, by name: rows of columns, each a CSV file of the report."""
        return {}

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """What the last test came to for each of its samples; nothing by default.

        ``fw slices`` measures parts of the test by it, and where two models differ; ``fw drift`` compares what is
        answered with what was. Where ``test_step`` returns ``outputs`` and ``target``, the loss of each sample is known
        without it, and with classes whether each is right. It is called after a test of one process, with the model on
        the processor.

        Args:
            outputs: What the model gave for each sample, the sample axis first; nothing where ``test_step`` returned
                none, or too many numbers to keep.
            target: What was right.
        """
        return None

    def mistakes_figure(self, inputs: Sequence[Tensor], outputs: Tensor, target: Tensor) -> Figure | None:
        """Draw the samples of the test with the highest loss; nothing by default.

        Args:
            inputs: Each as the dataset gives it, the highest loss first.
            outputs: What the model gave for each, the sample axis first.
            target: What was right.
        """
        return None

    def mistakes_files(self, inputs: Sequence[Tensor], outputs: Tensor, target: Tensor) -> Mapping[str, bytes]:
        """What a figure cannot show of the samples with the highest loss, as files; nothing by default.

        Args:
            inputs: Each as the dataset gives it, the highest loss first.
            outputs: What the model gave for each, the sample axis first.
            target: What was right.

        Returns:
            The content of each file, by its name.
        """
        return {}

    def configure_optimizers(self) -> Any:
        """The optimizer and scheduler that the run was configured with; AdamW outside a run."""
        if self.optimization is None:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)
        return self.optimization(self)


def _unwritten(model: BaseModel, method: str, promise: str) -> ContractError:
    name = type(model).__name__
    return ContractError(f"The model {name} is not complete", [f"it has no method {method}, which {promise}"])


def _collected(metrics: Metric | MetricCollection | Mapping[str, Metric]) -> MetricCollection:
    if isinstance(metrics, MetricCollection):
        return metrics
    if isinstance(metrics, Metric):
        return MetricCollection(metrics)
    return MetricCollection(dict(metrics))
