"""The sixteen keys of a telephone, made on the spot by their standard frequencies (ITU-T Recommendation Q.23)."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framework_core import BatchDataset
from framework_plugins_audio.datamodule import BaseAudioDataModule
from framework_plugins_audio.reading import Samples
from framework_plugins_audio.splits import stratified_split

KEYS = ("1", "2", "3", "A", "4", "5", "6", "B", "7", "8", "9", "C", "*", "0", "#", "D")
"""Row by row, as they lie on the keypad."""

LOW = (697.0, 770.0, 852.0, 941.0)
"""Hz of each row."""

HIGH = (1209.0, 1336.0, 1477.0, 1633.0)
"""Hz of each column."""

CLASSES = (*"0123456789", "*", "#", *"ABCD")

TOLERANCE = 0.018
"""By what share a frequency may be off (Q.23, section 6)."""

TWIST_DB = 6.0
"""By how much one of the two tones may be louder than the other."""

LOUDNESS_DB = (-30.0, -6.0)
"""The level of a tone, against the loudest that there can be."""

SHORTEST_SECONDS = 0.04
"""The shortest tone that a receiver has to hear (ITU-T Q.24, annex A)."""


class Dtmf(BaseAudioDataModule):
    """Keys of a telephone: two tones each, of random level, twist, phase, length and place, in noise.

    Args:
        count: How many there are, of all splits together.
        sample_rate: Samples a second; empty is 8,000.
        seconds: How long a sample is; empty is 0.4.
        lowest_snr: How far the fainter tone stands above the noise at least, in dB; 30 dB more at most.
        val_fraction: The share kept for validation.
        test_fraction: The share kept for the test.
        made_seed: Decides what is made, and which samples go where.
        **common: What every dataset of sound takes: ``batch_size``, ``num_workers`` ...
    """

    in_memory = True

    def __init__(
        self,
        count: int = 1_600,
        sample_rate: int | None = None,
        seconds: float | None = None,
        lowest_snr: float = 0.0,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        made_seed: int = 0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.count = count
        self.sample_rate = self.rate = sample_rate or 8_000
        self.seconds = seconds or 0.4
        self.lowest_snr = lowest_snr
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.made_seed = made_seed
        self.class_names = CLASSES
        self._fingerprint = ""

    def setup(self, stage: str | None = None) -> None:
        """Make the sounds and split them."""
        if self.train_dataset is not None:
            return
        generator = np.random.default_rng(self.made_seed)
        labels = [index % len(CLASSES) for index in range(self.count)]
        length = round(self.seconds * self.rate)
        sounds = torch.from_numpy(np.stack([self._made(CLASSES[label], length, generator) for label in labels]))
        targets = torch.tensor(labels, dtype=torch.int64)
        splits = stratified_split(
            labels, val_fraction=self.val_fraction, test_fraction=self.test_fraction, seed=self.made_seed
        )
        for split, indices in splits.items():
            if indices:
                setattr(self, f"{split}_dataset", _Made(sounds[indices, None], targets[indices]))
        self._fingerprint = (
            f"content:{hashlib.sha256(sounds.numpy().tobytes() + repr(splits).encode()).hexdigest()[:32]}"
        )

    def fingerprint(self) -> str:
        """Of every sample, every label and the split."""
        return self._fingerprint

    def source(self) -> str:
        """Made, and how."""
        return f"made: {self.count:,} keys by ITU-T Q.23, seed {self.made_seed}"

    def _made(self, key: str, length: int, generator: np.random.Generator) -> Samples:
        row, column = divmod(KEYS.index(key), 4)
        shortest = min(length, round(SHORTEST_SECONDS * self.rate))
        count = int(generator.integers(shortest, length + 1))
        time = np.arange(count) / self.rate
        loudness, twist = generator.uniform(*LOUDNESS_DB), generator.uniform(-TWIST_DB, TWIST_DB)
        sound = np.zeros(length)
        first = int(generator.integers(0, length - count + 1))
        for frequency, level in ((LOW[row], loudness + min(twist, 0.0)), (HIGH[column], loudness - max(twist, 0.0))):
            hertz = frequency * (1 + generator.uniform(-TOLERANCE, TOLERANCE))
            phase = generator.uniform(0, 2 * np.pi)
            sound[first : first + count] += 0.5 * 10 ** (level / 20) * np.sin(2 * np.pi * hertz * time + phase)
        fainter = 0.5 * 10 ** ((loudness - abs(twist)) / 20) / np.sqrt(2)
        snr = self.lowest_snr + generator.uniform(0, 30)
        sound += generator.standard_normal(length) * fainter / 10 ** (snr / 20)
        return np.clip(sound, -1, 1).astype(np.float32)


class _Made(BatchDataset):
    """Sounds and labels in memory."""

    def __init__(self, sounds: Tensor, targets: Tensor) -> None:
        self.sounds = sounds
        self.targets = targets

    def __len__(self) -> int:
        return len(self.sounds)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        return self.sounds[indices], self.targets[indices]
