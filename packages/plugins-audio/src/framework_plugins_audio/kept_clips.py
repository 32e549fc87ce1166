"""Recordings kept in memory once they are decoded, so that each is decoded once and not in every epoch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from framework_core import DataError
from framework_plugins_audio.clips import Clip, ClipReader, Recording
from framework_plugins_audio.reading import Samples

LIMIT = 256 << 20
"""Bytes of decoded recordings that ``dataset.cache=auto`` keeps at most."""


class KeptClips:
    """A reader that remembers the recordings that it read.

    Args:
        reader: Reads recordings.
    """

    def __init__(self, reader: ClipReader) -> None:
        self.reader = reader
        self._kept: dict[Recording, Samples] = {}

    def __call__(self, clip: Clip) -> Samples:
        """The samples of a clip; its recording is read the first time.

        Raises:
            DataError: It cannot be read.
        """
        sound = self._kept.get(clip.recording)
        if sound is None:
            sound = self._kept[clip.recording] = self.reader.whole(clip.recording)
        return sound[:, clip.first : clip.first + self.reader.length]

    def fill(self, recordings: Sequence[Recording]) -> None:
        """Read all that is missing, so that processes started from here on share it."""
        missing = [each for each in dict.fromkeys(recordings) if each not in self._kept]
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for recording, sound in zip(missing, pool.map(self._or_nothing, missing), strict=True):
                if sound is not None:
                    self._kept[recording] = sound

    def _or_nothing(self, recording: Recording) -> Samples | None:
        """What cannot be read is told when its turn comes."""
        try:
            return self.reader.whole(recording)
        except DataError:
            return None


def decoded_size(recordings: Sequence[Recording], reader: ClipReader) -> int:
    """How many bytes all recordings take once they are decoded."""
    return sum(4 * reader.channels * reader.samples_in(each) for each in set(recordings))
