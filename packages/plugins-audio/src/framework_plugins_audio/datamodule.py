"""The base class of datasets of sound."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import soundfile
import torch
from torch import Tensor
from torch.utils.data import Dataset

from framework_core import BaseDataModule, DataError, DataSpec
from framework_core.contracts import Processing, SampleHash
from framework_core.errors import ConfigError, ConfigProblem
from framework_plugins_audio.batch_augmentation import AudioAugmentation, Background
from framework_plugins_audio.new_sounds import SoundsToPredict
from framework_plugins_audio.noises import noises_in
from framework_plugins_audio.reading import SUFFIXES
from framework_plugins_audio.streaming import SoundStream
from framework_plugins_audio.whole_sounds import sound_of

SAMPLED = 64
"""Samples from each end of a split that a fingerprint is made from where nothing better is known."""

LEVELS = 1 << 15
"""Steps from 0 to 1 of 16-bit sound, in which two samples are compared."""

MIXED_TASKS = ("audio-classification", "audio-tagging")
"""Tasks whose targets can be shares of classes."""


class BaseAudioDataModule(BaseDataModule):
    """Sounds with a target each. ``setup`` sets ``train_dataset``, and ``val_dataset`` and ``test_dataset`` if any.

    A sample is a pair: a tensor ``(channels, samples)`` of ``float32`` from -1 to 1 at ``sample_rate``, and a target.
    All samples have one length; what was shorter is filled up at its end with zeros. What the target is, ``task``
    says:

    - ``audio-classification``: the index of its class, ``int64``.
    - ``audio-tagging``: ``(classes,)`` of ``float32``, 1 for each class that the sound has, else 0.
    - ``audio-regression``: ``(targets,)`` of ``float32``, in the order of ``target_names``.

    Set ``sample_rate`` and ``class_names`` (or ``target_names``) too. ``groups`` says what samples belong to.

    Args:
        batch_size: How many sounds make a batch.
        num_workers: How many processes load them.
        stream_hop: Seconds between two windows of a stream that is predicted.
        shift: How many seconds a training sound is moved at most.
        gain: How many decibels louder or softer it becomes at most.
        noise_snr: How many decibels noise lies below it, from and to; empty adds none.
        noise: The folder with recordings of noise; empty adds white noise.
        noise_prob: The share of training sounds with noise.
        mixup: The alpha of mixup.
        mix_prob: The share of training sounds that are mixed.
    """

    domain: ClassVar[str] = "audio"
    tasks: ClassVar[tuple[str, ...]] = ("audio-classification",)
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    """The files that are taken from a folder to predict."""

    def __init__(
        self,
        *,
        batch_size: int = 64,
        num_workers: int | None = None,
        stream_hop: float = 0.1,
        shift: float = 0.0,
        gain: float = 0.0,
        noise_snr: tuple[float, float] | None = None,
        noise: str | None = None,
        noise_prob: float = 1.0,
        mixup: float = 0.0,
        mix_prob: float = 1.0,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers)
        self.stream_hop = stream_hop
        self.changes: dict[str, Any] = {
            "shift": shift,
            "gain": gain,
            "noise_snr": noise_snr,
            "noise_prob": noise_prob,
            "mixup": mixup,
            "mix_prob": mix_prob,
        }
        self.noise = noise
        self.task = self.tasks[0]
        self.sample_rate: int | None = None
        self.class_names: tuple[str, ...] = ()
        self.target_names: tuple[str, ...] = ()
        self.groups: dict[str, dict[str, Sequence[str]]] = {}
        self.augment: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
        """What happens to a batch of training samples and targets, on the device of the model."""

        self.trained: DataSpec | None = None
        """What a trained model learned from, where it is measured on this data."""

    def prepare_like(self, data: DataSpec) -> None:
        """Take rate, channels, length and classes from what a model was trained on."""
        self.trained = data

    def data_spec(self) -> DataSpec:
        """What the data turned out to be, read off the datasets.

        Raises:
            DataError: There is no training data, or its rate or classes are not known; or there is no noise to add.
            ConfigError: Targets of this task cannot be mixed.
        """
        sound, target = self._sample()
        names = () if self.task == "audio-regression" else self._class_names()
        self._set_augmentation(len(names))
        return DataSpec(
            task=self.task,
            input_shape=tuple(sound.shape),
            class_names=names,
            target_names=self.target_names,
            target_shape=tuple(target.shape),
            target_dtype=str(target.dtype).removeprefix("torch."),
            split_sizes={split: len(dataset) for split, dataset in self._datasets().items()},
            class_counts=self._class_counts(names),
            fingerprint=self.fingerprint(),
            source=self.source(),
            facts=self.facts(),
        )

    def _set_augmentation(self, classes: int) -> None:
        """Put together what happens to training batches, unless a subclass set it, or nothing is trained."""
        if self.augment is not None or self.trained is not None or self.sample_rate is None:
            return
        if self.changes["mixup"] and self.task not in MIXED_TASKS:
            message = f"mixes classes, and {self.task} has none to mix; it is possible for {' and '.join(MIXED_TASKS)}"
            raise ConfigError([ConfigProblem("dataset.mixup", message)])
        background = None if self.noise is None else Background(noises_in(Path(self.noise), self.sample_rate))
        found = AudioAugmentation(self.sample_rate, background=background, num_classes=classes, **self.changes)
        self.augment = found if found else None

    def facts(self) -> dict[str, Any]:
        """What is known of the data beyond its shape: the sample rate, in Hz."""
        return {"sample_rate": self.sample_rate}

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment a training batch on the device it is on by now."""
        if self.augment is None or self.trainer is None or not self.trainer.training:
            return batch
        return self.augment(*batch)

    def fingerprint(self) -> str:
        """A digest of the data. By default of the first and last samples of each split; a subclass may know better."""
        digest = hashlib.sha256()
        for split, dataset in self._datasets().items():
            size = len(dataset)
            for index in sorted({*range(min(SAMPLED, size)), *range(max(0, size - SAMPLED), size)}):
                sound, target = dataset[index]
                digest.update(f"{split} {index} {size} {torch.as_tensor(target).tolist()} ".encode())
                digest.update(sound.numpy().tobytes())
        return f"samples:{digest.hexdigest()[:32]}"

    def sample_hashes(self, split: str, indices: Sequence[int]) -> Sequence[SampleHash]:
        """Of the samples in 16 bits, so that a sound is known again in another lossless form."""
        dataset: Any = self._split(split)
        return [_hash(self.sample_name(split, index), dataset[index][0]) for index in indices]

    def sample_name(self, split: str, index: int) -> str:
        """A sample, for people."""
        return f"{split} {index:,}"

    def source(self) -> str:
        """Where the data came from, for people."""
        return type(self).__name__

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """Sound files at the rate, channels and length of the training data; a longer one as windows that overlap.

        Raises:
            DataError: One cannot be read.
        """
        return SoundsToPredict([str(path) for path in paths], data)

    def preprocessing(self, data: DataSpec) -> Processing:
        """A sound file as windows of samples, without torch.

        Raises:
            DataError: The model was not trained on sound.
        """
        channels, length, rate = sound_of(data)
        return Processing(
            builder="framework_plugins_audio.serving_sounds:SoundInputs",
            settings={"sample_rate": rate, "channels": channels, "length": length},
            requirements=("soundfile>=0.13", "soxr>=0.5"),
        )

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Sounds of the test, written with all their digits."""
        test: Any = self.test_dataset
        found = []
        for number in range(0 if test is None else min(count, len(test))):
            found.append(folder / f"{number}.wav")
            soundfile.write(found[-1], test[number][0].numpy().T, self.sample_rate, subtype="FLOAT")
        return found

    def stream_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """Sound that goes on, in windows of the length of the training data.

        Args:
            paths: A sound file; ``-`` reads 16-bit samples from standard input.
            data: What the model was trained on.

        Raises:
            DataError: The file cannot be read, or the model was not trained on sound.
        """
        channels, samples, rate = sound_of(data)
        return SoundStream(paths[0], sample_rate=rate, channels=channels, samples=samples, hop_seconds=self.stream_hop)

    def _sample(self) -> tuple[Tensor, Tensor]:
        sound, target = self._split("train")[0]
        if not isinstance(sound, Tensor) or sound.ndim != 2:
            found = tuple(sound.shape) if isinstance(sound, Tensor) else type(sound).__name__
            raise DataError(
                f"{type(self).__name__} gives {found} for a sound.",
                possible="A sound is a tensor of shape (channels, samples).",
                next_step="Give its datasets such a tensor: sound[None] makes one of (samples,).",
            )
        if self.sample_rate is None:
            raise DataError(
                f"{type(self).__name__} does not say how many samples a second has.",
                next_step="Set self.sample_rate in its setup.",
            )
        return sound, torch.as_tensor(target)

    def _datasets(self) -> dict[str, Any]:
        datasets = {"train": self.train_dataset, "val": self.val_dataset, "test": self.test_dataset}
        return {name: dataset for name, dataset in datasets.items() if dataset is not None}

    def _class_names(self) -> tuple[str, ...]:
        if not self.class_names:
            raise DataError(
                f"{type(self).__name__} does not say which classes there are.",
                next_step="Set self.class_names in its setup.",
            )
        if len(self.class_names) < 2 and self.task != "audio-tagging":
            raise DataError(
                f"{type(self).__name__} has one class only: {self.class_names[0]}.",
                possible="There is nothing to tell apart; two classes or more are needed.",
                next_step="Give it samples of another class.",
            )
        return self.class_names

    def _class_counts(self, names: Sequence[str]) -> Mapping[str, int]:
        """Counted where the labels are at hand without reading a sound."""
        targets = getattr(self.train_dataset, "targets", None)
        if targets is None or self.task == "audio-regression":
            return {}
        if self.task == "audio-tagging":
            return {name: int(count) for name, count in zip(names, targets.sum(0).tolist(), strict=True)}
        counts = Counter(int(label) for label in targets)
        return {name: counts[index] for index, name in enumerate(names)}


def _hash(name: str, sound: Tensor) -> SampleHash:
    levels = (sound * LEVELS).round().to(torch.int32)
    return SampleHash(name, hashlib.sha256(levels.numpy().tobytes()).digest())
