"""From the content of a file to texts to predict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from framework_plugins_nlp.columns import source_column, text_column
from framework_plugins_nlp.encodings import lines_of
from framework_plugins_nlp.file_reader import FileReader
from framework_plugins_nlp.tables import TABLES


class NewText(NamedTuple):
    """A text, and where it stands."""

    path: Path
    line: int
    text: str

    @property
    def row(self) -> dict[str, Any]:
        """What an answer says of it, beside its file."""
        return {"line": self.line, "text": self.text}


@dataclass(frozen=True, kw_only=True)
class TextReader(FileReader):
    """How texts stand in files: a file is a table or lines, or one text.

    Attributes:
        column: The column of texts in a table; ``None`` tells it from the names.
        whole: Whether a file is one text.
        sources: Whether a text is one that another is made of: its column is called otherwise.
    """

    column: str | None = None
    whole: bool = False
    sources: bool = False

    def texts(self, content: bytes, path: Path) -> list[NewText]:
        """The texts of a file: the column of a table, the lines of any other file that are not empty, or all of it.

        Args:
            content: What stands in the file.
            path: The file, for people; its ending says whether it is a table.

        Raises:
            DataError: It cannot be read.
        """
        if self.whole:
            return [NewText(path, 1, self.text(content, path))]
        if path.suffix.lower() in TABLES:
            table = self.table(content, path)
            if self.sources:
                column = table.column(source_column(table, self.column), "source_column")
            else:
                column = table.column(text_column(table, self.column), "text_column")
            return [NewText(path, line, _text(value)) for line, value in zip(table.lines, column, strict=True)]
        lines = enumerate(lines_of(self.text(content, path)), start=1)
        return [NewText(path, number, line) for number, line in lines if line.strip()]


def _text(value: Any) -> str:
    return "" if value is None else str(value)
