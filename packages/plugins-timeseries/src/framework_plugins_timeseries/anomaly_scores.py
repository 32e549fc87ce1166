"""How far off each step is, which steps are flagged, and how that compares with labels.

Axes: B windows, H steps of a window that are scored, C targets, R rows of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchmetrics import Metric

Scores = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class StepErrors(Metric):
    """Sums of errors and their squares for every row and target; a step that lies in several windows has several.

    Args:
        rows: How many rows the table has.
        targets: How many targets there are.
    """

    first: Tensor
    second: Tensor
    count: Tensor

    def __init__(self, rows: int, targets: int) -> None:
        super().__init__()
        self.add_state("first", torch.zeros(rows, targets, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("second", torch.zeros(rows, targets, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(rows, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, begins: Tensor, errors: Tensor) -> None:
        """Add a batch.

        Args:
            begins: The row of each window's first scored step, ``(B,)``.
            errors: ``(B, H, C)``.
        """
        steps = torch.arange(errors.shape[1], device=begins.device)
        rows = (begins[:, None] + steps).flatten()
        flat = errors.detach().double().flatten(0, 1)
        self.first.index_add_(0, rows, flat)
        self.second.index_add_(0, rows, flat.square())
        self.count.index_add_(0, rows, torch.ones_like(rows, dtype=torch.float64))

    def compute(self) -> dict[str, Tensor]:
        """``first`` and ``second`` moments by row, ``(R, C)``, and ``count``, ``(R,)``; zero where there is none."""
        count = self.count.clamp(min=1)[:, None]
        return {"first": self.first / count, "second": self.second / count, "count": self.count}


def by_target(found: dict[str, Tensor], middle: Tensor, spread: Tensor) -> Tensor:
    """The mean over windows of each row's squared standardised error, ``(R, C)``."""
    return (found["second"] - 2 * middle * found["first"] + middle.square()) / spread.square()


@dataclass(frozen=True)
class Interval:
    """Neighbouring steps that are flagged.

    Args:
        begin: The first row.
        end: The last row.
        peak: The row with the highest score.
        score: That score.
    """

    begin: int
    end: int
    peak: int
    score: float


def intervals(
    rows: npt.NDArray[np.int64], series: npt.NDArray[np.int64], scores: Scores, flags: Flags
) -> list[Interval]:
    """The stretches of flagged rows; a new one begins where a row is missing or a series begins.

    Args:
        rows: The rows that are scored, rising.
        series: The number of each one's series.
        scores: Their scores.
        flags: Which are flagged.
    """
    chosen = np.flatnonzero(flags)
    if not len(chosen):
        return []
    apart = (np.diff(rows[chosen]) > 1) | (np.diff(series[chosen]) != 0)
    found = []
    for part in np.split(chosen, np.flatnonzero(apart) + 1):
        peak = part[scores[part].argmax()]
        found.append(Interval(int(rows[part[0]]), int(rows[part[-1]]), int(rows[peak]), float(scores[peak])))
    return found


def against_labels(scores: Scores, flags: Flags, labels: Flags) -> dict[str, float]:
    """Precision, recall and F1 of flags, and the area under precision and recall of scores, step by step.

    A step counts for itself. Nothing is adjusted: counting a whole labelled stretch as found because of one of its
    steps gives random scores a high F1 (Kim et al., Towards a Rigorous Evaluation of Time-series Anomaly Detection,
    https://arxiv.org/abs/2109.05257, section 3).
    """
    right = int((flags & labels).sum())
    precision = right / int(flags.sum()) if flags.any() else 0.0
    recall = right / int(labels.sum()) if labels.any() else 0.0
    f1 = 2 * right / (int(flags.sum()) + int(labels.sum())) if flags.any() or labels.any() else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "auc_pr": average_precision(scores, labels)}


def average_precision(scores: Scores, labels: Flags) -> float:
    """The sum of precision times the gain in recall, from the highest score down; equal scores count at once."""
    if not labels.any():
        return 0.0
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    right = np.cumsum(labels[order])[last]
    precision = right / (last + 1)
    gains = np.diff(right, prepend=0) / labels.sum()
    return float((precision * gains).sum())


def off_from_before(targets: Scores, series: npt.NDArray[np.int64], steps: int) -> Scores:
    """How far each row is from that ``steps`` before, of the same series: a score that needs no model.

    Args:
        targets: All rows of the table, ``(R, C)``.
        series: The number of each one's series.
        steps: How far back.
    """
    away = np.zeros_like(targets)
    away[steps:] = targets[steps:] - targets[:-steps]
    away[steps:][series[steps:] != series[:-steps]] = 0.0
    away[:steps] = 0.0
    spread = away.std(axis=0)
    standardised: Sequence[float] = ((away / np.where(spread > 0, spread, 1.0)) ** 2).mean(axis=1)
    return np.asarray(standardised)
