"""Sentences with tags of your own: CoNLL files, and tables with lists of words and tags."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework_core import DataError
from framework_plugins_nlp.conll import Conll
from framework_plugins_nlp.tagged_texts import Sentences, TaggedTexts


class _TaggedFiles(TaggedTexts):
    """A file for each split, or one that is divided."""

    def __init__(self, path: str, val_path: str | None = None, test_path: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        given = {"train": path, "val": val_path, "test": test_path}
        self.paths = {split: Path(each) for split, each in given.items() if each is not None}

    def read_sentences(self) -> Mapping[str, Sentences]:
        """The files."""
        return {split: self.sentences_of(path) for split, path in self.paths.items()}

    def source(self) -> str:
        """The file to train on."""
        return str(self.paths["train"].resolve())

    @abstractmethod
    def sentences_of(self, path: Path) -> Sentences:
        """The sentences of a file."""


class ConllFiles(_TaggedFiles):
    """Files in the format of CoNLL: a word a line with its columns, an empty line between sentences.

    Args:
        word_column: The column of words, from 1; ``None`` takes the first, and the second of CoNLL-U.
        tag_column: The column of tags, -1 the last; ``None`` takes the last, and the fourth of CoNLL-U.
        **common: The files, ``path``, ``val_path`` and ``test_path``, and what every dataset of tagged sentences takes:
            ``scheme``, ``encoding``, ``val_size`` ...
    """

    def __init__(self, *, word_column: int | None = None, tag_column: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.word_column = word_column
        self.tag_column = tag_column

    def sentences_of(self, path: Path) -> Sentences:
        """The words and tags of a file."""
        word, tag = (column if isinstance(column, int) else None for column in (self.word_column, self.tag_column))
        found = Conll.read(path, self.read(path), word_column=word, tag_column=tag)
        return Sentences(found.words, found.tags, found.place)


class TaggedTable(_TaggedFiles):
    """A JSON lines or Parquet file, or any other table, with lists of words and of tags.

    Args:
        word_column: The column of words.
        tag_column: The column of tags.
        **common: The files, ``path``, ``val_path`` and ``test_path``, and what every dataset of tagged sentences takes:
            ``scheme``, ``encoding``, ``val_size`` ...
    """

    def __init__(self, *, word_column: str | None = None, tag_column: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.word_column = word_column
        self.tag_column = tag_column

    def sentences_of(self, path: Path) -> Sentences:
        """The lists of a table; a row without words is none.

        Raises:
            DataError: A row has not as many tags as words.
        """
        table = self.read_table(path)
        words, tags = self._words(table), self._tags(table)
        for row, (one, other) in enumerate(zip(words, tags, strict=True)):
            if len(one) != len(other):
                raise DataError(
                    f"{table.place(row)} has {len(one)} words and {len(other)} tags.",
                    paths=[path],
                    possible="Each word has a tag.",
                )
        kept = [row for row, each in enumerate(words) if each]
        return Sentences(words, tags, lambda row, word: f"{table.place(row)}, word {word + 1}").only(kept)
