"""Texts where a model answers: from the content of a file to tokens. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from framework_core.errors import DataError
from framework_core.serving.features import statistics
from framework_core.serving.processing import Array, Preprocessing, Sample
from framework_plugins_nlp.padding import stacked
from framework_plugins_nlp.text_reader import NewText, TextReader
from framework_plugins_nlp.tokenization import Tokenizer


class LineInputs(Preprocessing):
    """The lines of a file, or the column of a table, a row each.

    Args:
        tokenizer: What the library ``tokenizers`` wrote.
        max_length: How many tokens of each are used at most; ``None`` takes all.
        **reading: What ``TextReader`` takes.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".csv", ".tsv", ".tab", ".jsonl", ".ndjson")

    def __init__(self, tokenizer: str, max_length: int | None = None, **reading: Any) -> None:
        self.tokenizer = Tokenizer(tokenizer, "kept")
        self.max_length = max_length
        self.reader = TextReader(**reading)

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The texts of a file.

        Raises:
            DataError: It cannot be read, or there is no text.
        """
        texts = self.texts(content, Path(f"input{suffix}"))
        encoded = self.tokenizer.encode([each.text for each in texts], max_length=self.max_length)
        return [Sample(encoded.of(index), each.row) for index, each in enumerate(texts)]

    def texts(self, content: bytes, path: Path) -> list[NewText]:
        """The texts of a file, and where each stands.

        Raises:
            DataError: It cannot be read, or there is no text.
        """
        found = self.reader.texts(content, path)
        if not found:
            raise DataError(f"There is no text in {path}.")
        return found

    def features(self, sample: Sample) -> dict[str, float]:
        """How many tokens a text has, and which shares of them are distinct and unknown to the vocabulary."""
        found = {**statistics(sample.input)}
        unknown = self.tokenizer.unknown_id
        if unknown is not None and sample.input.size:
            found["unknown"] = float((sample.input == unknown).mean())
        return found

    def batch(self, inputs: Sequence[Array]) -> Array:
        """Tokens, ``(batch, length)``, filled up to the longest."""
        return stacked(inputs, self.tokenizer.pad_id)


class FileInputs(LineInputs):
    """A file as one text."""

    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
