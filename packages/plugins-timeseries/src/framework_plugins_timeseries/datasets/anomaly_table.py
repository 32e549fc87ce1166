"""Series of your own, in a table, in which unusual steps are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from framework_core import DataSpec
from framework_core.contracts import Processing
from framework_plugins_timeseries.anomaly_data import BaseAnomalyDataModule
from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.series import SeriesSet
from framework_plugins_timeseries.series_files import content_of
from framework_plugins_timeseries.table_reader import TableReader
from framework_plugins_timeseries.tables import Columns


class AnomalyTable(BaseAnomalyDataModule):
    """A CSV or Parquet file, wide or long, as ``series_table`` takes it, and a column of labels where there is one.

    A file to predict from has the same columns, without labels or with them; every step of it is scored.

    Args:
        path: The file.
        label_column: The column that is 1 where a step is an anomaly, and 0 elsewhere.
        time_column: The column of stamps.
        id_column: The column that tells series apart.
        targets: The columns that are scored.
        past_covariates: Columns that are known up to now.
        future_covariates: Columns that are known ahead.
        static_covariates: Columns that hold for a series as a whole.
        delimiter: What stands between the columns of a CSV file.
        decimal: What stands before the digits behind the point.
        **windows: What every dataset with anomalies takes: ``threshold_quantile``, ``look_back``, ``batch_size`` ...
    """

    def __init__(
        self,
        path: str,
        label_column: str | None = None,
        time_column: str | None = None,
        id_column: str | None = None,
        targets: Sequence[str] = (),
        past_covariates: Sequence[str] = (),
        future_covariates: Sequence[str] = (),
        static_covariates: Sequence[str] = (),
        delimiter: str = ",",
        decimal: str = ".",
        **windows: Any,
    ) -> None:
        super().__init__(**windows)
        self.path = Path(path)
        self.label = label_column
        self.columns = Columns(
            time_column,
            id_column,
            tuple(targets),
            tuple(past_covariates),
            tuple(future_covariates),
            tuple(static_covariates),
        )
        self.delimiter = delimiter
        self.decimal = decimal

    def read_series(self) -> SeriesSet:
        """The table, its labels as one more past covariate."""
        labels = () if self.label is None else (self.label,)
        columns = replace(self.columns, past=(*self.columns.past, *labels))
        return replace(self.series_reader(), columns=columns).series(content_of(self.path), self.path)

    def series_reader(self) -> TableReader:
        """Another table has the same columns, and need have no labels."""
        return TableReader(self.columns, self.delimiter, self.decimal)

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """Every step of the series of the files; their targets are those that were learned."""
        self.columns = replace(self.columns, targets=Layout.of(data).targets)
        return super().predict_dataset(paths, data)

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """The windows of each series of a table, without torch; its targets are those that were learned."""
        self.columns = replace(self.columns, targets=Layout.of(data).targets)
        return super().preprocessing(data)

    def source(self) -> str:
        """The table."""
        return str(self.path.resolve())
