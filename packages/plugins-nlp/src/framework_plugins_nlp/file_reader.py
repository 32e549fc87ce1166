"""What readers of texts to predict have in common: how a file is decoded."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from framework_plugins_nlp.encodings import decoded
from framework_plugins_nlp.tables import Table, table_of

_log = logging.getLogger("framework_core")


@dataclass(frozen=True, kw_only=True)
class FileReader:
    """How text stands in files.

    Attributes:
        encoding: How text was written; ``None`` takes a file's mark, and UTF-8 where there is none.
        bad_bytes: What is done with bytes that the encoding does not have: ``refuse``, ``replace`` or ``cp1252``.
        delimiter: What stands between the columns of a CSV file.
        tells: Whether the log has the encoding of each file.
    """

    encoding: str | None = None
    bad_bytes: str = "refuse"
    delimiter: str | None = None
    tells: bool = False

    def text(self, content: bytes, path: Path) -> str:
        """All of a file as text.

        Args:
            content: What stands in the file.
            path: The file, for people.

        Raises:
            DataError: It is in another encoding.
        """
        text, how = decoded(content, path, encoding=self.encoding, bad_bytes=self.bad_bytes)
        self._tell(path, how)
        return text

    def table(self, content: bytes, path: Path) -> Table:
        """A file as a table.

        Args:
            content: What stands in the file.
            path: The file, for people; its ending says which kind of table it is.

        Raises:
            DataError: It is none.
        """
        table = table_of(content, path, delimiter=self.delimiter, encoding=self.encoding, bad_bytes=self.bad_bytes)
        self._tell(path, table.encoding)
        return table

    def settings(self) -> dict[str, Any]:
        """What makes one that reads the same, as JSON has it; a server tells of no file."""
        return {name: value for name, value in asdict(self).items() if name != "tells"}

    def _tell(self, path: Path, how: str) -> None:
        if self.tells and how:
            _log.info("text      %s is %s", path.name, how)
