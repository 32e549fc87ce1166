"""Which steps are unusual, by how far they are from what a model makes of the others.

Axes: B windows, H steps of a window that are scored, C targets, R rows of the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from framework_core import DataSpec
from framework_core.contracts import Processing, SampleScore, ScoredSamples
from framework_core.errors import ContractError
from framework_plugins_timeseries.anomaly_scores import (
    Interval,
    StepErrors,
    against_labels,
    average_precision,
    by_target,
    intervals,
    off_from_before,
)
from framework_plugins_timeseries.forecast_errors import PointError
from framework_plugins_timeseries.forecast_numbers import ForecastNumbers
from framework_plugins_timeseries.heads import Head
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.scored_series import squared_errors
from framework_plugins_timeseries.scored_windows import ScoredWindows, rows_of_batch
from framework_plugins_timeseries.stretches import stretches
from framework_plugins_timeseries.windows import Windows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE_ROWS = 10_000
"""Intervals of a table of the report at most; those with the highest scores are kept."""


class AnomalyDetection(nn.Module):
    """Scores steps by the errors of a model, and flags those above a threshold.

    The error of each target is standardised by mean and deviation on the validation windows, squared, and averaged over
    targets and over the windows that a step lies in: the score of Malhotra et al., https://arxiv.org/abs/1607.00148,
    section 2, with a covariance that is diagonal. The threshold is a quantile of the scores of validation
    steps. Mean, deviation and threshold are part of the weights.

    Args:
        data: What the data turned out to be.
        head: What the network's numbers mean.
        level: Taken as by forecasting, and not used: a score has no interval.
    """

    name = "anomaly-detection"
    monitor: ClassVar[tuple[str, Literal["min", "max"]]] = ("val/loss", "min")
    middle: Tensor
    spread: Tensor
    threshold: Tensor

    def __init__(self, data: DataSpec, head: Head, level: float) -> None:
        super().__init__()
        self.layout = Layout.of(data)
        self.head = head
        facts: Mapping[str, Any] = data.facts
        self.quantile = float(facts["threshold_quantile"])
        self.season = int(facts["season"])
        targets = len(self.layout.targets)
        self.register_buffer("middle", torch.zeros(targets, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(targets, dtype=torch.float64))
        self.register_buffer("threshold", torch.tensor(torch.inf, dtype=torch.float64))
        self._windows: ScoredWindows | None = None
        self._errors: StepErrors | None = None
        self._seen = 0
        self._scores = np.zeros(0)
        self._rows = np.zeros(0, dtype=np.int64)
        self._flags = np.zeros(0, dtype=np.bool_)
        self._found: list[Interval] = []
        self._most: list[str] = []

    def metrics(self) -> Mapping[str, Metric]:
        """Errors on the scale that models see."""
        return {"mse": PointError(squared=True), "mae": PointError(squared=False)}

    def begin_validation(self, windows: Windows | None) -> None:
        """Forget the errors that were seen."""
        self._begin(windows)

    def see_validation(self, outputs: Tensor, target: Tensor) -> None:
        """Remember how far off a batch was."""
        self._see(outputs, target)

    def end_validation(self) -> None:
        """Take mean and deviation of the errors, and the threshold."""
        if self._errors is None or not self._seen:
            return
        found = self._errors.compute()
        weights = found["count"][:, None] / found["count"].sum()
        middle = (found["first"] * weights).sum(dim=0)
        spread = ((found["second"] * weights).sum(dim=0) - middle.square()).clamp(min=0).sqrt()
        self.middle.copy_(middle)
        # Errors that never differ have no scale of their own.
        self.spread.copy_(torch.where(spread > 1e-12, spread, 1.0))
        scores = by_target(found, self.middle, self.spread).mean(dim=1)[found["count"] > 0]
        self.threshold.copy_(torch.quantile(scores, self.quantile) if len(scores) else self.threshold)

    def begin_test(self, windows: Windows | None, training: Windows | None) -> None:
        """Count anew."""
        self._begin(windows)

    def see_test(self, inputs: Tensor, outputs: Tensor, target: Tensor) -> None:
        """Remember how far off a batch was."""
        self._see(outputs, target)

    def end_test(self) -> dict[str, Tensor]:
        """The share of steps that are flagged, the intervals; and where there are labels, how right that is."""
        if self._errors is None or self._windows is None:
            return {}
        found = self._errors.compute()
        each = by_target(found, self.middle, self.spread).cpu().numpy()
        self._rows = np.flatnonzero(found["count"].cpu().numpy() > 0)
        self._scores = each.mean(axis=1)[self._rows]
        flags = self._flags = self._scores > float(self.threshold)
        series = self._windows.series_at(self._rows)
        self._found = intervals(self._rows, series, self._scores, flags)
        self._most = [self.layout.targets[int(each[one.peak].argmax())] for one in self._found]
        named = {"flagged": float(flags.mean()) if len(flags) else 0.0, "intervals": float(len(self._found))}
        named["threshold"] = float(self.threshold)
        if self._windows.labels is not None:
            named |= against_labels(self._scores, flags, self._windows.labels[self._rows])
            named |= self._without_a_model(self._windows, self._windows.labels)
        return {name: torch.tensor(value) for name, value in named.items()}

    def scored_samples(self) -> ScoredSamples | None:
        """Of each step F1 of flags, which it weighs by being labelled and being flagged; and whether it is flagged.

        Where nobody has labelled anything, it is only said which steps are flagged.
        """
        if self._windows is None or not len(self._rows):
            return None
        flagged = self._flags.astype(float)
        scores = {"flagged": SampleScore(values=flagged.tolist(), less_is_better=True)}
        truth: list[Any] = [self._windows.place(row) for row in self._rows.tolist()]
        if self._windows.labels is not None:
            labels = self._windows.labels[self._rows].astype(float)
            weights = flagged + labels
            values = 2 * flagged * labels / np.maximum(weights, 1)
            scores = {"f1": SampleScore(values=values.tolist(), weights=weights.tolist()), **scores}
            truth = list(zip(truth, labels.tolist(), strict=True))
        series = self._windows.series_at(self._rows)
        names = [each.name for each in self._windows.series]
        return ScoredSamples(
            truth=truth,
            scores=scores,
            groups={"series": [names[number] for number in series.tolist()]} if len(names) > 1 else {},
            times={"time": self._windows.times(self._rows)},
            clusters=stretches(series, self.layout.horizon),
            answers=[
                {"score": score, "threshold": float(self.threshold), "anomaly": flag}
                for score, flag in zip(self._scores.tolist(), self._flags.tolist(), strict=True)
            ],
        )

    def predict(self, outputs: Tensor, target: Tensor | None) -> dict[str, Any]:
        """The squared standardised error of every step and target, and the threshold.

        Raises:
            ContractError: There is no target to compare with.
        """
        if target is None:
            raise ContractError("Nothing can be scored", ["a score compares a step with what the model makes of it"])
        said = ForecastNumbers(**self.head.reading()).point(outputs.detach().float().cpu().numpy())
        middle, spread = self.middle.cpu().numpy(), self.spread.cpu().numpy()
        scores = squared_errors(target.float().cpu().numpy(), said, middle, spread)
        return {"scores": torch.from_numpy(scores), "threshold": float(self.threshold)}

    def postprocessing(self) -> Processing:
        """What the model makes of steps and what was learned of its errors, without torch."""
        threshold = float(self.threshold)
        settings = {
            **self.head.reading(),
            "middle": self.middle.tolist(),
            "spread": self.spread.tolist(),
            "threshold": threshold if math.isfinite(threshold) else None,
        }
        return Processing(builder="framework_plugins_timeseries.serving_scores:ScoreAnswers", settings=settings)

    def figures(self) -> dict[str, Figure]:
        """The scores of the last test, with the threshold, what is flagged and what is labelled."""
        from framework_plugins_timeseries.plots import anomaly_scores

        if self._windows is None or not len(self._rows):
            return {}
        labels = self._windows.labels
        labelled = None if labels is None else labels[self._rows]
        truth = self._windows.table[torch.from_numpy(self._rows), : len(self.layout.targets)].numpy()
        return {"scores": anomaly_scores(truth, self._scores, float(self.threshold), labelled, self.layout.targets)}

    def tables(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """The intervals of the last test, the highest score first."""
        if self._windows is None or not len(self._rows):
            return {}
        order = sorted(range(len(self._found)), key=lambda index: -self._found[index].score)[:TABLE_ROWS]
        return {"intervals": [self._row(self._windows, self._found[index], self._most[index]) for index in order]}

    def _row(self, windows: ScoredWindows, one: Interval, most: str) -> dict[str, Any]:
        name, begin = windows.place(one.begin)
        row: dict[str, Any] = {"series": name, "begin": begin, "end": windows.place(one.end)[1]}
        row |= {"steps": one.end - one.begin + 1, "peak": windows.place(one.peak)[1], "score": one.score}
        row |= {"target": most}
        if windows.labels is not None:
            row["labelled"] = int(windows.labels[one.begin : one.end + 1].sum())
        return row

    def _without_a_model(self, windows: ScoredWindows, labels: Any) -> dict[str, float]:
        """What the change from the step before says, and from the season before: a model has to be better."""
        targets = windows.table[:, : len(self.layout.targets)].double().numpy()
        series = windows.series_at(np.arange(len(targets)))
        ways = {"naive": 1} | ({"seasonal_naive": self.season} if 1 < self.season < len(targets) else {})
        return {
            f"{name}/auc_pr": average_precision(off_from_before(targets, series, steps)[self._rows], labels[self._rows])
            for name, steps in ways.items()
        }

    def _begin(self, windows: Windows | None) -> None:
        self._seen = 0
        self._windows = windows if isinstance(windows, ScoredWindows) else None
        if self._windows is not None:
            rows = len(self._windows.table)
            self._errors = StepErrors(rows, len(self.layout.targets)).to(self.middle.device)

    def _see(self, outputs: Tensor, target: Tensor) -> None:
        if self._errors is None or self._windows is None:
            return
        rank, world = 0, 1
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        begins = rows_of_batch(self._windows, self._seen, len(target), rank=rank, world=world)
        self._seen += len(target)
        self._errors.update(begins.to(target.device), target - self.head.point(outputs))
