"""Shards of a WebDataset, read one after the other: for sets of more files than a file system likes."""

from __future__ import annotations

import hashlib
import itertools
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from framework_core import DataError
from framework_core.errors import ConfigError, ConfigProblem
from framework_plugins_vision import reading
from framework_plugins_vision.datasets.class_list import class_list
from framework_plugins_vision.datasets.image_files import prepared
from framework_plugins_vision.datasets.image_module import ImageFilesDataModule
from framework_plugins_vision.datasets.shards import Contents, contents_of, image_in, label_in, samples_in, shards_of
from framework_plugins_vision.transforms import Transform

_log = logging.getLogger("framework_core")
Sample = tuple[Tensor, int]
Raw = tuple[Path, str, bytes, int]
"""A sample as it lies in its shard: the shard, its key, its image and its label."""


class WebDataset(ImageFilesDataModule):
    """Tar files in which an image and its label stand side by side: ``00017.jpg``, ``00017.cls``.

    Each process, and each of its workers, reads shards of its own where there are enough of them; training shards are
    shuffled anew in each epoch, and samples mixed in memory.

    Args:
        train: The shards of training, as a pattern.
        val: Those of validation.
        test: Those of the test.
        label: The ending of the label, or ``json.KEY``.
        classes: The names of the classes, or a file with one a line; empty counts them.
        shuffle_buffer: Training samples that are mixed in memory.
        **images: How images are read and prepared, as ``ImageFilesDataModule`` takes it.
    """

    def __init__(
        self,
        train: str,
        val: str | None = None,
        test: str | None = None,
        label: str = "cls",
        classes: Sequence[str] | str | None = None,
        shuffle_buffer: int = 1000,
        **images: Any,
    ) -> None:
        super().__init__(**images)
        self.patterns = {"train": train, "val": val, "test": test}
        self.label = label
        self.classes = classes
        self.shuffle_buffer = shuffle_buffer
        self._counts: Counter[int] = Counter()

    def setup(self, stage: str | None = None) -> None:
        """Find the shards, and count what is in them.

        Raises:
            DataError: A shard is missing or broken, or a label is beyond the classes.
        """
        if self.train_dataset is not None:
            return
        splits = {name: shards_of(pattern) for name, pattern in self.patterns.items() if pattern}
        found = {path: contents_of(path, self.label) for paths in splits.values() for path in paths}
        self._counts = sum((Counter(found[path].labels) for path in splits["train"]), Counter())
        self.class_names = self._named(self._counts)
        self._check(splits, found)
        digest = hashlib.sha256()
        for split, paths in splits.items():
            transform = self.train_transform if split == "train" else self.eval_transform
            assert transform is not None  # noqa: S101  # set in __init__
            setattr(self, f"{split}_dataset", self._shards(split, paths, found, transform))
            for path in paths:
                digest.update(
                    f"{split} {path.name} {path.stat().st_size} {sorted(found[path].labels.items())}\n".encode()
                )
        self._fingerprint = f"listing:{digest.hexdigest()[:32]}"

    def source(self) -> str:
        """The shards of training."""
        return str(self.patterns["train"])

    def train_dataloader(self) -> DataLoader[Any]:
        """The training batches, in a new order each epoch."""
        dataset = self._split("train")
        assert isinstance(dataset, Shards)  # noqa: S101  # set in setup
        dataset.epoch = self.trainer.current_epoch if self.trainer is not None else 0
        return self.loader(dataset, shuffle=True, drop_last=len(dataset) % self.batch_size == 1)

    def loader(self, dataset: Any, *, shuffle: bool = False, drop_last: bool = False, **more: Any) -> DataLoader[Any]:
        """A loader of shards, which shuffle themselves."""
        if not isinstance(dataset, Shards):
            return super().loader(dataset, shuffle=shuffle, drop_last=drop_last, **more)
        loader = super().loader(dataset, shuffle=False, drop_last=drop_last)
        loader.collate_fn = dataset.collate
        return loader

    def _shards(self, split: str, paths: list[Path], found: dict[Path, Contents], transform: Transform) -> Shards:
        return Shards(
            paths,
            count=sum(found[path].count for path in paths),
            label=self.label,
            decode=self._reader_of(split).decoded,
            transform=transform,
            buffer=self.shuffle_buffer if split == "train" else 0,
            skip=self.on_error == "skip",
        )

    def _named(self, counts: Counter[int]) -> tuple[str, ...]:
        if self.classes:
            return class_list(self.classes)
        return tuple(str(number) for number in range(max(counts, default=0) + 1))

    def _check(self, splits: dict[str, list[Path]], found: dict[Path, Contents]) -> None:
        for split, paths in splits.items():
            for path in paths:
                highest = max(found[path].labels, default=0)
                if highest >= len(self.class_names):
                    said = f"{'dataset.classes names' if self.classes else 'training has'} {len(self.class_names)}"
                    raise DataError(
                        f"The {split} shard {path} has the label {highest}, but {said} classes.",
                        paths=[path],
                        possible=f"Labels run from 0 to {len(self.class_names) - 1}.",
                        next_step="Name all classes with dataset.classes=FILE, or leave the shard out of the pattern.",
                    )

    def _class_counts(self, train: Any) -> dict[str, int]:
        return {name: self._counts[index] for index, name in enumerate(self.class_names)}

    def train_sampler(self, dataset: Any) -> None:
        """Shards have an order of their own."""
        if getattr(self, "repeats", 1) > 1:
            message = "shards are read in their own order, so that samples cannot be repeated in a row"
            raise ConfigError([ConfigProblem("dataset.repeated_augmentation", message)])


