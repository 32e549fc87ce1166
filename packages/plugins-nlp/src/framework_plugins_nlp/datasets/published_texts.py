"""Published sets of texts with a class each, in their own layouts."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framework_core import DataError
from framework_plugins_nlp.datasets.archives import member
from framework_plugins_nlp.datasets.fetched import Fetched
from framework_plugins_nlp.datasets.text_folder import TextFolder
from framework_plugins_nlp.encodings import decoded, lines_of
from framework_plugins_nlp.labelled_texts import LabelledTexts, Texts


class AgNews(LabelledTexts):
    """AG News of Zhang et al., https://arxiv.org/abs/1509.01626: 120,000 news to train, 7,600 to test, 4 classes.

    A text is title and description; a backslash there stands for a line break.

    Args:
        path: The folder with ``train.csv`` and ``test.csv``; ``None`` fetches them.
        **common: What every dataset of texts with a class takes: ``tokenizer``, ``val_size``, ``batch_size`` ...
    """

    names = ("World", "Sports", "Business", "Sci/Tech")

    def __init__(self, path: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.place = Fetched("ag_news", path)

    def prepare_data(self) -> None:
        """Fetch the files, unless a path was given.

        Raises:
            DataError: They cannot be fetched.
        """
        self.place.fetch()

    def read_texts(self) -> Mapping[str, Texts]:
        """The two files."""
        return {split: self._texts(self.place.folder / f"{split}.csv") for split in ("train", "test")}

    def source(self) -> str:
        """Where it came from."""
        return self.place.source()

    def _texts(self, path: Path) -> Texts:
        texts: list[str] = []
        labels: list[str] = []
        for row in csv.reader(io.StringIO(self.read(path), newline="")):
            if len(row) != 3 or row[0] not in ("1", "2", "3", "4"):
                raise DataError(
                    f"{path}, row {len(texts) + 1:,} is not class, title and description: {row[:2]}.",
                    paths=[path],
                    possible="A class is 1, 2, 3 or 4; there is no header.",
                )
            texts.append(f"{row[1]} {row[2]}".replace("\\", " "))
            labels.append(self.names[int(row[0]) - 1])
        return Texts(texts, labels, lambda index: f"{path}, row {index + 1:,}")


class Sst2(LabelledTexts):
    """SST-2 of Socher et al., https://aclanthology.org/D13-1170, as in GLUE: parts of film reviews, good or bad.

    Its test split has no labels, so ``dev.tsv`` is tested on, and a share of training validated on.

    Args:
        path: The folder with ``train.tsv`` and ``dev.tsv``, or with the archive; ``None`` fetches it.
        **common: What every dataset of texts with a class takes: ``tokenizer``, ``val_size``, ``batch_size`` ...
    """

    names = ("negative", "positive")

    def __init__(self, path: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.place = Fetched("sst2", path)

    def prepare_data(self) -> None:
        """Fetch the archive, unless a path was given.

        Raises:
            DataError: It cannot be fetched.
        """
        self.place.fetch()

    def read_texts(self) -> Mapping[str, Texts]:
        """The two files."""
        return {"train": self._texts("train.tsv"), "test": self._texts("dev.tsv")}

    def source(self) -> str:
        """Where it came from."""
        return self.place.source()

    def _texts(self, name: str) -> Texts:
        content, path = member(self.place.folder, "SST-2.zip", name)
        text, _ = decoded(content, path, encoding=self.encoding, bad_bytes=self.bad_bytes)
        texts, labels = [], []
        for number, line in enumerate(lines_of(text)[1:], start=2):
            sentence, _, label = line.rpartition("\t")
            if label not in ("0", "1"):
                raise DataError(f"{path}, line {number:,} is no sentence, tab and 0 or 1: {line[:40]!r}.", paths=[path])
            texts.append(sentence.strip())
            labels.append(self.names[int(label)])
        return Texts(texts, labels, lambda index: f"{path}, line {index + 2:,}")


class Imdb(TextFolder):
    """Film reviews of Maas et al., https://aclanthology.org/P11-1015: 25,000 to train, 25,000 to test, good or bad.

    Args:
        path: The folder ``aclImdb``; ``None`` fetches it.
        **common: What every dataset of texts with a class takes: ``tokenizer``, ``val_size``, ``batch_size`` ...
    """

    def __init__(self, path: str | None = None, **common: Any) -> None:
        self.place = Fetched("imdb", path)
        super().__init__(str(self.place.folder if path is not None else self.place.folder / "aclImdb"), **common)

    def prepare_data(self) -> None:
        """Fetch and unpack the archive, unless a path was given.

        Raises:
            DataError: It cannot be fetched.
        """
        self.place.fetch()

    def read_texts(self) -> Mapping[str, Texts]:
        """The reviews with a label; those without are a folder too, and left alone."""
        found = super().read_texts()
        kept = {
            split: [index for index, label in enumerate(texts.labels) if label in ("neg", "pos")]
            for split, texts in found.items()
        }
        return {split: texts.only(kept[split]) for split, texts in found.items()}

    def source(self) -> str:
        """Where it came from."""
        return self.place.source()

    def _text(self, path: Path) -> str:
        return super()._text(path).replace("<br />", " ")
