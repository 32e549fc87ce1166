"""The errors of forecasts, window by window.

Axes: B windows, H steps of the horizon, C targets, Q levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framework_core.contracts import SampleScore, ScoredSamples
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.stretches import stretches
from framework_plugins_timeseries.windows import Windows

STRETCHES = 4
"""Parts of the horizon that are scored by themselves."""

MOST_TARGETS = 30
"""Targets that are scored by themselves; with more there is their mean alone."""

MOST_ROWS = 20_000
"""Steps of forecasts that answers are compared with."""

Numbers = np.ndarray[Any, np.dtype[Any]]


class WindowScores:
    """Gathers the errors of the windows of a test, in their order.

    Args:
        layout: What the columns are.
        names: The series.
        windows: The windows of the test, where they are known: what is told by time needs them.
    """

    def __init__(self, layout: Layout, names: Sequence[str], windows: Windows | None) -> None:
        self.layout = layout
        self.names = names
        self.windows = windows
        self.ends = np.unique(np.linspace(0, layout.horizon, STRETCHES + 1).round().astype(int)).tolist()
        each = layout.horizon * len(layout.targets)
        self._every = max(1, -(-(len(windows) if windows is not None else 0) * each // MOST_ROWS))
        self._seen = 0
        self._steps: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._squares: list[Tensor] = []
        self._inside: list[Tensor] = []
        self._series: list[Tensor] = []
        self._truth: list[Tensor] = []
        self._answers: list[dict[str, float]] = []

    def see(self, forecast: Tensor, target: Tensor, quantiles: Tensor, series: Tensor) -> None:
        """Take a batch.

        Args:
            forecast: ``(B, H, C)``, on the scale that models see.
            target: The same.
            quantiles: ``(B, H, C, Q)``; the first and the last are the ends of the interval.
            series: The number of each window's series, ``(B,)``.
        """
        off = (forecast - target).detach().float()
        errors = off.abs()
        stretches = [errors[:, begin:end].mean(dim=(1, 2)) for begin, end in pairwise(self.ends)]
        within = (quantiles[..., 0] <= target) & (target <= quantiles[..., -1])
        self._steps.append(torch.stack(stretches, dim=1).cpu())
        self._targets.append(errors.mean(dim=1).cpu())
        self._squares.append(off.square().mean(dim=(1, 2)).cpu())
        self._inside.append(within.float().mean(dim=(1, 2)).cpu())
        self._series.append(series.cpu())
        self._truth.append(target[:, 0, 0].float().cpu())

    def see_answers(self, forecast: Tensor, low: Tensor, high: Tensor, level: float) -> None:
        """Take what was said of a batch, on the scale of the data, ``(B, H, C)`` each: of some windows all steps."""
        chosen = torch.arange(self._seen, self._seen + len(forecast)) % self._every == 0
        self._seen += len(forecast)
        if len(self._answers) >= MOST_ROWS or not bool(chosen.any()):
            return
        rows = torch.stack([each.cpu()[chosen].flatten() for each in (forecast, low, high)], dim=1).tolist()
        self._answers += [{"forecast": a, "low": b, "high": c, "level": level} for a, b, c in rows]

    def scored(self) -> ScoredSamples | None:
        """The absolute error of each window, of parts of its horizon and of each target; nothing before a test.

        The squared error and the share of values inside the interval are of whole windows.
        """
        if not self._squares:
            return None
        series = torch.cat(self._series).numpy()
        lengths = np.diff(self.ends)
        steps, targets = torch.cat(self._steps).double().numpy(), torch.cat(self._targets).double().numpy()
        parts = {"horizon": self._by_step(steps)} if len(lengths) > 1 else {}
        if 1 < targets.shape[1] <= MOST_TARGETS:
            parts["target"] = {name: _error(targets[:, at]) for at, name in enumerate(self.layout.targets)}
        origins = self._origins(len(series))
        mae = SampleScore(values=(steps @ lengths / lengths.sum()).tolist(), less_is_better=True, parts=parts)
        return ScoredSamples(
            truth=[(self.layout.horizon, each) for each in torch.cat(self._truth).tolist()],
            scores={
                "mae": mae,
                "mse": _error(torch.cat(self._squares).double().numpy()),
                "coverage": SampleScore(values=torch.cat(self._inside).tolist()),
            },
            groups={"series": [self.names[number] for number in series.tolist()]} if len(self.names) > 1 else {},
            times={"time": origins} if origins else {},
            clusters=self._clusters(series),
            answers=self._answers,
        )

    def _by_step(self, steps: Numbers) -> dict[str, SampleScore]:
        """The error of each part of the horizon."""
        names = [f"{a + 1}" if b - a == 1 else f"{a + 1} to {b}" for a, b in pairwise(self.ends)]
        return {name: _error(steps[:, at]) for at, name in enumerate(names)}

    def _origins(self, count: int) -> list[str | float]:
        """When the first target of each window was; nothing where that is not known."""
        stamps = self.windows.origins()[:count] if self.windows is not None else np.empty(0)
        if len(stamps) != count:
            return []
        if np.issubdtype(stamps.dtype, np.datetime64):
            return [str(each) for each in stamps.astype("datetime64[s]")]
        return [float(each) for each in stamps.astype(np.float64)]

    def _clusters(self, series: Numbers) -> list[int]:
        """Stretches of windows in each of which targets overlap; nothing where no window overlaps another."""
        stride = self.windows.stride if self.windows is not None else 1
        length = -(-self.layout.horizon // stride)
        found = stretches(series, length)
        return found if found[-1] + 1 < len(found) else []


def _error(values: Numbers) -> SampleScore:
    return SampleScore(values=values.tolist(), less_is_better=True)
