"""What stands around the network where it answers, for a server that has no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from framework_core import DataError
from framework_core.serving import Postprocessing, Preprocessing, Sample


class WineFiles(Preprocessing):
    """From a file of one wine to its measurements, scaled as they were for training.

    Args:
        mean: Subtracted from each measurement.
        std: What each is divided by.
    """

    suffixes = (".csv",)

    def __init__(self, *, mean: Sequence[float], std: Sequence[float]) -> None:
        self._mean, self._std = np.array(mean, np.float32), np.array(std, np.float32)

    def samples(self, content: bytes, suffix: str) -> list[Sample]:
        """The wine of a file."""
        try:
            numbers = np.array([float(word) for word in content.decode().split(",")], np.float32)
        except ValueError as error:
            raise DataError(f"The file cannot be read: {error}.") from error
        if len(numbers) != len(self._mean):
            raise DataError(f"The file has {len(numbers)} numbers; a wine has {len(self._mean)}.")
        return [Sample((numbers - self._mean) / self._std)]


class Growers(Postprocessing):
    """The likeliest class and its probability, as ``GatedMLP.predict_step`` gives them.

    Args:
        class_names: The name of each class.
    """

    def __init__(self, *, class_names: Sequence[str]) -> None:
        self._class_names = class_names

    def rows(self, outputs: Mapping[str, np.ndarray[Any, Any]]) -> list[dict[str, Any]]:
        """``label`` and ``confidence``."""
        shares = np.exp(outputs["output"] - outputs["output"].max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=1).tolist()
        return [
            {"label": self._class_names[index], "confidence": float(row[index])}
            for index, row in zip(best, shares, strict=True)
        ]
