"""What datasets of sound files have in common: checking, windows, keeping, and what samples belong to."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from framework_core import DataError
from framework_plugins_audio import reading
from framework_plugins_audio.audio_check import Checked, check_sounds
from framework_plugins_audio.clip_batches import Clips
from framework_plugins_audio.clips import Clip, ClipReader, Recording, windows
from framework_plugins_audio.datamodule import BaseAudioDataModule
from framework_plugins_audio.kept_clips import LIMIT, KeptClips, decoded_size
from framework_plugins_audio.resampling import resampled_length
from framework_plugins_audio.shelves import Files, Shelf

SHOWN = 20
"""How many files a message names."""

LONGEST_SECONDS = 10.0
"""The longest window where nobody says how long one is."""

_log = logging.getLogger("framework_core")


@dataclass
class Recordings:
    """The sound files of a split.

    Args:
        names: The files, as their shelf knows them: paths.
        targets: One for each, the sample axis first.
        groups: What each belongs to, by the name of the group.
        spans: From when to when each is taken, in seconds; the end is ``None`` where the file ends. Empty takes all of
            every file.
        places: Where each is named, for people; empty names the file.
    """

    names: list[str]
    targets: Tensor
    groups: dict[str, list[str]] = field(default_factory=dict)
    spans: list[tuple[float, float | None]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    def only(self, indices: Sequence[int]) -> Recordings:
        """Some of them."""
        return Recordings(
            [self.names[index] for index in indices],
            self.targets[torch.tensor(list(indices), dtype=torch.int64)],
            {name: [values[index] for index in indices] for name, values in self.groups.items()},
            [self.spans[index] for index in indices] if self.spans else [],
            [self.places[index] for index in indices] if self.places else [],
        )


class AudioFilesDataModule(BaseAudioDataModule):
    """Sound files. A subclass finds them in its ``setup`` and hands them to ``use``.

    Args:
        sample_rate: The samples a second that every file is brought to; empty takes the commonest of training.
        channels: 1 is the mean of all channels of a file; any other number is what every file has to have. Empty is 1.
        seconds: How long a sample is; empty takes the longest training recording, and no more than 10 s.
        overlap: The share of a window that the next one has too, where a recording is longer than ``seconds``.
        verify: ``full`` decodes every file once before training, ``quick`` looks at its beginning only.
        on_error: What is done with a file that cannot be read: ``refuse`` or ``skip``.
        cache: ``memory`` keeps decoded recordings, ``none`` does not, ``auto`` where they take 256 MB at most.
        **common: What every dataset of sound takes: ``batch_size``, ``num_workers`` ...
    """

    repair = "Repair them, or move them out of the folder."
    """What to do about files that cannot be read."""

    def __init__(
        self,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        seconds: float | None = None,
        overlap: float = 0.5,
        verify: str = "full",
        on_error: str = "refuse",
        cache: str = "auto",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.sample_rate = sample_rate
        self.channels = channels or 1
        self.seconds = seconds
        self.overlap = overlap
        self.verify = verify
        self.on_error = on_error
        self.cache = cache
        self.shelf: Shelf = Files()
        self.listed = ""
        self._read: Any = None
        self._fingerprint = ""
        self._left_out = 0

    def where(self, name: str) -> str:
        """A file, for people."""
        return name

    def use(self, source: str, splits: Mapping[str, Recordings]) -> None:
        """Check the files of each split, cut them into windows, and make datasets of them.

        Args:
            source: Where they come from; names what is kept of the check.
            splits: ``train``, ``val`` and ``test``, as far as there are such.

        Raises:
            DataError: Files cannot be read and are not to be skipped, or nothing is left to train on.
        """
        self.listed = self.listed or f"in {source}"
        splits = {split: found for split, found in splits.items() if len(found)}
        names = list(dict.fromkeys(name for found in splits.values() for name in found.names))
        checked = self._checked(source, names)
        splits = {split: _only(found, checked) for split, found in splits.items()}
        self._refuse_nothing(splits)
        self._refuse_lost_classes(splits["train"])
        recordings = {split: self._located(found, checked) for split, found in splits.items()}
        reader = self._reader(recordings["train"])
        self._read = self._kept([each for found in recordings.values() for each in found], reader)
        digest = hashlib.sha256(repr((reader.sample_rate, reader.channels, reader.length, self.overlap)).encode())
        for split, found in splits.items():
            self._make(split, found, recordings[split], reader)
            parts = [(checked[each.name].digest, Path(each.name).name, *each[1:]) for each in recordings[split]]
            digest.update(repr((split, parts)).encode())
            digest.update(found.targets.numpy().tobytes())
        self._fingerprint = f"{'content' if self.verify == 'full' else 'listing'}:{digest.hexdigest()[:32]}"

    def facts(self) -> dict[str, Any]:
        """The sample rate, and the number of files that were left out."""
        return super().facts() | ({"unreadable": self._left_out} if self._left_out else {})

    def fingerprint(self) -> str:
        """Of every file, its target and its split."""
        return self._fingerprint

    def sample_name(self, split: str, index: int) -> str:
        """The file, and where the window begins in it."""
        dataset: Any = self._split(split)
        clip: Clip = dataset.clips[index]
        at = clip.first / (self.sample_rate or 1) + clip.recording.begin / clip.recording.rate
        return f"{clip.recording.name}, from {at:.2f} s" if at else clip.recording.name

    def loading(self) -> str:
        """How sounds are loaded, and whether they are kept."""
        kept = ", decoded sounds kept in memory (dataset.cache)" if isinstance(self._read, KeptClips) else ""
        return f"{super().loading()}{kept}"

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """The files of the test themselves; where they are parts of files, or packed, files with what is in them."""
        clips = self.test_dataset.clips if isinstance(self.test_dataset, Clips) else ()
        recordings = list(dict.fromkeys(clip.recording for clip in clips))[:count]
        return [self._file(recording, folder / f"{number}.wav") for number, recording in enumerate(recordings)]

    def loader(self, dataset: Dataset[Any], **how: Any) -> DataLoader[Any]:
        """A loader, whose processes share what is kept in memory."""
        if isinstance(self._read, KeptClips) and isinstance(dataset, Clips) and self._workers():
            self._read.fill([clip.recording for clip in dataset.clips])
        return super().loader(dataset, **how)

    def _file(self, recording: Recording, written: Path) -> Path:
        """The file of a recording, where it is one of its own, or one that is written with it."""
        name, rate, begin, end = recording
        place = self.shelf.place(name)
        if isinstance(place, str) and (begin, end) == (0, reading.header(place).frames):
            return Path(place)
        soundfile.write(written, reading.samples(place, begin, end), rate, subtype="FLOAT")
        return written

    def _make(self, split: str, found: Recordings, recordings: Sequence[Recording], reader: ClipReader) -> None:
        """The windows of a split, and what they belong to."""
        numbers, clips = [], []
        for number, recording in enumerate(recordings):
            begins = windows(reader.samples_in(recording), reader.length, self.overlap)
            clips += [Clip(recording, first) for first in begins]
            numbers += [number] * len(begins)
        if len(clips) > len(recordings):
            _log.info("windows   %s of %s sounds of %s", f"{len(clips):,}", f"{len(recordings):,}", split)
        targets = found.targets[torch.tensor(numbers, dtype=torch.int64)]
        shape = (reader.channels, reader.length)
        made = Clips(clips, targets, self._read, shape, skip=self.on_error == "skip")
        setattr(self, f"{split}_dataset", made)
        groups = {"clip": [_clip_name(each) for each in recordings], **found.groups}
        self.groups[split] = {name: [values[number] for number in numbers] for name, values in groups.items()}

    def _reader(self, train: Sequence[Recording]) -> ClipReader:
        """At the rate, channels and length of the trained model, of the settings, or of the training files."""
        if self.trained is not None:
            self.channels, length = self.trained.input_shape
            rate = int(str(self.trained.facts["sample_rate"]))
        else:
            rates = Counter(each.rate for each in train)
            rate = self.sample_rate or max(rates, key=lambda each: (rates[each], each))
            self._say_rates(rates, rate)
            length = self._length(train, rate)
        self.sample_rate = rate
        return ClipReader(self.shelf, rate, self.channels, length)

    def _say_rates(self, rates: Mapping[int, int], rate: int) -> None:
        if set(rates) != {rate}:
            there = ", ".join(f"{count:,} of {each:,} Hz" for each, count in sorted(rates.items()))
            _log.info("rates     training sounds are %s; all are brought to %s Hz", there, f"{rate:,}")

    def _length(self, train: Sequence[Recording], rate: int) -> int:
        """The samples of a window."""
        if self.seconds is not None:
            return max(1, round(self.seconds * rate))
        longest = max(resampled_length(each.end - each.begin, each.rate, rate) for each in train)
        length = min(longest, round(LONGEST_SECONDS * rate))
        of = f"the first {LONGEST_SECONDS:.0f} s and what follows" if length < longest else "the longest to train on"
        _log.info("length    %.2f s: %s (dataset.seconds)", length / rate, of)
        return length

    def _located(self, found: Recordings, checked: Mapping[str, Checked]) -> list[Recording]:
        made = []
        for index, name in enumerate(found.names):
            _, rate, _, frames, _ = checked[name]
            begin, end = found.spans[index] if found.spans else (0.0, None)
            last = frames if end is None else min(frames, round(end * rate))
            first = round(begin * rate)
            if first >= last:
                place = found.places[index] if found.places else name
                between = f"{begin:g} s and {'its end' if end is None else f'{end:g} s'}"
                raise DataError(
                    f"{place} is {frames / rate:.3f} s long: nothing of it lies between {between}.",
                    paths=[name],
                    next_step="Correct where it is said to begin and end, in seconds.",
                )
            made.append(Recording(name, rate, first, last))
        return made

    def _kept(self, recordings: Sequence[Recording], reader: ClipReader) -> Any:
        """The reader, with a memory where that is wanted or takes little."""
        small = self.cache == "auto" and decoded_size(recordings, reader) <= LIMIT
        if not small and self.cache != "memory":
            return reader
        self.in_memory = True
        return KeptClips(reader)

    def _checked(self, source: str, names: list[str]) -> dict[str, Checked]:
        """What each readable file is."""
        checked, unreadable = check_sounds(source, self.shelf, names, verify=self.verify)
        wanted = self.channels if self.trained is None else self.trained.channels
        for name, each in list(checked.items()):
            if wanted not in (1, each.channels):
                there = f"{each.channels} channel{'' if each.channels == 1 else 's'}"
                unreadable[name] = f"it has {there}, and dataset.channels is {wanted} (1 mixes them)"
                del checked[name]
        if unreadable:
            self._tell(unreadable, len(names), some=bool(checked))
        if silent := [name for name, each in checked.items() if each.silent]:
            shown = ", ".join(self.where(name) for name in silent[:SHOWN])
            more = f" and {len(silent) - SHOWN} more" if len(silent) > SHOWN else ""
            _log.warning(
                "silence   every sample is 0 in %d of %s sounds: %s%s", len(silent), f"{len(names):,}", shown, more
            )
        return checked

    def _tell(self, unreadable: Mapping[str, str], total: int, *, some: bool) -> None:
        self._left_out += len(unreadable)
        shown = [f"{self.where(name)}: {why}" for name, why in list(unreadable.items())[:SHOWN]]
        more = [f"... and {len(unreadable) - SHOWN} more"] if len(unreadable) > SHOWN else []
        count = "A sound" if len(unreadable) == 1 else f"{len(unreadable)} sounds"
        found = "\n  ".join([f"{count} of {total:,} {self.listed} cannot be used:", *shown, *more])
        if self.on_error == "skip" and some:
            _log.warning("%s\n  Left out, as dataset.on_error=skip says.", found)
            return
        raise DataError(
            found,
            paths=list(unreadable),
            possible="Without them: dataset.on_error=skip" if some else "",
            next_step=self.repair,
        )

    def _refuse_nothing(self, splits: Mapping[str, Recordings]) -> None:
        if not len(splits.get("train", ())):
            raise DataError(f"There is no sound to train on {self.listed}.", next_step=self.repair)

    def _refuse_lost_classes(self, train: Recordings) -> None:
        """A class whose sounds are all left out or in other splits cannot be learned."""
        if self.task != "audio-classification" or self.trained is not None:
            return
        there = set(train.targets.tolist())
        if lost := [name for number, name in enumerate(self.class_names) if number not in there]:
            raise DataError(
                f"There is no sound to train on of {', '.join(lost)} {self.listed}.",
                possible=f"Classes with some: {', '.join(self.class_names[number] for number in sorted(there))}.",
                next_step="Give training sounds of each class, or leave the class out of all splits.",
            )


def _only(found: Recordings, checked: Mapping[str, Checked]) -> Recordings:
    """Those recordings whose file can be read."""
    kept = [index for index, name in enumerate(found.names) if name in checked]
    return found if len(kept) == len(found) else found.only(kept)


def _clip_name(recording: Recording) -> str:
    """A recording of a file that has several is told by where it begins."""
    return recording.name if not recording.begin else f"{recording.name}@{recording.begin / recording.rate:.3f}"
