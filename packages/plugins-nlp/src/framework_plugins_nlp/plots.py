"""The images of a text classifier. Legible on a light and on a dark page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from framework_core.tracking.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 15


def reliability(confidence: Tensor, right: Tensor) -> Figure:
    """How often an answer was right, by how sure the model was.

    Args:
        confidence: The probability of each answer.
        right: Whether it was right.
    """
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    counts = bins.bincount(minlength=BINS).clamp(min=1)
    shares = bins.bincount(weights=right.double(), minlength=BINS) / counts
    texts = bins.bincount(minlength=BINS)
    figure = new_figure(5.5, 4.5)
    axes = figure.add_subplot()
    middles = [(index + 0.5) / BINS for index in range(BINS)]
    filled = [index for index in range(BINS) if texts[index]]
    axes.bar(
        [middles[index] for index in filled],
        [float(shares[index]) for index in filled],
        width=0.9 / BINS,
        color="tab:blue",
        alpha=0.7,
        label="right",
    )
    axes.plot([0, 1], [0, 1], color="0.4", linewidth=1, linestyle="--", label="as sure as right")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of the answer", ylabel="share of right answers")
    axes.set_title("Calibration")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    return figure
