"""Sound files to predict, and the rows that the answers become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from framework_core import DataSpec
from framework_plugins_audio.clip_batches import Clips
from framework_plugins_audio.clips import ClipReader
from framework_plugins_audio.shelves import Files
from framework_plugins_audio.whole_sounds import clips_of, row_of, sound_of, together


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
        self.of_files = [clips_of(path, reader) for path in self.paths]
        clips = [clip for of_file in self.of_files for clip in of_file]
        super().__init__(clips, None, reader, (channels, length))

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A row for each file: its length, how many windows it took, and what the model said of all of them."""
        said = _said(batches)
        found = []
        for path, clips in zip(self.paths, self.of_files, strict=True):
            of_file = [next(said) for _ in clips]
            found.append({"path": path} | row_of(clips) | together(of_file))
        return found


def _said(batches: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """What the model said of each window."""
    for batch in batches:
        columns = {name: list(_plain(values)) for name, values in batch.items()}
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))


def _plain(values: Any) -> Any:
    return values.tolist() if hasattr(values, "tolist") else values
