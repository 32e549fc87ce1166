"""Pairs of texts of your own in a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework_plugins_nlp.columns import source_column, target_column
from framework_plugins_nlp.paired_texts import PairedTexts, Pairs


class TextPairs(PairedTexts):
    """A CSV, TSV, JSON lines or Parquet file with a column of texts to begin with and one of texts to be made.

    Args:
        path: The file to train on.
        val_path: A file to validate on.
        test_path: A file to test on.
        source_column: The column of texts to begin with.
        target_column: The column of texts to be made.
        delimiter: What stands between the columns of a CSV file.
        **common: What every dataset of pairs takes: ``tokenizer``, ``max_target_length``, ``val_size`` ...
    """

    def __init__(
        self,
        path: str,
        val_path: str | None = None,
        test_path: str | None = None,
        source_column: str | None = None,
        target_column: str | None = None,
        delimiter: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        given = {"train": path, "val": val_path, "test": test_path}
        self.paths = {split: Path(each) for split, each in given.items() if each is not None}
        self.source_column = source_column
        self.target_column = target_column
        self.delimiter = delimiter

    def read_pairs(self) -> Mapping[str, Pairs]:
        """The tables."""
        return {split: self._pairs(path) for split, path in self.paths.items()}

    def source(self) -> str:
        """The table to train on."""
        return str(self.paths["train"].resolve())

    def _pairs(self, path: Path) -> Pairs:
        table = self.read_table(path)
        sources = table.column(source_column(table, self.source_column), "source_column")
        targets = table.column(target_column(table, self.target_column), "target_column")
        return Pairs([_text(each) for each in sources], [_text(each) for each in targets], table.place)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
