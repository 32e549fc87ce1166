"""Sound files to predict, and the rows that the answers become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from framework_core import DataError, DataSpec
from framework_plugins_audio import reading
from framework_plugins_audio.clips import Clip, ClipReader, Clips, Recording, windows
from framework_plugins_audio.shelves import Files

OVERLAP = 0.5
"""The share of a window that the next one has too, where a file is longer than what the model was trained on."""


class SoundsToPredict(Clips):
    """Sound files at the rate, channels and length that a model was trained on; a longer one in windows that overlap.

    Args:
        paths: The files, in the order of the answers.
        data: What the model was trained on.

    Raises:
        DataError: One cannot be read, or the model was not trained on sound.
    """

    def __init__(self, paths: Sequence[str], data: DataSpec) -> None:
        channels, length, rate = sound_of(data)
        reader = ClipReader(Files(), rate, channels, length)
        self.paths = list(paths)
        self.seconds: list[float] = []
        self.counts: list[int] = []
        clips = []
        for path in paths:
            recording = _recording(path, channels)
            first = windows(reader.samples_in(recording), length, OVERLAP)
            clips += [Clip(recording, each) for each in first]
            self.counts.append(len(first))
            self.seconds.append(round(recording.end / recording.rate, 3))
        super().__init__(clips, None, reader, (channels, length))

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A row for each file: its length, how many windows it took, and what the model said of it.

        Of several windows, probabilities of classes and numbers are the mean; the probability of a tag is that of the
        window it is the highest in, as a sound that is there for a moment is there.
        """
        said = _said(batches)
        found = []
        for path, seconds, count in zip(self.paths, self.seconds, self.counts, strict=True):
            of_file = [next(said) for _ in range(count)]
            found.append({"path": path, "seconds": seconds, "windows": count} | _together(of_file))
        return found


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


def _recording(path: str, channels: int) -> Recording:
    try:
        header = reading.header(path)
    except reading.UNREADABLE as error:
        raise DataError(f"The sound {path} cannot be read: {reading.reason(error)}", paths=[path]) from error
    if channels not in (1, header.channels):
        raise DataError(
            f"The sound {path} has {header.channels} channels, and the model was trained on {channels}.", paths=[path]
        )
    return Recording(path, header.rate, 0, header.frames)


def _said(batches: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """What the model said of each window."""
    for batch in batches:
        columns = {name: list(_plain(values)) for name, values in batch.items()}
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))


def _together(said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What was said of all windows of a file."""
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


def _plain(values: Any) -> Any:
    return values.tolist() if hasattr(values, "tolist") else values
