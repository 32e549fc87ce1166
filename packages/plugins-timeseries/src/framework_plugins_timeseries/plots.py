"""The images of a forecast. Legible on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import Tensor

from framework_core.tracking.plots import new_figure
from framework_plugins_timeseries.series import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HISTORY = 3
"""How many horizons of history are drawn before a forecast."""

DRAWN_TARGETS = 5
"""How many targets are drawn over their scores."""


def forecasts(examples: Sequence[Mapping[str, Tensor]], targets: Sequence[str], level: float) -> Figure:
    """Some windows of the test: what was behind, what came, the forecast and its interval.

    Args:
        examples: ``past``, ``target``, ``forecast``, ``low`` and ``high`` of each, ``(steps, targets)``.
        targets: The names of the targets; the windows take turns.
        level: What share of values the interval is to hold.
    """
    columns = min(2, len(examples))
    rows = -(-len(examples) // columns)
    figure = new_figure(6 * columns, 2.8 * rows)
    for index, example in enumerate(examples):
        axes = figure.add_subplot(rows, columns, index + 1)
        column = index % len(targets)
        _draw(axes, {name: values[:, column] for name, values in example.items()}, level)
        axes.set_title(targets[column], fontsize=9)
        if index == 0:
            axes.legend(fontsize=8)
    return figure


def _draw(axes: Axes, one: Mapping[str, Tensor], level: float) -> None:
    horizon = len(one["target"])
    past = one["past"][-HISTORY * horizon :]
    ahead = range(horizon)
    axes.plot(range(-len(past), 0), past.tolist(), color="0.45", linewidth=1)
    axes.plot(ahead, one["target"].tolist(), color="0.2", linewidth=1.2, label="what came")
    axes.plot(ahead, one["forecast"].tolist(), color="tab:blue", linewidth=1.4, label="forecast")
    label = f"{level:.0%} interval"
    axes.fill_between(ahead, one["low"].tolist(), one["high"].tolist(), color="tab:blue", alpha=0.2, label=label)
    axes.axvline(-0.5, color="0.7", linewidth=0.8)
    axes.grid(alpha=0.25)


def anomaly_scores(
    truth: Array, scores: Array, threshold: float, labels: npt.NDArray[np.bool_] | None, targets: Sequence[str]
) -> Figure:
    """The series over the score of each step, what is flagged and what is labelled.

    Args:
        truth: The values that are scored, ``(steps, targets)``; the first few targets are drawn.
        scores: The score of each step.
        threshold: Above it a step is flagged.
        labels: Whether each step is an anomaly, where that is known.
        targets: The names of the targets.
    """
    figure = new_figure(10, 5)
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps = np.arange(len(scores))
    for column in range(min(DRAWN_TARGETS, truth.shape[1])):
        upper.plot(steps, truth[:, column], linewidth=0.8, label=targets[column])
    flagged = scores > threshold
    upper.plot(steps[flagged], truth[:, 0][flagged], ".", color="tab:red", markersize=4, label="flagged")
    lower.plot(steps, np.maximum(scores, 1e-6), color="0.3", linewidth=0.8)
    lower.axhline(threshold, color="tab:red", linewidth=1, label="threshold")
    lower.set_yscale("log")
    for axes in (upper, lower):
        if labels is not None:
            axes.fill_between(
                steps,
                0,
                1,
                where=labels,
                transform=axes.get_xaxis_transform(),
                color="tab:orange",
                alpha=0.3,
            )
        axes.grid(alpha=0.25)
    upper.set(title="Values (scaled)" + ("" if labels is None else ", labelled steps shaded"))
    lower.set(xlabel="scored step", ylabel="score")
    upper.legend(fontsize=8)
    lower.legend(fontsize=8)
    return figure


def error_by_step(errors: Mapping[str, Sequence[float]]) -> Figure:
    """The mean absolute error at each step of the horizon, of the model and of the baselines.

    Args:
        errors: By name, one number for each step.
    """
    figure = new_figure(7, 3.6)
    axes = figure.add_subplot()
    for name, values in errors.items():
        wide = 2.0 if name == "model" else 1.0
        label = name.replace("_", " ")
        axes.plot(
            range(1, len(values) + 1), list(values), label=label, linewidth=wide, marker="." if len(values) < 2 else ""
        )
    axes.set(xlabel="step", ylabel="mean absolute error (scaled)", title="Error by step")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    return figure
