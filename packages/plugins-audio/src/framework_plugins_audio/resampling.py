"""Another sample rate, by soxr (https://soxr.sourceforge.net), for a whole sound or a window of it."""

from __future__ import annotations

from math import ceil, gcd
from typing import NamedTuple

import soxr

from framework_plugins_audio.reading import Samples

REACH = 256
"""Frames to each side, of the lower of the two rates, that a sample of the new rate is made from at most."""


class Span(NamedTuple):
    """What is read for a window of the new rate."""

    start: int
    """The first frame of the old rate."""

    stop: int
    """The frame after the last of the old rate."""

    skip: int
    """The samples of the new rate, made of these, that lie before the window."""


def resampled(sound: Samples, rate: int, to: int) -> Samples:
    """A sound ``(frames, channels)`` at another rate."""
    if rate == to or not len(sound):
        return sound
    found: Samples = soxr.resample(sound, rate, to, quality="HQ")
    return found


def resampled_length(frames: int, rate: int, to: int) -> int:
    """How many samples so many frames become."""
    return max(1, ceil(frames * to / rate)) if frames else 0


def span_of(first: int, count: int, rate: int, to: int) -> Span:
    """What has to be read so that a window is what it would be in the whole sound.

    It begins where samples of both rates fall together: a window that began between two would be moved by a part of
    a sample.

    Args:
        first: The window's first sample, at the new rate.
        count: How many samples it has.
        rate: The old rate.
        to: The new rate.
    """
    if rate == to:
        return Span(first, first + count, 0)
    step = gcd(rate, to)
    up, down = to // step, rate // step
    reach = ceil(REACH * max(1.0, to / rate))
    blocks = max(0, first - reach) // up
    stop = ceil((first + count + reach) * rate / to)
    return Span(blocks * down, stop, first - blocks * up)
