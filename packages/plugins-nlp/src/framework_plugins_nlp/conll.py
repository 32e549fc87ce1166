"""Files in the format of CoNLL: a word a line with its columns, an empty line between sentences."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework_core.errors import DataError, quoted
from framework_plugins_nlp.encodings import lines_of

ENDINGS = (".conll", ".conllu", ".iob", ".iob2", ".bio", ".iobes")
"""Endings of files that are CoNLL."""

DOCUMENT = "-DOCSTART-"
"""The word of a line that stands between documents and is in no sentence."""

_BLANKS = re.compile(r"[ \t]+")
_NO_WORD = re.compile(r"\d+[-.]\d+")
"""The number of a line of CoNLL-U that is no word of its own: a contraction, or a word left out."""


@dataclass(frozen=True)
class Conll:
    """Sentences of a file.

    Attributes:
        path: The file.
        words: The words of each sentence.
        tags: The tag of each word; empty where none were asked for.
        lines: The line of each word.
    """

    path: Path
    words: Sequence[Sequence[str]]
    tags: Sequence[Sequence[str]]
    lines: Sequence[Sequence[int]]

    def place(self, sentence: int, word: int) -> str:
        """Where a word stands, for people."""
        return f"{self.path}, line {self.lines[sentence][word]:,}"

    @classmethod
    def read(
        cls,
        path: Path,
        text: str,
        *,
        word_column: int | None = None,
        tag_column: int | None = None,
        with_tags: bool = True,
    ) -> Conll:
        """The sentences of a text.

        Columns stand apart by tabs where the first line of a word has one, and otherwise by blanks. A line that begins
        with ``#`` before a sentence and has not as many columns is a comment, as every such line of CoNLL-U.

        Args:
            path: Where the text stands.
            text: The text.
            word_column: The column of words, from 1; a negative number counts from the last. ``None`` takes the first,
                and the second of CoNLL-U.
            tag_column: The column of tags likewise; ``None`` takes the last, and the fourth of CoNLL-U.
            with_tags: Whether tags are read; without them a single column will do.

        Raises:
            DataError: A line has more or fewer columns, there is no such column, or no sentence.
        """
        universal = path.suffix.lower() == ".conllu"
        word_column = word_column or (2 if universal else 1)
        tag_column = (tag_column or (4 if universal else -1)) if with_tags else word_column
        rows = _Rows(path, universal=universal)
        found: list[list[tuple[int, list[str]]]] = [[]]
        for number, line in enumerate(lines_of(text), start=1):
            if not line.strip():
                found.append([])
            elif (row := rows.row(number, line, first=not found[-1])) is not None:
                found[-1].append((number, row))
        sentences = [sentence for sentence in found if sentence]
        if not sentences:
            raise _without_sentences(path)
        word, tag = rows.index(word_column, "word"), rows.index(tag_column, "tag")
        if with_tags and word == tag:
            raise rows.one_column()
        return cls(
            path,
            [[row[word] for _, row in sentence] for sentence in sentences],
            [[row[tag] for _, row in sentence] for sentence in sentences] if with_tags else [],
            [[number for number, _ in sentence] for sentence in sentences],
        )


class _Rows:
    """Lines as columns, as many in each as in the first."""

    def __init__(self, path: Path, *, universal: bool) -> None:
        self.path = path
        self.universal = universal
        self.width: int | None = None
        self.tabs = False
        self.first = 0

    def row(self, number: int, line: str, *, first: bool) -> list[str] | None:
        """The columns of a line; nothing where it is no word."""
        if self.width is None:
            self.tabs = "\t" in line
        columns = line.split("\t") if self.tabs else _BLANKS.split(line.strip())
        if columns[0] == DOCUMENT or columns[0].startswith(f"{DOCUMENT} "):
            return None
        if line.startswith("#") and (self.universal or (first and len(columns) != self.width and len(line) > 1)):
            return None
        if self.universal and _NO_WORD.fullmatch(columns[0]):
            return None
        if self.width is None:
            self.width, self.first = len(columns), number
        if len(columns) != self.width:
            raise DataError(
                f"{self.path}, line {number:,} has {len(columns)} columns, and line {self.first:,} has {self.width}.",
                paths=[self.path],
                possible="A line is a word with its columns apart by tabs or blanks; an empty line ends a sentence.",
                next_step=f"See it: sed -n {number}p {quoted(str(self.path))}",
            )
        return columns

    def index(self, column: int, what: str) -> int:
        """The place of a column in a row."""
        width = self.width or 0
        place = column - 1 if column > 0 else width + column
        if not 0 <= place < width:
            raise DataError(
                f"{self.path} has {width} columns, and column {column} was to be the {what}.",
                paths=[self.path],
                possible=f"Columns count from 1, or from the last by -1. See them: sed -n {self.first}p "
                f"{quoted(str(self.path))}",
                next_step=f"Name another: dataset.{what}_column=NUMBER",
            )
        return place

    def one_column(self) -> DataError:
        """The error about a file in which words and tags would be the same."""
        return DataError(
            f"{self.path}, line {self.first:,} has {self.width} columns, and words and tags would be the same one.",
            paths=[self.path],
            possible="A line is a word and its tag, apart by a blank or a tab.",
            next_step="Name others: dataset.word_column=NUMBER dataset.tag_column=NUMBER",
        )


def _without_sentences(path: Path) -> DataError:
    return DataError(
        f"{path} has no sentences.",
        paths=[path],
        possible="A line is a word with its columns apart by blanks or tabs; an empty line ends a sentence.",
    )


def words_of_cell(value: Any, place: str) -> list[str]:
    """The words of a cell: a list, the JSON of one, or text with blanks between words.

    Raises:
        DataError: It is something else.
    """
    if isinstance(value, str):
        text = value.strip()
        if not text.startswith("["):
            return text.split()
        try:
            value = json.loads(text)
        except ValueError:
            return text.split()
    if value is None:
        return []
    if not isinstance(value, list) or any(isinstance(each, list | dict) or each is None for each in value):
        raise DataError(f"{place} has no list of words: {str(value)[:40]!r}.", possible='A cell is ["one", "two"].')
    return [str(each) for each in value]
