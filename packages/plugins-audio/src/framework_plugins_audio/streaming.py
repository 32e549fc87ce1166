"""Sound that goes on: windows that move over it, and what is heard in them, told once each time."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from framework_core import DataError

STDIN = Path("-")
"""In place of a file: samples of 16 bits without a header, as another program sends them."""

BYTES_A_SAMPLE = 2
SCALE = 32768.0

NOTHING = ("_silence_", "_unknown_", "_background_noise_")
"""Names of classes that stand for nothing to be told."""


class Window(NamedTuple):
    """A part of a stream.

    Attributes:
        seconds: Where it ends, from the beginning of the stream.
        wave: ``(channels, samples)``.
    """

    seconds: float
    wave: Tensor


class SoundStream(IterableDataset[Window]):
    """A file, or what another program sends, as windows of the length that a model was trained on.

    Args:
        path: A sound file; ``-`` reads 16-bit samples from standard input, at ``sample_rate``, channels interleaved.
        sample_rate: Samples a second that the model was trained on; a file of another rate is resampled on the way.
        channels: Channels that the model was trained on; for one, those of the file are averaged.
        samples: Samples of a window.
        hop_seconds: How far a window is from the next.

    Raises:
        DataError: The file cannot be read, or has another number of channels.
    """

    def __init__(self, path: Path, *, sample_rate: int, channels: int, samples: int, hop_seconds: float) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self.channels = channels
        self.samples = samples
        self.hop_seconds = hop_seconds
        if path != STDIN:
            with self._opened():
                pass

    def __iter__(self) -> Iterator[Window]:
        """Windows in order; the first is full after its length, the last is filled up with zeros."""
        hop = max(1, round(self.hop_seconds * self.sample_rate))
        held, begin = np.zeros((self.channels, 0), dtype=np.float32), 0
        due = self.samples
        for block in self._blocks(hop):
            held = np.concatenate([held, block], axis=1)
            while begin + held.shape[1] >= due:
                first = due - self.samples - begin
                yield self._window(held[:, first : first + self.samples], due)
                due += hop
            passed = min(due - self.samples - begin, held.shape[1])
            held, begin = held[:, passed:], begin + passed
        end = begin + held.shape[1]
        if end > due - hop or 0 < end < self.samples:
            yield self._window(held[:, due - self.samples - begin :], end)

    def _window(self, wave: npt.NDArray[np.float32], end: int) -> Window:
        """A window that ends at a sample, filled up with zeros."""
        whole = np.zeros((self.channels, self.samples), dtype=np.float32)
        whole[:, : wave.shape[1]] = wave
        return Window(end / self.sample_rate, torch.from_numpy(whole))

    def _blocks(self, frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Samples as they come, ``(channels, frames)``, at the rate of the model."""
        if self.path == STDIN:
            yield from self._sent(sys.stdin.buffer, frames)
            return
        with self._opened() as file, closing(file):
            rate = file.samplerate
            change = soxr.ResampleStream(rate, self.sample_rate, self.channels) if rate != self.sample_rate else None
            size = max(1, round(frames * rate / self.sample_rate))
            while len(block := file.read(size, dtype="float32", always_2d=True)):
                mixed = block.mean(axis=1, keepdims=True) if self.channels == 1 else block
                yield (mixed if change is None else change.resample_chunk(mixed)).T
            if change is not None:
                yield change.resample_chunk(np.zeros((0, self.channels), np.float32), last=True).T

    def _sent(self, source: BinaryIO, frames: int) -> Iterator[npt.NDArray[np.float32]]:
        size = frames * self.channels * BYTES_A_SAMPLE
        while content := source.read(size):
            whole = len(content) - len(content) % (self.channels * BYTES_A_SAMPLE)
            numbers = np.frombuffer(content[:whole], dtype="<i2").astype(np.float32) / SCALE
            yield numbers.reshape(-1, self.channels).T

    def _opened(self) -> soundfile.SoundFile:
        try:
            file = soundfile.SoundFile(self.path)
        except (OSError, RuntimeError) as error:
            there = self.path.is_file()
            cause = "it is no sound file that can be read" if there else "there is no such file"
            raise DataError(
                f"{self.path} cannot be followed: {cause}.",
                paths=[self.path],
                possible="A sound file, or - for 16-bit samples from another program.",
            ) from error
        if self.channels != 1 and file.channels != self.channels:
            found = file.channels
            file.close()
            raise DataError(
                f"{self.path} has {found} channels, and the model was trained on {self.channels}.", paths=[self.path]
            )
        return file


class Heard:
    """What is heard in one window after the other, each told when it begins.

    The probabilities of the last windows are averaged. A class is told when it is likely enough, and again only after
    it was not.

    Args:
        names: The name of each class.
        threshold: The probability from which a class counts as heard.
        windows: Over how many windows probabilities are averaged.
        single: Whether only the likeliest class counts.
    """

    def __init__(self, names: Sequence[str], *, threshold: float, windows: int, single: bool) -> None:
        self.names = tuple(names)
        self.threshold = threshold
        self.single = single
        self._last: deque[Tensor] = deque(maxlen=max(1, windows))
        self._sounding: set[str] = set()

    def __call__(self, probabilities: Tensor | None) -> list[tuple[str, float]]:
        """What begins with a window, with its probability.

        Args:
            probabilities: ``(classes,)``; nothing for a window without a sound.
        """
        self._last.append(torch.zeros(len(self.names)) if probabilities is None else probabilities.float().cpu())
        mean = torch.stack(list(self._last)).mean(dim=0)
        best = int(mean.argmax())
        sounding = {
            name: float(share)
            for index, (name, share) in enumerate(zip(self.names, mean.tolist(), strict=True))
            if share >= self.threshold and name not in NOTHING and (not self.single or index == best)
        }
        begun = [(name, share) for name, share in sounding.items() if name not in self._sounding]
        self._sounding = set(sounding)
        return begun
