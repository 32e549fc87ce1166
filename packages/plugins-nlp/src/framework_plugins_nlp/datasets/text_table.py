"""Texts of your own in a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework_core.contracts.scores import are_moments
from framework_plugins_nlp.columns import label_column, text_column
from framework_plugins_nlp.labelled_texts import LabelledTexts, Texts

MOST_GROUPS = 50
"""Values of a column that divides texts into groups; one with more tells single texts apart."""


class TextTable(LabelledTexts):
    """A CSV, TSV, JSON lines or Parquet file with a column of texts and one of labels.

    Args:
        path: The file to train on.
        val_path: A file to validate on.
        test_path: A file to test on.
        text_column: The column of texts.
        label_column: The column of labels; a number is taken as the text that it is written with.
        delimiter: What stands between the columns of a CSV file.
        **common: What every dataset of texts with a class takes: ``tokenizer``, ``encoding``, ``val_size`` ...
    """

    def __init__(
        self,
        path: str,
        val_path: str | None = None,
        test_path: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
        delimiter: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.paths = {"train": Path(path), **_given(val=val_path, test=test_path)}
        self.text_column = text_column
        self.label_column = label_column
        self.delimiter = delimiter

    def read_texts(self) -> Mapping[str, Texts]:
        """The tables."""
        return {split: self._texts(path) for split, path in self.paths.items()}

    def source(self) -> str:
        """The table to train on."""
        return str(self.paths["train"].resolve())

    def _texts(self, path: Path) -> Texts:
        table = self.read_table(path)
        text, label = text_column(table, self.text_column), label_column(table, self.label_column)
        texts, labels = table.column(text, "text_column"), table.column(label, "label_column")
        others = {name: [_written(each) for each in table.columns[name]] for name in table.columns}
        groups = {
            name: values
            for name, values in others.items()
            if name not in (text, label) and (1 < len(set(values)) <= MOST_GROUPS or are_moments(values))
        }
        return Texts(
            [_written(text) for text in texts], [_written(label).strip() for label in labels], table.place, groups
        )


def _written(value: Any) -> str:
    """A value as text; a whole number in a column of fractions, as tables with gaps have, is one."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _given(**paths: str | None) -> dict[str, Path]:
    return {split: Path(path) for split, path in paths.items() if path is not None}
