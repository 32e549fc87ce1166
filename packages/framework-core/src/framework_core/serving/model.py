"""What a server needs of a model, whatever it runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from framework_core.serving.processing import Array, Row


@dataclass(frozen=True)
class RawFile:
    """The content of a file as it was sent.

    Attributes:
        content: What stands in it.
        suffix: Its ending, in small letters: ``.png``.
        name: What it was called where that was said; else empty.
    """

    content: bytes
    suffix: str
    name: str = ""


class Abandoned(Exception):  # noqa: N818  # nobody hears of it
    """An answer that nobody waits for any more."""


def always() -> bool:
    """Somebody waits."""
    return True


class ServedModel(Protocol):
    """A model that answers. Its methods are called in threads, ``answer`` and ``infer`` by one at a time."""

    name: str
    """What it is called in addresses."""

    version: str
    """What tells it from others of its name."""

    about: Mapping[str, Any]
    """What it is, as ``export.json`` says it."""

    suffixes: tuple[str, ...]
    """The files that it reads, the usual one first; none where it takes prepared inputs only."""

    def prepare(self, file: RawFile, /) -> Any:
        """Whatever can be done with a file alone, before it is answered together with others.

        Raises:
            DataError: It cannot be read.
        """

    def samples_in(self, prepared: Any, /) -> int:
        """How many inputs of the network a prepared file is."""

    def answer(self, prepared: Sequence[Any], wanted: Callable[[], bool] = always, /) -> Sequence[list[Row]]:
        """The rows of each prepared file. Whatever it raises, each file is then asked alone.

        Args:
            prepared: The files.
            wanted: Whether somebody still waits; asked before each step of what takes several.

        Raises:
            DataError: One has no answer.
            Abandoned: Nobody waits any more.
        """

    def infer(self, inputs: Array) -> Mapping[str, Array]:
        """Prepared inputs, the batch first, to outputs by name.

        Raises:
            DataError: They are not what the network takes.
        """

    def features(self, prepared: Any, /) -> Sequence[Mapping[str, float]]:
        """What a log keeps of each input of a prepared file; asked in a thread that nobody waits for."""

    def features_of(self, inputs: Array, /) -> Mapping[str, float]:
        """The same of one prepared input, without the batch axis."""

    def size_of(self, file: RawFile) -> int:
        """How many values a file holds once it is decoded, as far as its beginning tells; 0 where it does not."""
