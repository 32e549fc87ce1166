"""From the content of a table to series to predict from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from framework_core.errors import DataError
from framework_plugins_timeseries.sample_tables import Stretch, write_table
from framework_plugins_timeseries.series import SeriesSet
from framework_plugins_timeseries.tables import Columns, series_of


@dataclass(frozen=True)
class TableReader:
    """How series stand in a table.

    Attributes:
        columns: Which column is what.
        delimiter: What stands between the columns of a CSV file.
        decimal: What stands before the digits behind the point.
        only: The one column of values that a model was trained on, whatever it is called in a table; ``None`` where
            there may be several.
    """

    suffix: ClassVar[str] = ".csv"

    columns: Columns
    delimiter: str = ","
    decimal: str = "."
    only: str | None = None

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> TableReader:
        """From what ``settings`` gave."""
        columns: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in settings["columns"].items()
        }
        return cls(**{**settings, "columns": Columns(**columns)})

    def settings(self) -> dict[str, Any]:
        """As JSON has it."""
        columns = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.columns).items()
        }
        return {"columns": columns, "delimiter": self.delimiter, "decimal": self.decimal, "only": self.only}

    def series(self, content: bytes, path: Path) -> SeriesSet:
        """The series of a file.

        Args:
            content: What stands in the file.
            path: The file, for people; its ending says whether it is Parquet or CSV.

        Raises:
            DataError: It cannot be read, or has several columns of values and not one.
        """
        found = series_of(content, path, self.columns, delimiter=self.delimiter, decimal=self.decimal)
        if self.only is not None and len(found.targets) != 1:
            raise DataError(
                f"{path} has {len(found.targets)} columns of values, and the model was trained on one, {self.only}.",
                paths=[path],
                possible=f"A file to predict from has a column of stamps and one of values: ds,{self.only}",
            )
        return found

    def write(self, path: Path, stretch: Stretch, found: SeriesSet, columns: Sequence[str]) -> Path:
        """Write a stretch as a table.

        Args:
            path: The file.
            stretch: The stretch.
            found: The series that it is of.
            columns: The columns that are written.
        """
        return write_table(path, stretch, found, columns, self)
