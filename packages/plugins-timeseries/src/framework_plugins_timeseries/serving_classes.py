"""Series to be classified where a model answers: from the content of a file to inputs. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from framework_core.serving.processing import Preprocessing, Sample
from framework_plugins_timeseries.labelled_files import SUFFIXES, labelled_of
from framework_plugins_timeseries.labelled_series import Preparation, check_channels
from framework_plugins_timeseries.scaling import Scaler, as_float32


class LabelledInputs(Preprocessing):
    """The series of a file of the UCR and UEA archives, a row each.

    Args:
        channels: How many channels a series has.
        length: How many steps it is brought to.
        unequal: How.
        missing: What stands for a missing value.
        scaler: The scale of each channel; ``None`` where each series has its own.
    """

    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES

    def __init__(
        self, channels: int, length: int, unequal: str, missing: str, scaler: Mapping[str, Any] | None = None
    ) -> None:
        self.channels = channels
        self.preparation = Preparation(length, unequal, missing, Scaler.of(scaler) if scaler else None)

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The series of a file, ``(channels, steps)`` each.

        Raises:
            DataError: It cannot be read, or has other channels.
        """
        path = Path(f"input{suffix}")
        found = labelled_of(content, path)
        check_channels(found, self.channels)
        values = as_float32(self.preparation.apply(found), path)
        return [Sample(each, {"line": series.line}) for each, series in zip(values, found.samples, strict=True)]
