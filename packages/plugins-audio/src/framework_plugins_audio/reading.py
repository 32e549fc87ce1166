"""From a sound file to its samples: by what it holds, not by how it is called; any part of it without the rest."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64")
"""The endings that sound files have."""

UNREADABLE = (OSError, ValueError, EOFError, soundfile.LibsndfileError)
"""What is raised for a file that cannot be read."""

UNKNOWN_LENGTH = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""Lengths that a program writes that streams into a WAV file, and does not know the length yet."""

FLOATS = ("FLOAT", "DOUBLE")
"""Kinds of samples that may be no number."""

Samples = npt.NDArray[np.float32]
Place = str | BytesIO
"""A path, or the content of a file."""


class Header(NamedTuple):
    """What the beginning of a sound file says."""

    rate: int
    """Frames a second."""

    channels: int
    frames: int
    """Samples of each channel."""


class Sound(NamedTuple):
    """What a sound file turned out to hold, decoded to its end."""

    header: Header
    silent: bool
    """Whether every sample is 0."""


def header(place: Place) -> Header:
    """What a file says of itself.

    Raises:
        OSError: It is no sound file, holds no samples, or fewer than it says (as any of ``UNREADABLE``).
    """
    _refuse_empty(place)
    with soundfile.SoundFile(place) as file:
        found = Header(file.samplerate, file.channels, file.frames)
        if not found.frames:
            raise ValueError("it holds no samples, only a header")
        _refuse_cut_wav(place, found)
        return found


def decoded(place: Place) -> Sound:
    """A file decoded once from beginning to end, a part at a time.

    Raises:
        OSError: It cannot be decoded, is cut short, or has samples that are no numbers (as any of ``UNREADABLE``).
    """
    found = header(place)
    count, silent = 0, True
    with soundfile.SoundFile(place) as file:
        for block in _blocks(file):
            _refuse_no_numbers(block, count, found.rate)
            silent = silent and not block.any()
            count += len(block)
        # The length of an MP3 file is reckoned up to a frame or two of its own.
        if count < found.frames - (2 * MPEG_FRAME if file.format == "MP3" else 0):
            raise _cut_short(found.frames, count)
    return Sound(found._replace(frames=count), silent)


def samples(place: Place, start: int = 0, stop: int | None = None) -> Samples:
    """A part of a file, ``(frames, channels)``, from -1 to 1. What lies before it is passed over, not decoded.

    Args:
        place: The file.
        start: The first frame.
        stop: The frame after the last; empty reads to the end.

    Raises:
        OSError: It cannot be read (as any of ``UNREADABLE``).
    """
    if isinstance(place, str) and not Path(place).exists():
        raise FileNotFoundError(place)
    with soundfile.SoundFile(place) as file:
        if start:
            file.seek(min(start, file.frames))
        found: Samples = file.read(-1 if stop is None else max(0, stop - start), dtype="float32", always_2d=True)
        if file.subtype in FLOATS:
            _refuse_no_numbers(found, start, file.samplerate)
    return found


def reason(error: Exception) -> str:
    """Why a file cannot be read, in few words."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, soundfile.LibsndfileError):
        text = str(error.error_string).rstrip(".")
        # Of a file that is called .mp3 and holds none it says that there is no file, which was looked at before.
        if "not recognised" in text or "regular file" in text:
            return "it is no sound file of a known format"
        return "it is damaged or cut short" if not text or "malformed" in text or "decode" in text else text.lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).partition("\n")[0] or type(error).__name__


MPEG_FRAME = 1152
"""Samples of a frame of MPEG audio, at most."""

_BLOCK = 1 << 18
"""Frames decoded at a time, so that an hour takes no more memory than a second."""


def _blocks(file: soundfile.SoundFile) -> Any:
    while True:
        try:
            block: Samples = file.read(_BLOCK, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            raise ValueError("it is damaged or cut short") from None
        if not len(block):
            return
        yield block


def _refuse_empty(place: Place) -> None:
    if isinstance(place, str):
        path = Path(place)
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        if not path.stat().st_size:
            raise ValueError("it is empty (0 bytes)")
    elif not place.getbuffer().nbytes:
        raise ValueError("it is empty (0 bytes)")


def _refuse_no_numbers(block: Samples, before: int, rate: int) -> None:
    if np.isfinite(block).all():
        return
    first = before + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
    raise ValueError(f"it has samples that are no numbers (NaN or infinite), the first at {first / rate:.3f} s")


def _refuse_cut_wav(place: Place, found: Header) -> None:
    """A WAV file that says more than there is; its decoder takes what is there without a word."""
    if isinstance(place, str):
        with Path(place).open("rb") as file:
            missing = _missing_of_wav(file, Path(place).stat().st_size)
    else:
        missing = _missing_of_wav(place, place.getbuffer().nbytes)
        place.seek(0)
    if missing:
        there = 1 - missing
        raise _cut_short(round(found.frames / there) if there else 0, found.frames)


def _missing_of_wav(file: BinaryIO, size: int) -> float:
    """The share of a WAV file's data that is not there."""
    file.seek(0)
    mark = file.read(12)
    order = {b"RIFF": "<", b"RIFX": ">"}.get(mark[:4])
    if order is None or mark[8:12] != b"WAVE":
        return 0.0
    place = 12
    while len(head := file.read(8)) == 8:
        (length,) = struct.unpack(f"{order}I", head[4:])
        place += 8
        if head[:4] == b"data":
            there = size - place
            return 0.0 if length in UNKNOWN_LENGTH or length <= there else (length - there) / length
        place += length + length % 2
        file.seek(place)
    return 0.0


def _cut_short(said: int, there: int) -> ValueError:
    return ValueError(f"it is cut short: its header promises {said:,} frames, and {there:,} are there")
