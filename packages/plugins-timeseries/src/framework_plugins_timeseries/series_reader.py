"""What reads the files that a model of series predicts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from framework_plugins_timeseries.sample_tables import Stretch
from framework_plugins_timeseries.series import SeriesSet


class SeriesReader(Protocol):
    """How series stand in files of one form."""

    suffix: ClassVar[str]
    """The ending of such a file."""

    def settings(self) -> dict[str, Any]:
        """What makes one that reads the same, as JSON has it."""

    def series(self, content: bytes, path: Path) -> SeriesSet:
        """The series of a file.

        Args:
            content: What stands in the file.
            path: The file, for people.

        Raises:
            DataError: It cannot be read.
        """

    def write(self, path: Path, stretch: Stretch, found: SeriesSet, columns: Sequence[str]) -> Path:
        """Write a stretch so that it is read.

        Args:
            path: The file.
            stretch: The stretch.
            found: The series that it is of.
            columns: The columns that are written.
        """
