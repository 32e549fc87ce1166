"""How far the probabilities of a test can be believed, and what every threshold would give.

Legible on a light and on a dark page.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    binary_precision_recall_curve,
    binary_roc,
)

from framework_core.tracking.plots import new_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 15
MOST_CLASSES = 8
"""With more, those are drawn that are told apart worst."""

MOST_POINTS = 2000
"""Points of a curve at most; an image shows no more."""

ALL = "all together"


def of_one_class(probabilities: Tensor, target: Tensor, names: Sequence[str]) -> dict[str, Figure]:
    """The figures of a test where each sample has one class.

    Args:
        probabilities: ``(samples, classes)``.
        target: ``(samples,)``, indices of classes.
        names: The name of each class.
    """
    confidence, label = probabilities.max(dim=1)
    there = functional.one_hot(target, len(names))
    if len(names) == 2:  # the curves of the other class tell the same
        probabilities, there, names = probabilities[:, 1:], there[:, 1:], names[1:]
    return {"calibration": reliability(confidence, label == target), **_curves(probabilities, there, names)}


def of_several_labels(probabilities: Tensor, target: Tensor, names: Sequence[str]) -> dict[str, Figure]:
    """The figures of a test where each sample has any number of labels.

    Args:
        probabilities: ``(samples, labels)``.
        target: The same; 1 where the label is there.
        names: The name of each label.
    """
    there = (target > 0.5).long()
    confidence = torch.maximum(probabilities, 1 - probabilities).flatten()
    right = ((probabilities >= 0.5) == (there > 0)).flatten()
    return {"calibration": reliability(confidence, right), **_curves(probabilities, there, names)}


def reliability(confidence: Tensor, right: Tensor) -> Figure:
    """How often an answer was right, by how sure the model was.

    Reliability diagram (Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 2).

    Args:
        confidence: ``(answers,)``, the probability of each.
        right: ``(answers,)``, whether it was right.
    """
    bins = (confidence * BINS).long().clamp(min=0, max=BINS - 1)
    counts = bins.bincount(minlength=BINS)
    shares = bins.bincount(weights=right.double(), minlength=BINS) / counts.clamp(min=1)
    filled = [index for index in range(BINS) if counts[index]]
    figure = new_figure(5.5, 4.5)
    axes = figure.add_subplot()
    axes.bar(
        [(index + 0.5) / BINS for index in filled],
        [float(shares[index]) for index in filled],
        width=0.9 / BINS,
        color="tab:blue",
        alpha=0.7,
        label="right",
    )
    axes.plot([0, 1], [0, 1], color="0.4", linewidth=1, linestyle="--", label="as sure as right")
    _finish(axes, "Calibration", "probability of the answer", "share of right answers")
    axes.set(xlim=(0, 1))
    return figure


def _curves(probabilities: Tensor, there: Tensor, names: Sequence[str]) -> dict[str, Figure]:
    """Each class against all others, and every question together; classes that no sample has are left out.

    Area under precision and recall as average precision, the sum without interpolation.
    """
    asked = [index for index in range(len(names)) if 0 < int(there[:, index].sum()) < len(there)]
    if not asked:
        return {}
    ranked = {index: float(binary_average_precision(probabilities[:, index], there[:, index])) for index in asked}
    worst = sorted(asked, key=ranked.__getitem__)[:MOST_CLASSES]
    lines = {names[index]: (probabilities[:, index], there[:, index]) for index in sorted(worst)}
    if len(names) > 1:
        lines[ALL] = (probabilities.flatten(), there.flatten())
    return {"precision_recall": _precision_recall(lines, len(asked)), "roc": _roc(lines, len(asked))}


Lines = dict[str, tuple[Tensor, Tensor]]


def _precision_recall(lines: Lines, classes: int) -> Figure:
    def points(scores: Tensor, there: Tensor) -> tuple[Tensor, Tensor, float]:
        precision, recall, _ = binary_precision_recall_curve(scores, there)
        return recall, precision, float(binary_average_precision(scores, there))

    figure = new_figure(5.5, 4.5)
    axes = figure.add_subplot()
    _draw(axes, lines, points, "AP")
    _finish(axes, _titled("Precision and recall", lines, classes), "recall", "precision")
    return figure


def _roc(lines: Lines, classes: int) -> Figure:
    def points(scores: Tensor, there: Tensor) -> tuple[Tensor, Tensor, float]:
        false, true, _ = binary_roc(scores, there)
        return false, true, float(binary_auroc(scores, there))

    figure = new_figure(5.5, 4.5)
    axes = figure.add_subplot()
    _draw(axes, lines, points, "AUC")
    axes.plot([0, 1], [0, 1], color="0.4", linewidth=1, linestyle="--", label="chance")
    _finish(axes, _titled("ROC", lines, classes), "false positive rate", "true positive rate")
    return figure


def _draw(
    axes: Axes, lines: Lines, points: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, float]], area: str
) -> None:
    for name, (scores, there) in lines.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x, y, found = points(scores, there)
        kept = _kept(len(x))
        style: dict[str, Any] = {"color": "black", "linewidth": 1.8} if name == ALL else {"linewidth": 1.2}
        axes.plot(x[kept].tolist(), y[kept].tolist(), label=f"{name}, {area} {found:.3f}", **style)


def _kept(points: int) -> Tensor:
    return torch.linspace(0, points - 1, min(points, MOST_POINTS)).long()


def _titled(title: str, lines: Lines, classes: int) -> str:
    drawn = len(lines) - (ALL in lines)
    return title if drawn == classes else f"{title}: the {drawn} worst of {classes} classes"


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.02), xlabel=x, ylabel=y, title=title)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
