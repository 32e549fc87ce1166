"""Sounds where a model answers: from the content of a file to windows, and to one row. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import ClassVar

import numpy as np

from framework_core.serving.processing import Preprocessing, Row, Sample
from framework_plugins_audio import reading
from framework_plugins_audio.clips import ClipReader
from framework_plugins_audio.resampling import resampled_length
from framework_plugins_audio.sound_features import sound_features
from framework_plugins_audio.whole_sounds import OVERLAP, clips_of, row_of, together


class SoundInputs(Preprocessing):
    """A sound at the rate, channels and length that a model was trained on; a longer one in windows that overlap.

    Args:
        sample_rate: Samples a second.
        channels: 1 is the mean of all channels; any other number is what a file has to have.
        length: The samples of a window.
    """

    suffixes: ClassVar[tuple[str, ...]] = reading.SUFFIXES

    def __init__(self, sample_rate: int, channels: int, length: int) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.length = length

    def samples(self, content: bytes, suffix: str) -> Sequence[Sample]:
        """The windows of a sound, ``(channels, samples)``, filled up with zeros at the end.

        Raises:
            DataError: It cannot be read, or has other channels.
        """
        reader = ClipReader(_Content(content), self.sample_rate, self.channels, self.length)
        clips = clips_of(f"input{suffix}", reader)
        row = row_of(clips)
        found = []
        for clip in clips:
            sound = reader(clip)
            window = np.zeros((self.channels, self.length), dtype=np.float32)
            window[:, : sound.shape[1]] = sound
            found.append(Sample(window, row))
        return found

    def features(self, sample: Sample) -> dict[str, float]:
        """Level, peak, changes of sign, silence."""
        return sound_features(sample.input)

    def size_of(self, content: bytes, suffix: str) -> int:
        """The samples of all channels, or those of all windows where they are more; 0 where it is no sound."""
        try:
            header = reading.header(BytesIO(content))
        except reading.UNREADABLE:
            return 0
        count = resampled_length(header.frames, header.rate, self.sample_rate)
        taken = max(self.length, round(count / (1 - OVERLAP))) * self.channels
        return max(header.frames * header.channels, taken)

    def rows(self, samples: Sequence[Sample], said: Sequence[Row]) -> list[Row]:
        """A row: how long the sound is, how many windows it took, and what the model said of all of them."""
        return [{**samples[0].row, **together(said)}]


class _Content:
    """The one file that was sent, whatever it is called."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def place(self, name: str) -> BytesIO:
        """It, from its beginning."""
        return BytesIO(self.content)
