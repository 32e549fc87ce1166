"""The base class of datasets of series in which unusual steps are looked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from framework_core import DataError, DataSpec
from framework_core.contracts import Processing
from framework_plugins_timeseries.datamodule import BaseTimeSeriesDataModule
from framework_plugins_timeseries.known_series import Known
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.sample_tables import Stretch
from framework_plugins_timeseries.scored_series import ScoredSteps, scored_series
from framework_plugins_timeseries.scored_windows import ScoredWindows, all_of
from framework_plugins_timeseries.series import Series, SeriesSet
from framework_plugins_timeseries.windows import Span

MORE = 4
"""Windows of a sample beside the first: a step lies in several."""

_log = logging.getLogger("framework_core")


class BaseAnomalyDataModule(BaseTimeSeriesDataModule):
    """Series, each step of which is scored. A subclass gives ``read_series``.

    The splits follow each other in time; a model learns training steps as usual ones, and the threshold is told from
    validation steps. Where ``label`` names a past covariate, it says which steps are anomalies: 1, or 0.

    Args:
        reconstructs: Whether the targets of a window are its own steps, as an autoencoder has them; empty takes what
            the model does, and those that follow otherwise.
        threshold_quantile: The share of validation scores that the threshold is above.
        look_back: How many steps the model sees.
        horizon: How many steps it predicts, where windows are not reconstructed.
        **windows: What every dataset of windows takes: ``scaler``, ``missing``, ``batch_size`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("anomaly-detection",)
    label: str | None = None
    """The past covariate that says which steps are anomalies."""

    def __init__(
        self,
        *,
        reconstructs: bool | None = None,
        threshold_quantile: float = 0.995,
        look_back: int = 48,
        horizon: int = 1,
        **windows: Any,
    ) -> None:
        self.reconstructs = bool(reconstructs)
        super().__init__(look_back=look_back, horizon=look_back if reconstructs else horizon, **windows)
        self.threshold_quantile = threshold_quantile
        self._labels: dict[str, npt.NDArray[np.bool_]] = {}

    @property
    def lead(self) -> int:
        """How many steps of a window lie before its first target."""
        return 0 if self.reconstructs else self.look_back

    def setup(self, stage: str | None = None) -> None:
        """Read the series, check, fill and scale them, and lay windows over them.

        Raises:
            DataError: They cannot be used.
        """
        super().setup(stage)
        self._facts["threshold_quantile"] = self.threshold_quantile

    def series_to_learn(self, found: SeriesSet) -> SeriesSet:
        """The series without their labels, which are kept."""
        if self.label is None:
            return found
        column = found.columns.index(self.label)
        for series in found.series:
            self._labels[series.name] = _labels(series, column, found)
            self._digest.update(self._labels[series.name].tobytes())
        return _without(found, self.label)

    def windows_over(self, table: Tensor, spans: Sequence[Span], found: SeriesSet, *, stride: int) -> ScoredWindows:
        """The windows of a split, with stamps and labels."""
        if self.layout is None:
            raise DataError("There is no layout yet: setup makes it.")
        labels = np.concatenate([self._labels[each.name] for each in found.series]) if self._labels else None
        if labels is not None and self.train_dataset is None and spans:
            self._say_labelled(spans, labels)
        return ScoredWindows(table, spans, self.layout, found.series, labels, stride=stride)

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """Every step of the series of the files, to be scored; a forecast needs its look-back before the first.

        Raises:
            DataError: A file cannot be read, or is shorter than a window.
        """
        known = Known.of_facts(data.facts, self.policies())
        self.layout = known.layout
        read = [(path, each) for path in paths for each in scored_series(self.read_file(path), known, path)]
        table = np.concatenate([each.values for _, each in read])
        return SeriesToScore(torch.from_numpy(table), known.layout, [(path, each.series) for path, each in read])

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """The windows of each series of a table, without torch."""
        return self.series_processing(data, "framework_plugins_timeseries.serving_scores:ScoredInputs")

    def _stretches(self, found: SeriesSet, count: int) -> Iterator[Stretch]:
        """Stretches of a few windows each, evenly over the test of each series."""
        length = self.lead + self.horizon + MORE
        for series in found.series:
            border = self.borders(series)
            first, last = max(0, border.val - self.lead), border.test - length
            for begin in np.linspace(first, max(first, last), -(-count // len(found.series))).astype(int).tolist():
                if begin + length <= len(series):
                    yield Stretch(series, begin, begin + length)

    def _layout(self, found: SeriesSet) -> Layout:
        return replace(super()._layout(found), reconstructs=self.reconstructs)

    def _say_labelled(self, spans: Sequence[Span], labels: npt.NDArray[np.bool_]) -> None:
        count = sum(int(labels[each.offset + each.begin : each.offset + each.end].sum()) for each in spans)
        if count:
            _log.warning(
                "data      %s training steps are labelled as anomalies, and are learned as usual ones", f"{count:,}"
            )


class SeriesToScore(ScoredWindows):
    """Every window of the series of files; a row of the table for each step that is scored.

    Args:
        table: The scaled rows of all series.
        layout: What the columns are.
        places: The file of each series, and the series.
    """

    def __init__(self, table: Tensor, layout: Layout, places: Sequence[tuple[Path, Series]]) -> None:
        series = [each for _, each in places]
        super().__init__(table, all_of(series), layout, series)
        self.paths = [path for path, _ in places]

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """One row for each step: its score, the threshold, and whether it is above."""
        steps = ScoredSteps(self.series, self.layout.targets)
        seen, threshold = 0, np.inf
        for batch in batches:
            scores = batch["scores"].cpu().numpy()
            steps.add(self.first_targets(torch.arange(seen, seen + len(scores))).numpy(), scores)
            seen, threshold = seen + len(scores), batch["threshold"]
        return [{"path": str(self.paths[number]), **row} for number, row in steps.rows(threshold)]


def _labels(series: Series, column: int, found: SeriesSet) -> npt.NDArray[np.bool_]:
    values = series.values[:, column]
    wrong = ~np.isin(values, (0.0, 1.0))
    if wrong.any():
        at = int(wrong.argmax())
        raise DataError(
            f"{found.where(series, at)}: {found.columns[column]} is {values[at]:g}, which is no label.",
            paths=[found.path] if found.path else [],
            possible="A label is 1 where a step is an anomaly, and 0 where it is none.",
        )
    return np.asarray(values == 1.0)


def _without(found: SeriesSet, name: str) -> SeriesSet:
    column = found.columns.index(name)
    series = [replace(each, values=np.delete(each.values, column, axis=1)) for each in found.series]
    return replace(found, series=series, past=tuple(each for each in found.past if each != name))
