"""Texts of your own in folders by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from framework_core import DataError
from framework_core.errors import quoted
from framework_plugins_nlp.encodings import content_of, decoded
from framework_plugins_nlp.labelled_texts import LabelledTexts, Texts

SPLITS = {"train": ("train",), "val": ("val", "valid", "validation", "dev"), "test": ("test",)}
"""The folders that are splits, by what they may be called."""


class TextFolder(LabelledTexts):
    """A folder for each class, each file a text: ``CLASS/*.txt``, or ``train/CLASS/*.txt`` with val and test beside it.

    Args:
        path: The folder.
        **common: What every dataset of texts with a class takes: ``tokenizer``, ``encoding``, ``val_size`` ...
    """

    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
    whole_files = True

    def __init__(self, path: str, **common: Any) -> None:
        super().__init__(**common)
        self.path = Path(path)

    def read_texts(self) -> Mapping[str, Texts]:
        """The files.

        Raises:
            DataError: There is no such folder, or nothing in it that is a class.
        """
        if not self.path.is_dir():
            raise DataError(
                f"There is no folder {self.path}.",
                paths=[self.path],
                next_step=f"See what is here: ls {quoted(str(self.path.parent))}",
            )
        found = {
            split: self.path / name for split, names in SPLITS.items() for name in names if (self.path / name).is_dir()
        }
        return {
            split: self._texts(folder)
            for split, folder in (found if "train" in found else {"train": self.path}).items()
        }

    def source(self) -> str:
        """The folder."""
        return str(self.path.resolve())

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """The files of the test themselves."""
        test = self.texts.get("test")
        return [] if test is None else [Path(test.place(index)) for index in range(min(count, len(test)))]

    def _texts(self, folder: Path) -> Texts:
        classes = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
        files = [file for each in classes for file in sorted(each.glob("*.txt"))]
        if not files:
            raise DataError(
                f"{folder} has no texts in folders by class.",
                paths=[folder],
                possible="A text is CLASS/NAME.txt.",
                next_step=f"See what is in it: ls {quoted(str(folder))}",
            )
        return Texts(
            [self._text(file) for file in files], [file.parent.name for file in files], lambda i: str(files[i])
        )

    def _text(self, path: Path) -> str:
        # One line for each of many thousand files would be no help: what is not UTF-8 is refused anyway.
        return decoded(content_of(path), path, encoding=self.encoding, bad_bytes=self.bad_bytes)[0]
