"""The Free Spoken Digit Dataset: what is said, and who says it, stands in the names of the files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import torch

from framework_core import DataError
from framework_core.errors import near_names
from framework_plugins_audio.datasets.audio_module import Recordings
from framework_plugins_audio.datasets.published_sounds import PublishedSounds
from framework_plugins_audio.splits import stratified_split

NAME = re.compile(r"(\d)_([^/_]+)_(\d+)\.wav")
TESTED = range(5)
"""The recordings of each digit and speaker that the authors test on."""


class Spoken(NamedTuple):
    """A recording, by its name."""

    name: str
    digit: int
    speaker: str
    number: int


class Fsdd(PublishedSounds):
    """Spoken digits of Zohar Jackson and others, https://github.com/Jakobovski/free-spoken-digit-dataset.

    Args:
        test_speaker: A speaker to test on and not to train on; empty takes the official test, recordings 0 to 4.
        val_fraction: The share of the training recordings kept for validation.
        split_seed: Decides which recordings go where.
        **files: What every published set takes: ``path``, ``mirror``, ``sample_rate``, ``seconds`` ...
    """

    edition = "fsdd"

    def __init__(
        self, test_speaker: str | None = None, val_fraction: float = 0.1, split_seed: int = 0, **files: Any
    ) -> None:
        super().__init__(**files)
        self.test_speaker = test_speaker
        self.val_fraction = val_fraction
        self.split_seed = split_seed
        self.class_names = tuple(str(digit) for digit in range(10))

    def setup(self, stage: str | None = None) -> None:
        """Find the recordings, check them and split them.

        Raises:
            DataError: There are none, or none of the speaker to test on.
        """
        if self.train_dataset is not None:
            return
        spoken = self._spoken()
        tested = [self._is_tested(each) for each in spoken]
        others = [each for each, test in zip(spoken, tested, strict=True) if not test]
        split = stratified_split(
            [each.digit for each in others], val_fraction=self.val_fraction, test_fraction=0.0, seed=self.split_seed
        )
        splits = {name: [others[index] for index in indices] for name, indices in split.items()}
        splits["test"] = [each for each, test in zip(spoken, tested, strict=True) if test]
        self.use(self.source(), {name: _recordings(found) for name, found in splits.items()})

    def _spoken(self) -> list[Spoken]:
        found = []
        for name in self.files(".wav"):
            if match := NAME.fullmatch(Path(name).name):
                found.append(Spoken(name, int(match[1]), match[2], int(match[3])))
        if not found:
            raise DataError(
                f"There are no recordings in {self.place}.",
                paths=[self.place],
                possible="Their names are digit, speaker and number: 7_theo_12.wav",
                next_step="Name the folder or the zip archive that they are in: dataset.path=PATH",
            )
        speakers = sorted({each.speaker for each in found})
        if self.test_speaker is not None and self.test_speaker not in speakers:
            near = near_names(self.test_speaker, speakers)
            raise DataError(
                f"There is no speaker {self.test_speaker!r} in {self.place}.",
                paths=[self.place],
                possible=f"Near it: {', '.join(near)}." if near else f"There are {', '.join(speakers)}.",
                next_step="Name one: dataset.test_speaker=NAME",
            )
        return sorted(found, key=lambda each: each[1:])

    def _is_tested(self, each: Spoken) -> bool:
        if self.test_speaker is not None:
            return each.speaker == self.test_speaker
        return each.number in TESTED


def _recordings(spoken: list[Spoken]) -> Recordings:
    return Recordings(
        [each.name for each in spoken],
        torch.tensor([each.digit for each in spoken], dtype=torch.int64),
        {"speaker": [each.speaker for each in spoken]},
    )
