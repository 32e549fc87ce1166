"""The base class of datasets of series."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from framework_core import BaseDataModule, DataError, DataSpec
from framework_core.contracts import Processing
from framework_plugins_timeseries.coming import ComingSteps
from framework_plugins_timeseries.coming_windows import coming_windows
from framework_plugins_timeseries.known_series import Known, Policies, settings_of, with_added
from framework_plugins_timeseries.layout import SERIES, Layout
from framework_plugins_timeseries.naive_errors import naive_errors
from framework_plugins_timeseries.same_length import by_length
from framework_plugins_timeseries.sample_tables import Stretch
from framework_plugins_timeseries.scaling import Scaler
from framework_plugins_timeseries.series import Array, Series, SeriesSet, without_missing
from framework_plugins_timeseries.series_files import content_of
from framework_plugins_timeseries.series_reader import SeriesReader
from framework_plugins_timeseries.splits import Borders, borders_by_size, check_room
from framework_plugins_timeseries.stamps import checked, regular, step_of
from framework_plugins_timeseries.windows import Span, Windows

_log = logging.getLogger("framework_core")


class BaseTimeSeriesDataModule(BaseDataModule):
    """Series in windows: what is behind, and what comes. A subclass gives ``read_series``.

    The splits follow each other in time. Scales are fitted on training steps and saved with the run.

    Args:
        look_back: How many steps the model sees.
        horizon: How many steps it predicts.
        scaler: How values are scaled: ``standard``, ``minmax``, ``robust`` or ``none``; each column of each series.
        calendar: What of the calendar is known to the model: ``hour``, ``weekday``, ``month`` ...
        missing: What stands for a missing value: ``refuse``, ``forward``, ``interpolate`` or ``zero``.
        irregular: What is done with missing stamps: ``refuse``, ``fill`` or ``ignore``.
        sort: Whether steps that are not in order are put in order.
        short_series: What is done with a series that is too short: ``refuse`` or ``skip``.
        val_size: How much is validated on: a share, or a number of steps.
        test_size: How much is tested on: a share, or a number of steps.
        season: How many steps a season has; empty tells it from the stamps.
        stride: How many steps lie between training windows.
        test_stride: How many steps lie between the origins of the test.
        drop_last: Whether the last batch of the test is left out where it is not full, as in published tables.
        batch_size: How many windows make a batch.
        num_workers: How many processes load them.
    """

    domain: ClassVar[str] = "timeseries"
    tasks: ClassVar[tuple[str, ...]] = ("forecasting",)
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".parquet", ".pq")

    forecast_inputs: ClassVar[str] = "ComingInputs"
    """What of ``serving_forecasts`` reads files where a model answers."""

    in_memory = True

    def __init__(
        self,
        *,
        look_back: int = 96,
        horizon: int = 24,
        scaler: str = "standard",
        calendar: Sequence[str] = (),
        missing: str = "refuse",
        irregular: str = "refuse",
        sort: bool = False,
        short_series: str = "refuse",
        val_size: float = 0.1,
        test_size: float = 0.2,
        season: int | None = None,
        stride: int = 1,
        test_stride: int = 1,
        drop_last: bool = False,
        batch_size: int = 32,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers)
        self.look_back = look_back
        self.horizon = horizon
        self.scaler_kind = scaler
        self.calendar = tuple(calendar)
        self.missing = missing
        self.irregular = irregular
        self.sort = sort
        self.short_series = short_series
        self.val_size = val_size
        self.test_size = test_size
        self.season = season
        self.stride = stride
        self.test_stride = test_stride
        self.drop_last = drop_last
        self._facts: dict[str, Any] = {}
        self._digest = hashlib.sha256()
        self.layout: Layout | None = None

    def read_series(self) -> SeriesSet:
        """The series. A subclass gives it.

        Raises:
            DataError: A subclass has to.
        """
        raise DataError(f"{type(self).__name__} does not say how its series are read (read_series).")

    def series_reader(self) -> SeriesReader | None:
        """How series to predict from stand in files; nothing where there are no such files."""
        return None

    def read_file(self, path: Path) -> SeriesSet:
        """The series of a file to predict from, in the columns of ``read_series``.

        Raises:
            DataError: It cannot be read, or this data has no way to read a file.
        """
        reader = self.series_reader()
        if reader is None:
            raise DataError(f"{type(self).__name__} does not say how a file is read (read_file).")
        return reader.series(content_of(path), path)

    def series_to_learn(self, found: SeriesSet) -> SeriesSet:
        """The series without what is no part of the windows, once they were checked; all of it by default."""
        return found

    def windows_over(self, table: Tensor, spans: Sequence[Span], found: SeriesSet, *, stride: int) -> Windows:
        """The windows of a split.

        Args:
            table: The scaled rows of all series, one after another.
            spans: Which of them may be targets.
            found: The series as they were read.
            stride: How many steps lie between neighbouring windows.
        """
        if self.layout is None:
            raise DataError("There is no layout yet: setup makes it.")
        return Windows(table, spans, self.layout, stride=stride, stamps=[each.stamps for each in found.series])

    @property
    def lead(self) -> int:
        """How many steps of a window lie before its first target."""
        return self.look_back

    def borders(self, series: Series) -> Borders:
        """Where the splits of a series end."""
        return borders_by_size(len(series), val_size=self.val_size, test_size=self.test_size)

    def source(self) -> str:
        """Where the data came from, for people."""
        return type(self).__name__

    def setup(self, stage: str | None = None) -> None:
        """Read the series, check, fill and scale them, and lay windows over them.

        Raises:
            DataError: They cannot be used.
        """
        if self.train_dataset is not None:
            return
        read = checked(self.read_series(), sort=self.sort)
        step = step_of(read)
        found = self.series_to_learn(without_missing(regular(read, step, self.irregular), self.missing))
        found, borders = self._long_enough(found)
        self.layout = self._layout(found)
        several = len(found.series) > 1
        values = [
            with_added(each, number, found, self.calendar, several=several) for number, each in enumerate(found.series)
        ]
        scaler = self._fitted(values, borders, found)
        _say_constant(values, borders, found)
        self._facts = {
            "layout": self.layout.facts(),
            "step": step.length,
            "season": self.season or step.season,
            "scaler": scaler.facts(),
            "series": [each.name for each in found.series],
        }
        targets = len(found.targets)
        before_test = [each[: border.val, :targets] for each, border in zip(values, borders, strict=True)]
        self._facts |= naive_errors(before_test, self._facts["season"])
        scaled = [scaler.apply(each, number) for number, each in enumerate(values)]
        table = torch.from_numpy(np.concatenate(scaled).astype(np.float32))
        self._lay_windows(table, found, borders)
        self._note(found, borders)

    def data_spec(self) -> DataSpec:
        """What the windows turned out to be; how to read them is in its facts."""
        train = self._split("train")
        inputs, target = train[0]
        return DataSpec(
            task=self.tasks[0],
            input_shape=tuple(inputs.shape),
            target_shape=tuple(target.shape),
            target_dtype="float32",
            split_sizes={name: len(each) for name, each in self._datasets().items()},  # type: ignore[arg-type]
            fingerprint=f"content:{self._digest.hexdigest()[:32]}",
            source=self.source(),
            facts=self._facts,
        )

    def test_dataloader(self) -> DataLoader[Any] | list[Any]:
        """The test windows in the order of time, every one of them unless ``drop_last`` says otherwise."""
        return [] if self.test_dataset is None else self.loader(self.test_dataset, drop_last=self.drop_last)

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """What comes after the end of each series of the files, which are read as the data was.

        Raises:
            DataError: A file cannot be read, is too short, or a covariate does not reach as far as the horizon.
        """
        known = Known.of_facts(data.facts, self.policies())
        return ComingSteps(
            [(path, each) for path in paths for each in coming_windows(self.read_file(path), known, path)]
        )

    def policies(self) -> Policies:
        """What is done with series that are not as they should be."""
        return Policies(self.sort, self.irregular, self.missing, self.calendar)

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """The end of each series of a file, without torch."""
        return self.series_processing(data, f"framework_plugins_timeseries.serving_forecasts:{self.forecast_inputs}")

    def series_processing(self, data: DataSpec, builder: str) -> Processing | None:
        """What takes files, and what is known of series, as its arguments; nothing where there are no such files."""
        reader = self.series_reader()
        if reader is None:
            return None
        settings = {"reading": reader.settings(), **settings_of(data.facts, self.policies())}
        return Processing(builder=builder, settings=settings, requirements=("pandas>=2.2",))

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Files that end where windows of the test do."""
        reader, layout = self.series_reader(), self.layout
        if reader is None or layout is None or self.test_dataset is None:
            return ()
        found = checked(self.read_series(), sort=self.sort)
        columns = [name for name in found.columns if name in layout.columns]
        stretches = islice((each for each in self._stretches(found, count) if each.has_values), count)
        return [
            reader.write(folder / f"{number}{reader.suffix}", each, found, columns)
            for number, each in enumerate(stretches)
        ]

    def _stretches(self, found: SeriesSet, count: int) -> Iterator[Stretch]:
        """What is behind some origins of the test, evenly over each series; with what is known ahead of them."""
        each = -(-count // len(found.series))
        ahead = self.horizon if found.future else 0
        for series in found.series:
            border = self.borders(series)
            for end in np.linspace(border.val, max(border.val, border.test - self.horizon), each).astype(int).tolist():
                if end >= self.look_back and end + ahead <= len(series):
                    yield Stretch(series, end - self.look_back, end, ahead)

    def _long_enough(self, found: SeriesSet) -> tuple[SeriesSet, list[Borders]]:
        kept, borders, short = [], [], 0
        for series in found.series:
            border = self.borders(series)
            try:
                check_room(_called(series, found), border, look_back=self.lead, horizon=self.horizon)
            except DataError:
                if self.short_series == "refuse" or len(found.series) == 1:
                    raise
                short += 1
                continue
            kept.append(series)
            borders.append(border)
        if not kept:
            raise DataError(
                f"Each of the {short:,} series is shorter than a window of {self.look_back + self.horizon:,} steps.",
                next_step="Look back less: dataset.look_back=N",
            )
        if short:
            _log.warning("%s of %s series are too short and left out", f"{short:,}", f"{len(found.series):,}")
        return SeriesSet(kept, found.targets, found.past, found.future, found.static, found.path), borders

    def _layout(self, found: SeriesSet) -> Layout:
        numbered = (SERIES,) if len(found.series) > 1 else ()
        future = (*found.future, *self.calendar)
        static = (*found.static, *numbered)
        return Layout(self.look_back, self.horizon, found.targets, found.past, future, static)

    def _fitted(self, values: Sequence[Array], borders: Sequence[Borders], found: SeriesSet) -> Scaler:
        scaler = Scaler.fit(self.scaler_kind, [v[: b.train] for v, b in zip(values, borders, strict=True)])
        own = len(found.columns) - len(found.static)
        after = own + len(self.calendar)
        # A calendar has its scale already, and the number of a series is a name.
        scaler.shift[:, own:], scaler.scale[:, own:] = 0.0, 1.0
        if found.static and self.scaler_kind != "none":
            of_series = np.stack([each[0, after : after + len(found.static)] for each in values])
            spread = of_series.std(axis=0)
            scaler.shift[:, after : after + len(found.static)] = of_series.mean(axis=0)
            scaler.scale[:, after : after + len(found.static)] = np.where(spread > 0, spread, 1.0)
        return scaler

    def _lay_windows(self, table: Tensor, found: SeriesSet, borders: Sequence[Borders]) -> None:
        self._digest.update(table.numpy().tobytes())
        lengths = [len(each) for each in found.series]
        offsets = (np.cumsum(lengths) - np.asarray(lengths)).tolist()
        bordered = [each.spans for each in borders]
        for split in ("train", "val", "test"):
            stride = {"train": self.stride, "test": self.test_stride}.get(split, 1)
            spans = [Span(offset, *of_splits[split]) for offset, of_splits in zip(offsets, bordered, strict=True)]
            windows = self.windows_over(table, spans, found, stride=stride)
            if len(windows):
                setattr(self, f"{split}_dataset", windows)

    def _note(self, found: SeriesSet, borders: Sequence[Borders]) -> None:
        self._digest.update(repr((found.columns, [each.name for each in found.series], borders)).encode())

    def _datasets(self) -> Mapping[str, Dataset[Any]]:
        splits = {"train": self.train_dataset, "val": self.val_dataset, "test": self.test_dataset}
        return {name: each for name, each in splits.items() if each is not None}


def _called(series: Series, found: SeriesSet) -> str:
    if len(found.series) > 1:
        return f"The series {series.name!r}"
    return str(found.path) if found.path else "The series"


def _say_constant(values: Iterable[Array], borders: Iterable[Borders], found: SeriesSet) -> None:
    """A column that never changes is allowed, and unlikely to be meant."""
    columns = len(found.columns) - len(found.static)
    training = [each[: border.train, :columns] for each, border in zip(values, borders, strict=True)]
    still = sorted(
        (int(places[row]), int(column))
        for places, steps in by_length(training)
        for row, column in np.argwhere(np.ptp(steps, axis=1) == 0)
    )
    if still:
        name, column = found.series[still[0][0]].name, found.columns[still[0][1]]
        of = f" of series {name!r}" if len(found.series) > 1 else ""
        more = f", and {len(still) - 1:,} more" if len(still) > 1 else ""
        _log.warning("data      %s%s never changes in training%s: there is nothing to learn of it", column, of, more)
