"""A sound of any length, by a model of windows: where its windows are, and what is said of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from framework_core.errors import DataError
from framework_plugins_audio import reading
from framework_plugins_audio.clips import Clip, ClipReader, Recording, windows

if TYPE_CHECKING:
    from framework_core import DataSpec

OVERLAP = 0.5
"""The share of a window that the next one has too, where a file is longer than what the model was trained on."""


def sound_of(data: DataSpec) -> tuple[int, int, int]:
    """Channels, samples and samples a second of what a model was trained on.

    Raises:
        DataError: It was not trained on sound.
    """
    rate = data.facts.get("sample_rate")
    if len(data.input_shape) != 2 or not isinstance(rate, int):
        raise DataError(f"The model was trained on inputs of shape {data.input_shape}, and those are no sounds.")
    channels, length = data.input_shape
    return channels, length, rate


def clips_of(name: str, reader: ClipReader) -> list[Clip]:
    """The windows of a whole file, which overlap.

    Args:
        name: What the reader's shelf knows it by.
        reader: At the rate, channels and length that the model was trained on.

    Raises:
        DataError: It cannot be read, or has other channels.
    """
    recording = _recording(name, reader)
    return [Clip(recording, first) for first in windows(reader.samples_in(recording), reader.length, OVERLAP)]


def row_of(clips: Sequence[Clip]) -> dict[str, Any]:
    """What an answer says of a file, beside its place: its length, and how many windows it took."""
    recording = clips[0].recording
    return {"seconds": round(recording.end / recording.rate, 3), "windows": len(clips)}


def together(said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What was said of all windows of a file.

    Of several windows, probabilities of classes and numbers are the mean; the probability of a tag is that of the
    window it is the highest in, as a sound that is there for a moment is there.

    Args:
        said: What was said of each.
    """
    first = said[0]
    if len(said) == 1:
        return first
    if "labels" in first:
        names = {name: max(each["probabilities"][name] for each in said) for name in first["probabilities"]}
        heard = {name for each in said for name in each["labels"]}
        return {**first, "labels": [name for name in names if name in heard], "probabilities": names}
    if "probabilities" in first:
        names = {name: _mean([each["probabilities"][name] for each in said]) for name in first["probabilities"]}
        label = max(names, key=lambda name: names[name])
        return {**first, "label": label, "confidence": names[label], "probabilities": names}
    return {name: _mean([each[name] for each in said]) for name in first}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _recording(name: str, reader: ClipReader) -> Recording:
    try:
        header = reading.header(reader.shelf.place(name))
    except reading.UNREADABLE as error:
        raise DataError(f"The sound {name} cannot be read: {reading.reason(error)}", paths=[name]) from error
    if reader.channels not in (1, header.channels):
        raise DataError(
            f"The sound {name} has {header.channels} channels, and the model was trained on {reader.channels}.",
            paths=[name],
        )
    return Recording(name, header.rate, 0, header.frames)
