"""From the content of a file to sentences to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from framework_plugins_nlp.columns import words_column
from framework_plugins_nlp.conll import ENDINGS, Conll, words_of_cell
from framework_plugins_nlp.encodings import lines_of
from framework_plugins_nlp.file_reader import FileReader
from framework_plugins_nlp.tables import TABLES, Table


class NewSentence(NamedTuple):
    """The words of a sentence, and where it stands."""

    path: Path
    line: int
    words: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class SentenceReader(FileReader):
    """How sentences stand in files: CoNLL, a table with lists of words, or lines whose words stand between blanks.

    Attributes:
        word_column: The column of words: its number in CoNLL, its name in a table; ``None`` tells it.
    """

    word_column: str | int | None = None

    def sentences(self, content: bytes, path: Path) -> list[NewSentence]:
        """The sentences of a file that have a word.

        Args:
            content: What stands in the file.
            path: The file, for people; its ending says how it is read.

        Raises:
            DataError: It cannot be read.
        """
        suffix = path.suffix.lower()
        if suffix in TABLES:
            table = self.table(content, path)
            rows = zip(table.lines, words_in(table, self.word_column), strict=True)
            return [NewSentence(path, line, words) for line, words in rows if words]
        text = self.text(content, path)
        if suffix in ENDINGS:
            column = self.word_column if isinstance(self.word_column, int) else None
            found = Conll.read(path, text, word_column=column, with_tags=False)
            return [NewSentence(path, lines[0], words) for words, lines in zip(found.words, found.lines, strict=True)]
        lines = enumerate(lines_of(text), start=1)
        return [NewSentence(path, number, words) for number, line in lines if (words := line.split())]


def words_in(table: Table, column: str | int | None) -> list[list[str]]:
    """The lists of words of a table.

    Raises:
        DataError: There is no such column, or a cell is no list of words.
    """
    given = column if isinstance(column, str) else None
    cells = table.column(words_column(table, given), "word_column")
    return [words_of_cell(value, table.place(row)) for row, value in enumerate(cells)]
