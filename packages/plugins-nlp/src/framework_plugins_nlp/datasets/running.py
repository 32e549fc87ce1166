"""Text to be continued, and where it comes from."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from framework_core import DataError
from framework_plugins_nlp.datasets.archives import member
from framework_plugins_nlp.datasets.fetched import Fetched
from framework_plugins_nlp.datasets.topics import manual
from framework_plugins_nlp.encodings import decoded, lines_of
from framework_plugins_nlp.running_text import RunningText


class Manual(RunningText):
    """The topics of Python's own manual, a document each; they come with Python, and change with its version."""

    def read_documents(self) -> Mapping[str, Sequence[str]]:
        """The topics, by their names."""
        return {"train": [text for _, text in sorted(manual().items())]}

    def source(self) -> str:
        """Python, and which."""
        return f"pydoc_data.topics of Python {platform.python_version()}"


class TextFiles(RunningText):
    """Text files of your own.

    Args:
        path: The file to train on, or a folder of ``.txt`` files.
        val_path: A file or folder to validate on.
        test_path: A file or folder to test on.
        documents: ``file`` takes each file as a document, ``line`` each line that is not empty.
        **common: What every dataset of running text takes: ``tokenizer``, ``block_size``, ``batch_size`` ...
    """

    def __init__(
        self,
        path: str,
        val_path: str | None = None,
        test_path: str | None = None,
        documents: str = "file",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        given = {"train": path, "val": val_path, "test": test_path}
        self.paths = {split: Path(each) for split, each in given.items() if each is not None}
        self.documents = documents

    def read_documents(self) -> Mapping[str, Sequence[str]]:
        """The files."""
        return {split: self._documents(path) for split, path in self.paths.items()}

    def source(self) -> str:
        """What is trained on."""
        return str(self.paths["train"].resolve())

    def _documents(self, path: Path) -> list[str]:
        files = sorted(path.rglob("*.txt")) if path.is_dir() else [path]
        texts = [self.read(file) for file in files]
        if self.documents == "line":
            texts = [line for text in texts for line in lines_of(text) if line.strip()]
        if not any(text.strip() for text in texts):
            raise DataError(f"There is no text in {path}.", paths=[path])
        return texts


class TinyShakespeare(TextFiles):
    """40,000 lines of plays by Shakespeare, as put together by Karpathy, https://github.com/karpathy/char-rnn.

    The last tenth of the text is validated on, as is usual.

    Args:
        path: The file, or its folder; ``None`` fetches it.
        **common: What every dataset of running text takes: ``tokenizer``, ``block_size``, ``batch_size`` ...
    """

    def __init__(self, path: str | None = None, **common: Any) -> None:
        self.place = Fetched("tiny_shakespeare", path)
        folder = self.place.folder
        super().__init__(str(folder if folder.is_file() else folder / "input.txt"), **common)

    def prepare_data(self) -> None:
        """Fetch the file, unless a path was given.

        Raises:
            DataError: It cannot be fetched.
        """
        self.place.fetch()

    def source(self) -> str:
        """Where it came from."""
        return self.place.source()


class WikiText(RunningText):
    """WikiText-2 of Merity et al., https://arxiv.org/abs/1609.07843: articles of Wikipedia, rare words as ``<unk>``.

    An article is a document. The published splits are taken.

    Args:
        path: The folder with ``wiki.train.tokens`` and its like, or with the archive; ``None`` fetches it.
        **common: What every dataset of running text takes: ``tokenizer``, ``block_size``, ``batch_size`` ...
    """

    default_tokenizer: ClassVar[str] = "bpe"

    def __init__(self, path: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.place = Fetched("wikitext2", path)

    def prepare_data(self) -> None:
        """Fetch the archive, unless a path was given.

        Raises:
            DataError: It cannot be fetched.
        """
        self.place.fetch()

    def read_documents(self) -> Mapping[str, Sequence[str]]:
        """The articles."""
        names = {"train": "train", "val": "valid", "test": "test"}
        return {split: self._articles(f"wiki.{name}.tokens") for split, name in names.items()}

    def source(self) -> str:
        """Where it came from."""
        return self.place.source()

    def _articles(self, name: str) -> list[str]:
        content, path = member(self.place.folder, "wikitext-2-v1.zip", name)
        text, _ = decoded(content, path, encoding=self.encoding, bad_bytes=self.bad_bytes)
        # An article begins with its title, " = Title = "; those of its sections have more signs.
        return [part for part in re.split(r"(?m)^(?= = [^=])", text) if part.strip()]
