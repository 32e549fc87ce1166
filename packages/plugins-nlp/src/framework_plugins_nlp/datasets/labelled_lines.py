"""Texts with their label in front, a line each, as the TREC questions have it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from framework_core import DataError
from framework_plugins_nlp.datasets.fetched import Fetched
from framework_plugins_nlp.encodings import lines_of, read_text
from framework_plugins_nlp.labelled_texts import LabelledTexts, Texts

_LINE = re.compile(r"(?P<label>[^\s:]+)(:(?P<sub>\S+))?\s+(?P<text>.*)")


class LabelledLines(LabelledTexts):
    """Files of lines ``LABEL:sub text``, or ``LABEL text``.

    Args:
        path: The file to train on.
        val_path: A file to validate on.
        test_path: A file to test on.
        labels: ``coarse`` takes LABEL as the class, ``fine`` LABEL:sub.
        **common: What every dataset of texts with a class takes: ``tokenizer``, ``encoding``, ``val_size`` ...
    """

    published_encoding: ClassVar[str | None] = None
    """How the files were written, where that is known; not how new texts are."""

    def __init__(
        self,
        path: str | None,
        val_path: str | None = None,
        test_path: str | None = None,
        labels: str = "coarse",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        given = {"train": path, "val": val_path, "test": test_path}
        self._paths = {split: Path(each) for split, each in given.items() if each is not None}
        self.labels = labels

    @property
    def paths(self) -> Mapping[str, Path]:
        """The file of each split."""
        return self._paths

    def read_texts(self) -> Mapping[str, Texts]:
        """The lines."""
        return {split: self._texts(path) for split, path in self.paths.items()}

    def source(self) -> str:
        """The file to train on."""
        return str(self.paths["train"].resolve())

    def _read(self, path: Path) -> str:
        return read_text(path, encoding=self.encoding or self.published_encoding, bad_bytes=self.bad_bytes)

    def _texts(self, path: Path) -> Texts:
        texts, labels, numbers = [], [], []
        for number, line in enumerate(lines_of(self._read(path)), start=1):
            if not line.strip():
                continue
            found = _LINE.fullmatch(line)
            if found is None:
                raise DataError(
                    f"{path}, line {number:,} has no label in front: {line[:40]!r}.",
                    paths=[path],
                    possible="A line is LABEL:sub text, or LABEL text.",
                )
            fine = self.labels == "fine" and found["sub"]
            labels.append(f"{found['label']}:{found['sub']}" if fine else found["label"])
            texts.append(found["text"])
            numbers.append(number)
        return Texts(texts, labels, lambda index: f"{path}, line {numbers[index]:,}")


class Trec(LabelledLines):
    """Questions by what they ask for, Li and Roth, https://aclanthology.org/C02-1150: 5,452 to train, 500 to test.

    Args:
        path: The folder with the two files; ``None`` fetches them.
        labels: ``coarse`` (6 kinds) or ``fine`` (50).
        **common: What every dataset of texts with a class takes: ``tokenizer``, ``val_size``, ``batch_size`` ...
    """

    published_encoding = "latin-1"

    def __init__(self, path: str | None = None, labels: str = "coarse", **common: Any) -> None:
        super().__init__(path, labels=labels, **common)
        self.place = Fetched("trec", path)

    def prepare_data(self) -> None:
        """Fetch the files, unless a path was given.

        Raises:
            DataError: They cannot be fetched.
        """
        self.place.fetch()

    @property
    def paths(self) -> Mapping[str, Path]:
        """Training and test, as published."""
        return {"train": self.place.folder / "train_5500.label", "test": self.place.folder / "TREC_10.label"}

    def source(self) -> str:
        """Where it came from."""
        return self.place.source()
