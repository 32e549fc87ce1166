"""The base class of models for time series."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor
from torchmetrics import Metric, MetricCollection

from framework_core import BaseModel, DataSpec
from framework_core.contracts import ModelContract, Processing, ScoredSamples
from framework_core.errors import ContractError
from framework_plugins_timeseries.heads import head_for
from framework_plugins_timeseries.instance_norm import InstanceNorm
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.series_embedding import SeriesEmbedding
from framework_plugins_timeseries.tasks.anomaly_detection import AnomalyDetection
from framework_plugins_timeseries.tasks.forecasting import Forecasting
from framework_plugins_timeseries.windows import Window, Windows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_log = logging.getLogger("framework_core")


class BaseTimeSeriesModel(BaseModel):
    """Forecasts series: from a look-back to a horizon, for each target. Of data with anomalies it scores its errors.

    A subclass gives ``_build_model``: a network that takes a ``Window`` and returns ``(batch, horizon, targets, P)``,
    where ``P`` is ``self.head.numbers``. ``self.layout`` says how long and wide windows are. Losses, metrics,
    intervals, baselines and plots are here.

    Args:
        loss: ``mse``, ``mae``, ``huber``; ``quantile``; the likelihoods ``normal`` and ``student_t``.
        quantiles: With ``loss="quantile"``, the levels that are learned, 0.5 among them.
        huber_delta: With ``loss="huber"``, the error up to which it is a square.
        level: The share of values that an interval is to hold.
        normalize: What is taken off each window and put back: ``none``, ``last`` (the last value), ``standard``
            (mean and standard deviation, as RevIN) or ``size`` (divided by the mean size).
        affine: With ``normalize="standard"``, whether scale and shift are learned behind it.
        data: What the model is trained on.
    """

    domain: ClassVar[str] = "timeseries"
    tasks: ClassVar[tuple[str, ...]] = (Forecasting.name, AnomalyDetection.name)
    covariates: ClassVar[tuple[str, ...]] = ()
    """The kinds of covariates that the network uses: ``past``, ``future``, ``static``."""

    reconstructs: ClassVar[bool] = False
    """Whether it gives the steps of its window again, in place of those that follow."""

    def __init__(
        self,
        *,
        loss: str = "mse",
        quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
        huber_delta: float = 1.0,
        level: float = 0.9,
        normalize: str = "none",
        affine: bool = False,
        data: DataSpec | None = None,
    ) -> None:
        super().__init__(data=data)
        self.head = head_for(loss, quantiles=quantiles, huber_delta=huber_delta)
        self.level = level
        self.task: Forecasting | AnomalyDetection | None = None
        self.normalization: InstanceNorm | None = None
        self._series = len(data.facts.get("series", ())) if data is not None else 0  # type: ignore[arg-type]
        if data is not None:
            self.layout = Layout.of(data)
            self._check_targets()
            of = AnomalyDetection if data.task == AnomalyDetection.name else Forecasting
            self.task = of(data, self.head, level)
            if normalize != "none":
                self.normalization = InstanceNorm(normalize, len(self.layout.targets), affine=affine)
            self._say_unused()

    @property
    def contract(self) -> ModelContract:
        """Any layout."""
        return ModelContract(tasks=self.tasks)

    @property
    def learned(self) -> Forecasting | AnomalyDetection:
        """What is learned.

        Raises:
            ContractError: The model was created without data.
        """
        if self.task is None:
            raise ContractError(
                f"{type(self).__name__} was created without data", ["it needs to know what it is trained on"]
            )
        return self.task

    def series_vectors(self, size: int) -> SeriesEmbedding | None:
        """A vector to be learned of each series; none where there is one series, or ``size`` is 0."""
        return SeriesEmbedding(self._series, size) if size and self.layout.tells_series else None

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, rows, columns)`` to ``(batch, horizon, targets, numbers)``."""
        window = Window.of(x, self.layout)
        if self.normalization is None:
            outputs: Tensor = self.model(window)
            return outputs
        past, shift, scale = self.normalization(window.past)
        return self.head.restore(self.model(replace(window, past=past)), shift, scale)

    def postprocessing(self) -> Processing | None:
        """That of the task, with what it learned of errors."""
        return None if self.task is None else self.task.postprocessing()

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """The head's loss."""
        return self.head.loss(outputs, target)

    def _setup_metrics(self) -> Metric | MetricCollection | Mapping[str, Metric]:
        """Errors on the scale that the model sees."""
        return {} if self.task is None else self.task.metrics()

    def _log_evaluation(self, outputs: Any, target: Tensor, split: str, metrics: MetricCollection) -> None:
        loss = self.loss(outputs, target)
        self.log(f"{split}/loss", loss, on_epoch=True, on_step=False, sync_dist=True, batch_size=len(target))
        metrics.update(self.head.point(outputs), target)
        self.log_dict(metrics, on_epoch=True, on_step=False)

    def on_validation_epoch_start(self) -> None:
        """Forget the errors of the epoch before."""
        self.learned.begin_validation(self._windows("val"))

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """One batch to ``val/loss`` and the metrics; its errors make the intervals."""
        found = self._evaluate(batch, "val", self.val_metrics)
        self.learned.see_validation(found["outputs"], found["target"])

    def on_validation_epoch_end(self) -> None:
        """Intervals from the errors that were seen, except where Lightning only tried the loop."""
        if not self.trainer.sanity_checking:
            self.learned.end_validation()

    def on_test_start(self) -> None:
        """Count anew, and fit the linear baseline."""
        self.learned.begin_test(self._windows("test"), self._windows("train"))

    def test_step(self, batch: Any, batch_idx: int) -> Mapping[str, Any]:
        """One batch to ``test/loss`` and every metric, of the model and the baselines.

        Returns:
            Nothing: windows overlap, and an interval of a metric from samples drawn one by one would be too narrow.
        """
        found = self._evaluate(batch, "test", self.test_metrics)
        self.learned.see_test(batch[0], found["outputs"], found["target"])
        return {}

    def on_test_epoch_end(self) -> None:
        """Log what the task has found."""
        self.log_dict({f"test/{name}": value for name, value in self.learned.end_test().items()})

    def predict_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """The forecast and its interval; or where targets are there to compare with, scores."""
        inputs, target = batch if isinstance(batch, list | tuple) else (batch, None)
        return self.learned.predict(self(inputs), target)

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """What the task says of each window of the test, or of each step."""
        return None if self.task is None else self.task.scored_samples()

    def figures(self) -> Mapping[str, Figure]:
        """Forecasts, and the error by step."""
        return {} if self.task is None else self.task.figures()

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Errors by series and by step."""
        return {} if self.task is None else self.task.tables()

    def _windows(self, split: str) -> Windows | None:
        windows = getattr(getattr(self.trainer, "datamodule", None), f"{split}_dataset", None)
        return windows if isinstance(windows, Windows) else None

    def _check_targets(self) -> None:
        if self.layout.reconstructs != self.reconstructs:
            own, next_ones = "their own steps", "the steps that follow"
            has, wants = (own, next_ones) if self.layout.reconstructs else (next_ones, own)
            raise ContractError(
                f"{type(self).__name__} and this data do not fit",
                [f"the targets of its windows are {has}, the model gives {wants}"],
                next_step="Leave dataset.reconstructs out: it takes what the model does. "
                "Of data to forecast there is nothing to reconstruct.",
            )

    def _say_unused(self) -> None:
        given = {"past": self.layout.past, "future": self.layout.future}
        given["static"] = self.layout.static[: self.layout.named_static]
        names = [name for kind, columns in given.items() if kind not in self.covariates for name in columns]
        if names:
            _log.warning("data      %s: %s does not use such covariates", ", ".join(names), type(self).__name__)
