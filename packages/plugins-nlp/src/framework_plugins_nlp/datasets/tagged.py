"""Sentences with tags of your own: CoNLL files, and tables with lists of words and tags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework_core import DataError
from framework_plugins_nlp.conll import Conll
from framework_plugins_nlp.tagged_texts import Sentences, TaggedTexts


class ConllFiles(TaggedTexts):
    """Files in the format of CoNLL: a word a line with its columns, an empty line between sentences.

    Args:
        path: The file to train on.
        val_path: A file to validate on.
        test_path: A file to test on.
        word_column: The column of words, from 1; ``None`` takes the first, and the second of CoNLL-U.
        tag_column: The column of tags, -1 the last; ``None`` takes the last, and the fourth of CoNLL-U.
        **common: What every dataset of tagged sentences takes: ``scheme``, ``encoding``, ``val_size`` ...
    """

    def __init__(
        self,
        path: str,
        val_path: str | None = None,
        test_path: str | None = None,
        word_column: int | None = None,
        tag_column: int | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        given = {"train": path, "val": val_path, "test": test_path}
        self.paths = {split: Path(each) for split, each in given.items() if each is not None}
        self.word_column = word_column
        self.tag_column = tag_column

    def read_sentences(self) -> Mapping[str, Sentences]:
        """The files."""
        return {split: self._sentences(path) for split, path in self.paths.items()}

    def source(self) -> str:
        """The file to train on."""
        return str(self.paths["train"].resolve())

    def _sentences(self, path: Path) -> Sentences:
        word, tag = (column if isinstance(column, int) else None for column in (self.word_column, self.tag_column))
        found = Conll.read(path, self.read(path), word_column=word, tag_column=tag)
        return Sentences(found.words, found.tags, found.place)


class TaggedTable(TaggedTexts):
    """A JSON lines or Parquet file, or any other table, with lists of words and of tags.

    Args:
        path: The file to train on.
        val_path: A file to validate on.
        test_path: A file to test on.
        word_column: The column of words.
        tag_column: The column of tags.
        **common: What every dataset of tagged sentences takes: ``scheme``, ``encoding``, ``val_size`` ...
    """

    def __init__(
        self,
        path: str,
        val_path: str | None = None,
        test_path: str | None = None,
        word_column: str | None = None,
        tag_column: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        given = {"train": path, "val": val_path, "test": test_path}
        self.paths = {split: Path(each) for split, each in given.items() if each is not None}
        self.word_column = word_column
        self.tag_column = tag_column

    def read_sentences(self) -> Mapping[str, Sentences]:
        """The tables."""
        return {split: self._sentences(path) for split, path in self.paths.items()}

    def source(self) -> str:
        """The table to train on."""
        return str(self.paths["train"].resolve())

    def _sentences(self, path: Path) -> Sentences:
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
