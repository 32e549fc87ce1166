"""From the content of a file to questions to be answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from framework_core.errors import DataError
from framework_plugins_nlp.columns import context_column, question_column
from framework_plugins_nlp.file_reader import FileReader
from framework_plugins_nlp.squad import read_squad
from framework_plugins_nlp.tables import TABLES


class NewQuestion(NamedTuple):
    """A question to be answered, and where it stands."""

    path: Path
    place: str
    question: str
    context: str

    @property
    def row(self) -> dict[str, Any]:
        """What an answer says of it, beside its file."""
        return {"id": self.place, "question": self.question}


@dataclass(frozen=True, kw_only=True)
class QuestionReader(FileReader):
    """How questions stand in files: JSON as of SQuAD, or a table.

    Attributes:
        suffixes: The endings of files that are read, for people.
        question_column: The column of questions in a table; ``None`` tells it from the names.
        context_column: The column of texts that they are about likewise.
    """

    suffixes: Sequence[str]
    question_column: str | None = None
    context_column: str | None = None

    def questions(self, content: bytes, path: Path) -> list[NewQuestion]:
        """The questions of a file.

        Args:
            content: What stands in the file.
            path: The file, for people; its ending says how it is read.

        Raises:
            DataError: It cannot be read.
        """
        suffix = path.suffix.lower()
        if suffix == ".json":
            text = self.text(content, path)
            return [NewQuestion(path, each.id, each.question, each.context) for each in read_squad(path, text)]
        if suffix not in TABLES:
            raise DataError(
                f"{path} is neither .json nor a table.",
                paths=[path],
                possible=f"Files that are read: {', '.join(self.suffixes)}; a table has the columns question and "
                "context.",
            )
        table = self.table(content, path)
        asked = table.column(question_column(table, self.question_column), "question_column")
        told = table.column(context_column(table, self.context_column), "context_column")
        return [
            NewQuestion(path, str(line), str(question or ""), str(context or ""))
            for line, question, context in zip(table.lines, asked, told, strict=True)
        ]