class Shards(IterableDataset[Any]):
    """The samples of some shards.

    Each process gives the same number of samples in an epoch of training, so that none waits for another: one whose
    shards hold fewer begins them again.

    Args:
        paths: The shards.
        count: The samples in all of them.
        label: Where the label is.
        decode: From a file's content to bytes of pixels.
        transform: From those to what the model takes.
        buffer: Samples that are mixed in memory; 0 keeps the order.
        skip: Whether images that cannot be read are left out, with a warning; they are an error otherwise.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        count: int,
        label: str,
        decode: Callable[[bytes], Tensor],
        transform: Transform,
        buffer: int,
        skip: bool,
    ) -> None:
        self.paths = list(paths)
        self.count = count
        self.label = label
        self.decode = decode
        self.transform = transform
        self.buffer = buffer
        self.skip = skip
        self.epoch = 0
        self.given = 0
        self.seed = torch.initial_seed()

    def __len__(self) -> int:
        """The samples that this process gives in an epoch."""
        rank, processes = _process()
        return self.count // processes if self.buffer else len(range(rank, self.count, processes))

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """The first samples one by one, to see what they are like."""
        found = next(itertools.islice(self._decoded(self._raw(self.paths, 0, 1)), index, None), None)
        if found is None:
            raise IndexError(index)
        return prepared({0: found[0]}, self.transform)[0], torch.tensor(found[1])

    def resume(self, epoch: int, samples: int) -> None:
        """Go on after so many samples of an epoch: what is before them is read, and neither decoded nor transformed."""
        self.epoch, self.given = epoch, samples

    def __iter__(self) -> Iterator[Sample]:
        rank, processes = _process()
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        if not self.buffer:
            yield from self._decoded(self._raw(self.paths, rank + processes * worker, processes * workers))
            return
        wanted = len(range(worker, len(self), workers))
        raw = self._endless(rank * workers + worker, processes * workers)
        if self.skip:
            # Which samples cannot be read, only decoding tells.
            yield from itertools.islice(self._decoded(raw), self.given, wanted)
        else:
            yield from self._decoded(itertools.islice(raw, self.given, wanted))
        self.epoch, self.given = self.epoch + 1, 0

    def collate(self, samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
        """Samples to a batch."""
        images, labels = zip(*samples, strict=True)
        return prepared(dict(enumerate(images)), self.transform), torch.tensor(labels)

    def _endless(self, part: int, parts: int) -> Iterator[Raw]:
        """The samples of this part's shards, mixed; begun again where more are wanted."""
        # The same order in every process, so that no two read the same shard.
        order = random.Random(f"{self.seed} {self.epoch}")
        chooser = random.Random(f"{self.seed} {self.epoch} {part}")
        while True:
            paths = order.sample(self.paths, len(self.paths))
            enough = len(paths) >= parts
            raw = self._raw(paths[part::parts], 0, 1) if enough else self._raw(paths, part, parts)
            given = False
            for sample in _mixed(raw, self.buffer, chooser):
                given = True
                yield sample
            if not given:
                return

    def _raw(self, paths: Sequence[Path], first: int, step: int) -> Iterator[Raw]:
        """Every ``step``-th sample from the ``first`` on, its image not decoded yet."""
        number = -1
        for path in paths:
            for key, files in samples_in(path):
                number += 1
                if number >= first and (number - first) % step == 0:
                    where = f"The sample {key} of {path}"
                    yield path, key, image_in(files, where), label_in(files, self.label, where)

    def _decoded(self, raw: Iterable[Raw]) -> Iterator[Sample]:
        failed = 0
        for path, key, content, label in raw:
            try:
                yield self.decode(content), label
                failed = 0
            except reading.UNREADABLE as error:
                failed += 1
                message = f"The image {key} of {path} cannot be read: {reading.reason(error)}"
                if not self.skip or failed > self.count:
                    raise DataError(message, paths=[path], next_step="Without it: dataset.on_error=skip") from error
                _log.warning("left out: %s", message)


def _mixed(samples: Iterable[Raw], size: int, chooser: random.Random) -> Iterator[Raw]:
    """Samples in another order: each of them waits among ``size`` for its turn."""
    held: list[Raw] = []
    for sample in samples:
        held.append(sample)
        if len(held) > size:
            position = chooser.randrange(len(held))
            held[position], held[-1] = held[-1], held[position]
            yield held.pop()
    chooser.shuffle(held)
    yield from held


def _process() -> tuple[int, int]:
    """Which of how many processes this is."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
