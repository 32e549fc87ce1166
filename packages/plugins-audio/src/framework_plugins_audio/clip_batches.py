"""Clips with a target each, a batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from framework_core import BatchDataset, DataError
from framework_plugins_audio.clips import Clip
from framework_plugins_audio.reading import Samples

_log = logging.getLogger("framework_core")


class Clips(BatchDataset):
    """Clips with a target each; one shorter than the others is filled up at its end with zeros.

    Args:
        clips: The clips.
        targets: One for each clip, the sample axis first; nothing for clips to predict.
        reader: From a clip to its samples, ``(channels, samples)``.
        shape: The shape of a clip: channels and samples.
        skip: Whether a clip that cannot be read is left out of its batch, with a warning; it is an error otherwise.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        targets: Tensor | None,
        reader: Callable[[Clip], Samples],
        shape: tuple[int, int],
        *,
        skip: bool = False,
    ) -> None:
        self.clips = list(clips)
        self.targets = targets
        self.reader = reader
        self.shape = shape
        self.skip = skip
        self._skipped: set[str] = set()

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, indices: Tensor) -> Any:
        """The clips of these indices, without those that are to be skipped, and their targets if they have any.

        Raises:
            DataError: One cannot be read, or none can.
        """
        numbers = indices.tolist()
        room = torch.zeros(len(numbers), *self.shape)
        filled = room.numpy()
        kept: list[int] = []
        for number in numbers:
            sound = self._read(self.clips[number])
            if sound is not None:
                filled[len(kept), :, : sound.shape[1]] = sound
                kept.append(number)
        if not kept:
            name = self.clips[numbers[0]].recording.name
            raise DataError(
                f"None of the {len(numbers)} clips of a batch can be read, {name} among them.",
                next_step="Check all files before training: dataset.verify=full",
            )
        room = room[: len(kept)]
        return room if self.targets is None else (room, self.targets[kept])

    def __getitem__(self, index: int) -> Any:
        found = self.batch(torch.tensor([index]))
        return found[0] if self.targets is None else tuple(each[0] for each in found)

    def _read(self, clip: Clip) -> Samples | None:
        try:
            return self.reader(clip)
        except DataError as error:
            if not self.skip:
                raise
            if clip.recording.name not in self._skipped:
                self._skipped.add(clip.recording.name)
                _log.warning("left out (%d so far): %s", len(self._skipped), error.what)
            return None
