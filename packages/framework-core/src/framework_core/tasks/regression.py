"""Numbers for each sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score
from torchmetrics.utilities import dim_zero_cat

from framework_core.contracts.processing import Processing
from framework_core.contracts.scores import SampleScore, ScoredSamples
from framework_core.tasks.task import MOST_PARTS, Task, as_floats, metric_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Regression(Task):
    """Outputs are one number a target, in the order of ``target_names``."""

    losses = ("mse", "l1", "huber")
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("val/mae", "min")
    min_classes: ClassVar[int] = 0
    used_with: ClassVar[Mapping[str, tuple[str, ...]]] = {"huber_delta": ("huber",)}
    _seen: tuple[Tensor, Tensor] | None = None

    def loss(self, outputs: Tensor, target: Tensor, *, training: bool) -> Tensor:
        """The mean of squares, of absolute errors, or of squares up to an error and absolute errors beyond."""
        target = target.to(outputs.dtype).view_as(outputs)
        if self.loss_name == "l1":
            return functional.l1_loss(outputs, target)
        if self.loss_name == "huber":
            return functional.huber_loss(outputs, target, delta=self.objective.huber_delta)
        return functional.mse_loss(outputs, target)

    def expected_loss(self, target: Tensor | None = None) -> float | None:
        """That of zeros, which is where a network begins; nothing where all targets are zero."""
        if target is None or not bool(target.any()):
            return None
        numbers = target.float()
        return float(self.loss(torch.zeros_like(numbers), numbers, training=False))

    def metrics(self) -> Mapping[str, Metric]:
        """Mean absolute error, root of the mean square, and the share of the variance that is explained."""
        return {
            "mae": _shaped(MeanAbsoluteError)(),
            "rmse": _shaped(MeanSquaredError)(squared=False),
            "r2": _Explained(),
        }

    def test_metrics(self) -> Mapping[str, Metric]:
        """Every prediction beside its target."""
        return {"pairs": _Pairs()}

    def finish_test(self, counted: Mapping[str, Any]) -> Mapping[str, float]:
        """The mean absolute error of each target, where there is more than one."""
        predicted, target = counted["pairs"]
        self._seen = (predicted.cpu(), target.cpu())
        if len(self.data.target_names) < 2:
            return {}
        errors = as_floats((predicted - target).abs().mean(dim=0))
        return {f"mae/{metric_name(name)}": error for name, error in zip(self.data.target_names, errors, strict=True)}

    def postprocessing(self) -> Processing:
        """The same columns, without torch."""
        settings = {"target_names": list(self.data.target_names)}
        return Processing(builder="framework_core.serving.answers:NumberAnswers", settings=settings)

    def scored_samples(self, outputs: Tensor | None, target: Tensor | None) -> ScoredSamples | None:
        """The absolute error of each sample, of the mean of its targets and of each."""
        if outputs is None or target is None:
            return None
        errors = (outputs.float() - target.float().view_as(outputs)).abs()
        names = self.data.target_names
        each = {
            name: SampleScore(values=as_floats(column), less_is_better=True)
            for name, column in zip(names, errors.unbind(dim=1), strict=True)
        }
        parts = {"target": each} if 1 < len(each) <= MOST_PARTS else {}
        mae = SampleScore(values=as_floats(errors.mean(dim=1)), less_is_better=True, parts=parts)
        return ScoredSamples(truth=target.tolist(), scores={"mae": mae})

    def predict(self, outputs: Tensor) -> dict[str, Any]:
        """A column for each target."""
        return dict(zip(self.data.target_names, outputs.float().unbind(dim=1), strict=True))

    def captions(self, outputs: Tensor, target: Tensor) -> list[str]:
        """The true numbers and those that were said."""
        true, said = target.float().view_as(outputs), outputs.float()
        return [
            f"true {_listed(right)}\npredicted {_listed(given)}"
            for right, given in zip(true.tolist(), said.tolist(), strict=True)
        ]

    def figures(self) -> dict[str, Figure]:
        """Predictions of the last test by their targets."""
        from framework_core.tracking.plots import predicted_by_true

        if self._seen is None:
            return {}
        return {"predicted_by_true": predicted_by_true(*self._seen, self.data.target_names)}


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def _shaped(metric: type[Metric]) -> type[Metric]:
    """A metric that takes targets of one number with or without an axis for it."""

    class Shaped(metric):  # type: ignore[misc, valid-type]
        def update(self, preds: Tensor, target: Tensor) -> None:
            super().update(preds.float().contiguous(), target.float().view_as(preds))

    Shaped.__name__ = metric.__name__
    return Shaped


class _Explained(R2Score):
    """R2 over all targets; of less than two samples there is none."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        flat = preds.float().squeeze(1) if preds.shape[1] == 1 else preds.float()
        super().update(flat, target.float().view_as(flat))

    def compute(self) -> Tensor:
        if int(self.total) < 2:
            return torch.tensor(float("nan"))
        found: Tensor = super().compute()
        return found


class _Pairs(Metric):
    """Predictions and targets, put together over batches and processes."""

    predicted: list[Tensor]
    target: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("predicted", default=[], dist_reduce_fx="cat")
        self.add_state("target", default=[], dist_reduce_fx="cat")

    def update(self, preds: Tensor, target: Tensor) -> None:
        self.predicted.append(preds.float())
        self.target.append(target.float().view_as(preds))

    def compute(self) -> tuple[Tensor, Tensor]:
        return dim_zero_cat(self.predicted), dim_zero_cat(self.target)
