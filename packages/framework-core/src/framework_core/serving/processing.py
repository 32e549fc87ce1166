"""What stands around a network where it answers: from the content of a file to its inputs, and to rows of answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from framework_core.contracts.processing import Processing
from framework_core.errors import MissingPackageError

Array = np.ndarray[Any, Any]
Row = dict[str, Any]

Network = Callable[[Array], Mapping[str, Array]]
"""From prepared inputs, the batch first, to outputs by name."""


@dataclass(frozen=True)
class Sample:
    """One input of a network.

    Attributes:
        input: As the network takes it, without the batch axis.
        row: What is known of it before the network is asked, and stands in the answer: ``{"line": 3}``.
    """

    input: Array
    row: Mapping[str, Any] = field(default_factory=dict)


class Preprocessing(ABC):
    """From the content of a file to inputs, exactly as validation data was prepared. Imports no torch.

    A subclass is built from the settings of its ``Processing``; its module needs nothing but numpy and the
    requirements named there.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    """The files that it reads: ``.png``. The first is assumed where nobody says; text is ``.txt``."""

    @abstractmethod
    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The samples of a file: one, or several where it has several (lines of text, windows of a sound).

        Args:
            content: What stands in the file.
            suffix: Its ending, in small letters: one of ``suffixes``.

        Raises:
            DataError: It cannot be read.
        """

    def size_of(self, content: bytes, suffix: str) -> int:
        """How many values (pixels, samples of a sound) a file holds once it is decoded: a server has a limit.

        It is told without decoding. 0, the default, is for files that do not grow when they are read, as text.
        """
        return 0

    def batch(self, inputs: Sequence[Array]) -> Array:
        """Inputs as one array, the batch axis first; where they differ in length, filled up to the longest."""
        return np.stack(inputs)

    def features(self, sample: Sample) -> dict[str, float]:
        """What can be said of an input in a few numbers, by name; drift is told from them, and they go into logs.

        They are made of ``sample.input`` alone, and do not give it away. The default is ``features.statistics``.

        Args:
            sample: One input; in the reference of training its ``row`` is empty.
        """
        from framework_core.serving.features import statistics

        return statistics(sample.input)

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """The answer to a file: by default a row for each sample.

        Args:
            samples: The samples of the file.
            said: What the network said of each, after postprocessing.
        """
        return [{**sample.row, **row} for sample, row in zip(samples, said, strict=True)]


class Asking(ABC):
    """How a network is asked, and what is made of its answers: the rows of ``predict_step`` of the model. No torch.

    A model that makes a text token by token is asked again and again; for any other there is ``Postprocessing``.
    """

    @abstractmethod
    def answer(self, network: Network, inputs: Array) -> list[Row]:
        """What the network says of each sample, as plain values.

        Args:
            network: From prepared inputs to outputs by name: ``output``, and ``probabilities`` where there are some.
            inputs: The samples, the batch axis first, as ``Preprocessing.batch`` gives them.
        """


class Postprocessing(Asking):
    """From the outputs of a network to a row for each sample, as ``predict_step`` of the model gives. No torch."""

    def answer(self, network: Network, inputs: Array) -> list[Row]:
        """The rows of what the network gives, asked once."""
        return self.rows(network(inputs))

    @abstractmethod
    def rows(self, outputs: Mapping[str, Array]) -> list[Row]:
        """What the network said of each sample, as plain values: ``{"label": "cat", "confidence": 0.9}``.

        Args:
            outputs: ``output`` is what the model's ``forward`` gives; ``probabilities`` is there where its
                ``probabilities`` gives some. The batch axis first.
        """


def build(processing: Processing) -> Any:
    """Make what a ``Processing`` describes.

    Raises:
        MissingPackageError: The package that it stands in, or one that it needs, is not installed.
    """
    module, _, name = processing.builder.partition(":")
    try:
        builder = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        package = error.name or module
        own = module.partition(".")[0]
        requirement = own.replace("_", "-") if package.partition(".")[0] == own else package
        raise MissingPackageError(
            package.partition(".")[0], needed_for="An answer of this model", requirement=requirement
        ) from error
    return builder(**processing.settings)
