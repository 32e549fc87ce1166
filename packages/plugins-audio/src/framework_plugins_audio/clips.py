"""Clips: windows of recordings, all of one rate, number of channels and length."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from framework_core.errors import DataError
from framework_plugins_audio import reading
from framework_plugins_audio.reading import Samples
from framework_plugins_audio.resampling import resampled, resampled_length, span_of
from framework_plugins_audio.shelves import Giver


class Recording(NamedTuple):
    """A sound file, or the part of one that has a target."""

    name: str
    """What its shelf knows it by: a path."""

    rate: int
    """Frames a second, of the file."""

    begin: int
    """The first frame of the file that belongs to it."""

    end: int
    """The frame after the last."""


class Clip(NamedTuple):
    """A window of a recording."""

    recording: Recording
    first: int
    """Its first sample, at the rate of the model, from the beginning of the recording."""


class ClipReader:
    """Reads windows of recordings; of a long one no more than the window is decoded.

    Args:
        shelf: Gives the files.
        sample_rate: The rate that clips have.
        channels: How many channels they have; 1 is the mean of those of the file.
        length: How many samples they have at most.
    """

    def __init__(self, shelf: Giver, sample_rate: int, channels: int, length: int) -> None:
        self.shelf = shelf
        self.sample_rate = sample_rate
        self.channels = channels
        self.length = length

    def __call__(self, clip: Clip) -> Samples:
        """The samples of a clip, ``(channels, samples)``, as many as there are.

        Raises:
            DataError: It cannot be read.
        """
        return self.part(clip.recording, clip.first, self.length)

    def whole(self, recording: Recording) -> Samples:
        """All of a recording, ``(channels, samples)``.

        Raises:
            DataError: It cannot be read.
        """
        return self.part(recording, 0, self.samples_in(recording))

    def samples_in(self, recording: Recording) -> int:
        """How many samples a recording has at the rate of clips."""
        return resampled_length(recording.end - recording.begin, recording.rate, self.sample_rate)

    def part(self, recording: Recording, first: int, count: int) -> Samples:
        """Some samples of a recording.

        Raises:
            DataError: It cannot be read.
        """
        name, rate, begin, end = recording
        span = span_of(first, count, rate, self.sample_rate)
        try:
            found = reading.samples(self.shelf.place(name), begin + span.start, min(end, begin + span.stop))
        except reading.UNREADABLE as error:
            raise DataError(f"The sound {name} cannot be read: {reading.reason(error)}", paths=[name]) from error
        ready = resampled(mixed(found, self.channels), rate, self.sample_rate)
        window: Samples = ready[span.skip : span.skip + count].T
        return window


def mixed(sound: Samples, channels: int) -> Samples:
    """A sound ``(frames, channels)`` with as many channels as asked for; one is the mean of those there are.

    Raises:
        DataError: It has another number of channels than asked for.
    """
    there = sound.shape[1]
    if there == channels:
        return sound
    if channels == 1:
        # A product is thirty times as fast as numpy's mean over so short an axis.
        mean: Samples = sound @ np.full((there, 1), 1 / there, np.float32)
        return mean
    raise DataError(
        f"A sound has {there} channels, and {channels} are wanted.",
        next_step="Mix all channels to one: dataset.channels=1",
    )


def windows(length: int, window: int, overlap: float) -> list[int]:
    """Where the windows of a recording begin, in samples; the last ends where the recording does.

    Args:
        length: The samples of the recording.
        window: Those of a window.
        overlap: The share of a window that the next one has too.
    """
    if length <= window:
        return [0]
    step = max(1, round(window * (1 - overlap)))
    return [*range(0, length - window, step), length - window]
