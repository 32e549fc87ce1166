"""The base class of datasets of text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch.utils.data import Dataset

from framework_core import BaseDataModule, DataError, DataSpec
from framework_plugins_nlp.encodings import content_of, read_text
from framework_plugins_nlp.kept_tokenizers import learned
from framework_plugins_nlp.new_texts import TextsToPredict
from framework_plugins_nlp.tables import TABLES, Table, read_table
from framework_plugins_nlp.text_reader import NewText, TextReader
from framework_plugins_nlp.tokenization import KINDS, Tokenizer

REQUIREMENTS = ("tokenizers>=0.21",)
"""What preparing new texts takes, where a model answers."""


class BaseNLPDataModule(BaseDataModule):
    """Texts as numbers. The tokenizer is learned from the training texts, or read, and kept with the run.

    A subclass for one task (``LabelledTexts``) says what a sample is; a dataset says where the texts are.

    Args:
        tokenizer: ``word``, ``character``, ``bpe``, ``wordpiece`` or ``unigram``, learned from the training texts; or a
            file ``tokenizer.json``, or its folder. ``None`` takes what suits the task.
        vocabulary_size: How many tokens are learned at most.
        min_frequency: How often a token has to be there to be learned.
        lowercase: Whether capital letters are made small, where the tokenizer is learned.
        max_length: How many tokens of a text are used at most.
        encoding: How text was written; ``None`` takes a file's mark, and UTF-8 where there is none.
        bad_bytes: What is done with bytes that the encoding does not have: ``refuse``, ``replace`` or ``cp1252``.
        batch_size: How many samples make a batch.
        num_workers: How many processes load them.
    """

    domain: ClassVar[str] = "nlp"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", *TABLES)
    in_memory = True

    default_tokenizer: ClassVar[str] = "word"
    """What suits the task."""

    text_column: str | None = None
    """The column of texts in a table to predict from; empty tells it from the names."""

    delimiter: str | None = None
    """What stands between the columns of a CSV file."""

    whole_files: ClassVar[bool] = False
    """Whether a file to predict from is one text."""

    learning: ClassVar[Mapping[str, Any]] = {}
    """What ``Tokenizer.train`` takes beside the settings."""

    def __init__(
        self,
        *,
        tokenizer: str | None = None,
        vocabulary_size: int = 20_000,
        min_frequency: int = 1,
        lowercase: bool = True,
        max_length: int | None = None,
        encoding: str | None = None,
        bad_bytes: str = "refuse",
        batch_size: int = 32,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers)
        self.tokenizer_setting = tokenizer
        self.vocabulary_size = vocabulary_size
        self.min_frequency = min_frequency
        self.lowercase = lowercase
        self.max_length = max_length
        self.encoding = encoding
        self.bad_bytes = bad_bytes
        self.tokenizer: Tokenizer | None = None
        self._trained: DataSpec | None = None
        self._digest = hashlib.sha256()

    def prepare_like(self, data: DataSpec) -> None:
        """Take the tokenizer, and whatever else was learned from the data, from that of a trained model."""
        self._trained = data

    def source(self) -> str:
        """Where the texts came from, for people."""
        return type(self).__name__

    def read(self, path: Path) -> str:
        """The text of a file, by the settings of encoding."""
        return read_text(path, encoding=self.encoding, bad_bytes=self.bad_bytes)

    def read_table(self, path: Path) -> Table:
        """The table of a file, by the settings of encoding."""
        return read_table(path, delimiter=self.delimiter, encoding=self.encoding, bad_bytes=self.bad_bytes)

    def text_reader(self) -> TextReader:
        """How texts to predict stand in files."""
        return TextReader(**self.reading(), column=self.text_column, whole=self.whole_files)

    def reading(self) -> dict[str, Any]:
        """How files to predict are decoded."""
        common = {"encoding": self.encoding, "bad_bytes": self.bad_bytes, "delimiter": self.delimiter}
        return {**common, "tells": True}

    def new_texts(self, path: Path) -> list[NewText]:
        """The texts of a file to predict: the column of a table, or the lines of any other file."""
        return self.text_reader().texts(content_of(path), path)

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """The texts of files, as numbers by the tokenizer that the model was trained with.

        Raises:
            DataError: A file cannot be read, or there is no text.
        """
        found = [text for path in paths for text in self.new_texts(path)]
        if not found:
            raise DataError(f"There is no text in {', '.join(str(path) for path in paths)}.", paths=paths)
        limit: Any = data.facts.get("max_length")
        return TextsToPredict(found, Tokenizer.of(data.facts), max_length=limit)

    def make_tokenizer(self, texts: Sequence[str]) -> Tokenizer:
        """The tokenizer of the trained model, that of the settings, or one learned from these texts.

        Raises:
            DataError: It cannot be read.
        """
        if self._trained is not None:
            return Tokenizer.of(self._trained.facts)
        wanted = self.tokenizer_setting or self.default_tokenizer
        if wanted not in KINDS:
            return Tokenizer.read(wanted)
        return learned(wanted, texts, **self.tokenizer_settings())

    def tokenizer_settings(self) -> dict[str, Any]:
        """What a tokenizer is learned with."""
        settings = {"vocabulary_size": self.vocabulary_size, "min_frequency": self.min_frequency}
        return {**settings, "lowercase": self.lowercase, **self.learning}

    def note(self, *what: object) -> None:
        """Let something count in the fingerprint."""
        self._digest.update(repr(what).encode("utf-8", "surrogatepass"))

    @property
    def fingerprint(self) -> str:
        """That of everything noted."""
        return f"content:{self._digest.hexdigest()[:32]}"
