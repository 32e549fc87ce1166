"""Speech Commands: words of a second, said by thousands; split by a hash of who said them."""

from __future__ import annotations

import hashlib
import random
import re
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from framework_core import DataError
from framework_plugins_audio import reading
from framework_plugins_audio.datasets.audio_module import Recordings
from framework_plugins_audio.datasets.published_sounds import PublishedSounds

WANTED = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
"""The words of the set of 12 classes (Warden, https://arxiv.org/abs/1804.03209, section 7)."""

UNKNOWN, SILENCE = "_unknown_", "_silence_"
NOISE = "_background_noise_"
FOLDER = "speech_commands_v0.02"
LISTS = {"val": "validation_list.txt", "test": "testing_list.txt"}
SHARE = 0.1
"""The share of a split's words that there is of unknown words, and again of silence (Warden, section 7)."""

MOST_FILES = 2**27 - 1
"""What hashes are taken the remainder of, less one (Warden, section 6)."""

PLACES = {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}
"""Which part of each noise the silence of a split is taken from: none is in two."""


class Word(NamedTuple):
    """A word that was said."""

    name: str
    """Its file."""

    word: str
    speaker: str


class SpeechCommands(PublishedSounds):
    """Words of the Speech Commands of Warden, https://arxiv.org/abs/1804.03209, version 2.

    Args:
        classes: 35, all words; or 12: ten words, ``_unknown_`` for some of the others, and ``_silence_``.
        split_seed: With 12 classes, decides which other words and which silence are taken.
        **files: What every published set takes: ``path``, ``mirror``, ``sample_rate``, ``seconds`` ...
    """

    edition = "speech_commands"

    def __init__(self, classes: int = 35, split_seed: int = 0, **files: Any) -> None:
        super().__init__(**files)
        self.classes = classes
        self.split_seed = split_seed

    @property
    def place(self) -> Path:
        """The folder that the set is in."""
        return super().place if self.path is not None else super().place.parent / FOLDER

    def prepare_data(self) -> None:
        """Fetch and unpack the archive, unless a path was given or it is there.

        Raises:
            DataError: It cannot be fetched or unpacked.
        """
        super().prepare_data()
        if self.path is None and not self.place.is_dir():
            _unpack(super().place, self.place)

    def setup(self, stage: str | None = None) -> None:
        """Find the words, check them and split them.

        Raises:
            DataError: There are none.
        """
        if self.train_dataset is not None:
            return
        names = self.files(".wav")
        words = [_word(name) for name in names if Path(name).parent.name != NOISE]
        if not words:
            raise DataError(
                f"There are no words in {self.place}.",
                paths=[self.place],
                possible="A word is in the folder of its name: yes/0a7c2a8d_nohash_0.wav",
                next_step="Name the folder that the set was unpacked to: dataset.path=FOLDER",
            )
        split = self._by_speaker(words)
        if self.classes == 35:
            self.class_names = tuple(sorted({each.word for each in words}))
            made = {name: self._recordings(found, []) for name, found in split.items()}
        else:
            self.class_names = (*WANTED, UNKNOWN, SILENCE)
            noises = [name for name in names if Path(name).parent.name == NOISE]
            made = {name: self._of_twelve(name, found, noises) for name, found in split.items()}
        self.use(self.source(), made)

    def _by_speaker(self, words: Sequence[Word]) -> dict[str, list[Word]]:
        """By the lists of the authors where they are there, and by the hash that made them where not."""
        texts = {Path(name).name: name for name in self.files(".txt")}
        lists = {
            split: set(self.content(texts[file]).decode().split()) for split, file in LISTS.items() if file in texts
        }
        found: dict[str, list[Word]] = {"train": [], "val": [], "test": []}
        for each in words:
            path = f"{each.word}/{Path(each.name).name}"
            if lists:
                which = next((name for name, listed in lists.items() if path in listed), "train")
            else:
                which = which_set(Path(each.name).name)
            found[which].append(each)
        return found

    def _of_twelve(self, split: str, words: Sequence[Word], noises: Sequence[str]) -> Recordings:
        """Ten words, and a tenth as many of unknown words and of silence."""
        chance = random.Random(f"{self.split_seed} {split}")
        wanted = [each for each in words if each.word in WANTED]
        others = [each for each in words if each.word not in WANTED]
        count = -(-len(wanted) * SHARE // 1)
        unknown = chance.sample(others, k=min(len(others), int(count)))
        return self._recordings([*wanted, *unknown], self._silence(split, noises, int(count), chance))

    def _silence(
        self, split: str, noises: Sequence[str], count: int, chance: random.Random
    ) -> list[tuple[str, float, float]]:
        """Seconds of noise: the file, and from when to when."""
        if not noises:
            raise DataError(
                f"There is no noise in {self.place}: {SILENCE} is taken from {NOISE}/*.wav.",
                paths=[self.place],
                next_step="Without silence: dataset.classes=35",
            )
        first, last = PLACES[split]
        lengths = {name: self._seconds(name) for name in noises}
        long = [name for name in noises if (last - first) * lengths[name] > 1]
        found = []
        for _ in range(count if long else 0):
            name = chance.choice(long)
            begin = chance.uniform(first * lengths[name], last * lengths[name] - 1)
            found.append((name, begin, begin + 1))
        return found

    def _seconds(self, name: str) -> float:
        try:
            header = reading.header(self.shelf.place(name))
        except reading.UNREADABLE as error:
            raise DataError(f"The sound {name} cannot be read: {reading.reason(error)}", paths=[name]) from error
        return header.frames / header.rate

    def _recordings(self, words: Sequence[Word], silence: Sequence[tuple[str, float, float]]) -> Recordings:
        numbers = {name: number for number, name in enumerate(self.class_names)}
        labels = [numbers.get(each.word, numbers.get(UNKNOWN, 0)) for each in words]
        labels += [numbers[SILENCE]] * len(silence) if silence else []
        groups = {"speaker": [each.speaker for each in words] + [NOISE] * len(silence)}
        if self.classes != 35:
            groups["word"] = [each.word for each in words] + [SILENCE] * len(silence)
        spans: list[tuple[float, float | None]] = [(0.0, None)] * len(words)
        return Recordings(
            [*(each.name for each in words), *(name for name, _, _ in silence)],
            torch.tensor(labels, dtype=torch.int64),
            groups,
            spans + [(begin, end) for _, begin, end in silence],
        )


def which_set(file: str) -> str:
    """The split of a file by its name: all that one speaker said is in one (Warden, section 6).

    Args:
        file: ``0a7c2a8d_nohash_0.wav``.
    """
    speaker = re.sub(r"_nohash_.*$", "", file)
    hashed = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16)
    share = hashed % (MOST_FILES + 1) * (100.0 / MOST_FILES)
    return "val" if share < 10 else "test" if share < 20 else "train"


def _word(name: str) -> Word:
    path = Path(name)
    return Word(name, path.parent.name, path.name.partition("_nohash_")[0])


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive that holds files and folders without one around them; whole or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as place:
        whole = Path(place) / "all"
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(whole, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(f"The archive {archive} cannot be unpacked: {error}", paths=[archive]) from error
        whole.replace(folder)
