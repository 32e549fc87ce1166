"""The images of a run: learning curves and the confusion matrix. Legible on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

Curve = Sequence[tuple[int, float]]
LABELLED_CLASSES = 40
"""With more classes than this the axes of a confusion matrix carry no names."""

MOST_BARS = 60
MOST_POINTS = 20_000


def learning_curves(curves: Mapping[str, Curve]) -> Figure:
    """Training and validation curves, one panel for each quantity.

    Args:
        curves: Points by name; ``train/loss`` and ``val/loss`` share the panel ``loss``.
    """
    panels: dict[str, dict[str, Curve]] = {}
    for name, points in sorted(curves.items()):
        if points:
            split, _, quantity = name.rpartition("/")
            panels.setdefault(quantity, {})[split or quantity] = points
    figure = new_figure(5.5 * min(2, len(panels) or 1), 3.4 * max(1, -(-len(panels) // 2)))
    columns = min(2, len(panels) or 1)
    for index, (quantity, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(-(-len(panels) // columns), columns, index + 1)
        _draw_panel(axes, quantity, lines)
    return figure


def confusion_matrix(counts: Sequence[Sequence[int]], class_names: Sequence[str]) -> Figure:
    """What was taken for what, in shares of each true class.

    Args:
        counts: Rows are true classes, columns predicted ones.
        class_names: The name of each.
    """
    import numpy as np

    matrix = np.asarray(counts, dtype=float)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(14.0, max(4.5, 0.42 * len(class_names) + 2.5))
    figure = new_figure(side + 0.8, side)
    axes = figure.add_subplot()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.046)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix")
    if len(class_names) <= LABELLED_CLASSES:
        ticks = range(len(class_names))
        axes.set_xticks(ticks, class_names, rotation=60, ha="right")
        axes.set_yticks(ticks, class_names)
        _write_counts(axes, matrix, shares)
    return figure


def bars(title: str, names: Sequence[str], values: Mapping[str, Sequence[float]]) -> Figure:
    """A bar for each class and measure, the worst class on top.

    Args:
        title: The title.
        names: The name of each class.
        values: One value a class, by measure.
    """
    first = next(iter(values.values()))
    order = sorted(range(len(names)), key=lambda index: (math.isnan(first[index]), first[index]))[:MOST_BARS]
    figure = new_figure(7.0, max(2.5, 0.3 * len(order) + 1.2))
    axes = figure.add_subplot()
    height = 0.8 / len(values)
    for number, (measure, each) in enumerate(values.items()):
        places = [place + number * height for place in range(len(order))]
        axes.barh(
            places, [0.0 if math.isnan(each[index]) else each[index] for index in order], height=height, label=measure
        )
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(order))], [names[index] for index in order])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), title=title)
    axes.grid(axis="x", alpha=0.25)
    axes.legend()
    return figure


def predicted_by_true(predicted: Tensor, true: Tensor, names: Sequence[str]) -> Figure:
    """Points of predictions by their targets, a panel for each target.

    Args:
        predicted: ``(samples, targets)``.
        true: The same.
        names: The name of each target.
    """
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(4.0 * columns, 3.8 * rows)
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, index + 1)
        x, y = true[:MOST_POINTS, index].numpy(), predicted[:MOST_POINTS, index].numpy()
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        axes.plot([low, high], [low, high], color="black", linewidth=0.8)
        axes.scatter(x, y, s=8, alpha=0.5)
        axes.set(title=name, xlabel="true", ylabel="predicted")
        axes.grid(alpha=0.25)
    return figure


def _write_counts(axes: Axes, matrix: Any, shares: Any) -> None:
    size = 9 if len(matrix) <= 15 else 6
    for row, column in zip(*matrix.nonzero(), strict=True):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{matrix[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=size)


def _draw_panel(axes: Axes, quantity: str, lines: Mapping[str, Curve]) -> None:
    for label, points in lines.items():
        steps, values = zip(*points, strict=True)
        marker = "o" if len(points) < 30 else ""
        axes.plot(steps, values, label=label, marker=marker, markersize=3, linewidth=1.4)
    axes.set(title=quantity, xlabel="step")
    axes.grid(alpha=0.25)
    if len(lines) > 1:
        axes.legend()


def new_figure(width: float, height: float) -> Figure:
    """A figure that needs no display and touches no global state of matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    return figure
