"""Texts that each have a class."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch.utils.data import Dataset, Sampler

from framework_core import DataError, DataSpec
from framework_core.contracts import Processing, SampleHash
from framework_plugins_nlp.datamodule import REQUIREMENTS, BaseNLPDataModule
from framework_plugins_nlp.sample_files import sample_file
from framework_plugins_nlp.splits import stratified
from framework_plugins_nlp.tokenization import say
from framework_plugins_nlp.tokens import LengthBuckets, TokenTexts

LONGEST = 8_192
"""Tokens of a text that are used where nobody says how many: one that is endless would make a batch of its width."""

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Texts:
    """Texts of one split with their labels.

    Attributes:
        texts: The texts.
        labels: The label of each, as text.
        place: Where one stands, for people.
        groups: What each belongs to, by the name of the group: other columns of its table.
    """

    texts: Sequence[str]
    labels: Sequence[str]
    place: Callable[[int], str] = field(default=lambda index: f"text {index + 1:,}")
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, indices: Sequence[int]) -> Texts:
        """Some of them."""
        place, kept = self.place, list(indices)
        return Texts(
            [self.texts[index] for index in kept],
            [self.labels[index] for index in kept],
            lambda index: place(kept[index]),
            {name: [values[index] for index in kept] for name, values in self.groups.items()},
        )


class LabelledTexts(BaseNLPDataModule):
    """Texts that each have a class. A subclass gives ``read_texts``.

    Args:
        bucketing: Whether texts of nearly one length make a batch in training.
        val_size: The share of each class that is validated on, where there is no such split.
        test_size: The share of each class that is tested on, where there is no such split.
        split_seed: Decides which.
        unknown_labels: What is done with a text outside training whose label training has not: ``refuse`` or ``skip``.
        **common: What every dataset of text takes: ``tokenizer``, ``max_length``, ``batch_size`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("text-classification",)

    def __init__(
        self,
        *,
        bucketing: bool = True,
        val_size: float = 0.1,
        test_size: float = 0.2,
        split_seed: int = 0,
        unknown_labels: str = "refuse",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.bucketing = bucketing
        self.val_size = val_size
        self.test_size = test_size
        self.split_seed = split_seed
        self.unknown_labels = unknown_labels
        self.texts: dict[str, Texts] = {}
        self.class_names: tuple[str, ...] = ()

    def read_texts(self) -> Mapping[str, Texts]:
        """The texts of each split; ``val`` and ``test`` are taken from ``train`` where they are not there.

        Raises:
            DataError: A subclass has to give it.
        """
        raise DataError(f"{type(self).__name__} does not say how its texts are read (read_texts).")

    def setup(self, stage: str | None = None) -> None:
        """Read the texts, learn the tokenizer, and make numbers of them.

        Raises:
            DataError: They cannot be used.
        """
        if self.train_dataset is not None:
            return
        read = self.read_texts()
        for split, texts in read.items():
            _check_labels(texts, split)
        self.class_names = self._trained.class_names if self._trained else _in_order(read["train"].labels)
        self._check_classes(read["train"])
        numbers = {name: index for index, name in enumerate(self.class_names)}
        known = {split: self._known(texts, split, numbers) for split, texts in read.items()}
        self.texts = self._divided(known, numbers)
        if not any(text.strip() for text in self.texts["train"].texts):
            raise DataError("Every text to train on is empty.", possible=f"The first is {read['train'].place(0)}.")
        self.tokenizer = self.make_tokenizer(self.texts["train"].texts)
        self.max_length = self.max_length or LONGEST
        self.groups = {split: texts.groups for split, texts in self.texts.items()}
        for split, texts in self.texts.items():
            encoded = self.tokenizer.encode(texts.texts, max_length=self.max_length)
            say(encoded, split, self.max_length)
            labels = [numbers[label] for label in texts.labels]
            setattr(self, f"{split}_dataset", TokenTexts(encoded, self.tokenizer.pad_id, labels))
            self.note(split, encoded.ids.tobytes(), encoded.offsets.tobytes(), labels)
        self.note(self.class_names, self.tokenizer.facts()["tokenizer"])

    def data_spec(self) -> DataSpec:
        """What the texts turned out to be; how they became numbers is in its facts."""
        tokenizer = self.tokenizer
        if tokenizer is None:
            raise DataError("There is no tokenizer yet: setup makes it.")
        counts = Counter(self.texts["train"].labels)
        return DataSpec(
            task=self.tasks[0],
            input_dtype="int64",
            class_names=self.class_names,
            target_shape=(),
            split_sizes={split: len(texts) for split, texts in self.texts.items()},
            class_counts={name: counts[name] for name in self.class_names},
            fingerprint=self.fingerprint,
            source=self.source(),
            facts={**tokenizer.facts(), "max_length": self.max_length},
        )

    def train_sampler(self, dataset: Dataset[Any]) -> Sampler[int] | None:
        """Texts of nearly one length together."""
        if not self.bucketing or not isinstance(dataset, TokenTexts):
            return None
        return LengthBuckets(dataset.lengths, self.batch_size)

    def sample_hashes(self, split: str, indices: Sequence[int]) -> Sequence[SampleHash]:
        """A digest of each text, blanks at its ends aside."""
        texts = self.texts[split]
        return [
            SampleHash(texts.place(index), hashlib.sha1(_bytes(texts.texts[index]), usedforsecurity=False).digest())
            for index in indices
        ]

    def preprocessing(self, data: DataSpec) -> Processing:
        """The texts of a file as tokens, without torch."""
        reading = self.text_reader().settings()
        return Processing(
            builder=f"framework_plugins_nlp.serving_texts:{'FileInputs' if self.whole_files else 'LineInputs'}",
            settings={"tokenizer": data.facts["tokenizer"], "max_length": data.facts.get("max_length"), **reading},
            requirements=REQUIREMENTS,
        )

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """A file of lines, where texts are single lines; else JSON lines."""
        texts = self.texts["test"].texts[:count] if "test" in self.texts else ()
        return sample_file(folder, texts, self.text_column or "text", self.encoding)

    def _check_classes(self, train: Texts) -> None:
        if len(self.class_names) < 2:
            raise DataError(
                f"Every text has the label {self.class_names[0]!r}: there is nothing to tell apart.",
                possible=f"The first is {train.place(0)}.",
            )

    def _known(self, texts: Texts, split: str, numbers: Mapping[str, int]) -> Texts:
        """Texts whose labels training has; of a trained model, those that it knows."""
        strange = [index for index, label in enumerate(texts.labels) if label not in numbers]
        if not strange:
            return texts
        named = sorted({texts.labels[index] for index in strange})
        what = f"{len(strange):,} texts of {split} have labels that training has not: {_some(named)}"
        if self.unknown_labels == "skip":
            _log.warning("text      %s; they are left out", what)
            return texts.only([index for index in range(len(texts)) if texts.labels[index] in numbers])
        raise DataError(
            f"{what}. The first is {texts.place(strange[0])}.",
            possible=f"Training has {_some(list(numbers))}.",
            next_step="Leave them out: dataset.unknown_labels=skip",
        )

    def _divided(self, known: Mapping[str, Texts], numbers: Mapping[str, int]) -> dict[str, Texts]:
        """The splits, those that are missing taken from training."""
        wanted = {"test": self.test_size, "val": self.val_size}
        missing = {name: size for name, size in wanted.items() if name not in known and size}
        train = known["train"]
        if not missing:
            return dict(known)
        labels = [numbers[label] for label in train.labels]
        parts = stratified(labels, sizes=missing, seed=self.split_seed)
        made = {name: train.only(indices) for name, indices in parts.items() if indices}
        return {name: each for name in ("train", "val", "test") if (each := {**known, **made}.get(name)) is not None}


def _check_labels(texts: Texts, split: str) -> None:
    if not len(texts):
        raise DataError(f"There is no text in the {split} split.")
    without = next((index for index, label in enumerate(texts.labels) if not label), None)
    if without is not None:
        raise DataError(
            f"{texts.place(without)} has no label.",
            possible="Every text to train or test on has one.",
        )


def _in_order(labels: Sequence[str]) -> tuple[str, ...]:
    """Each label once: numbers by size, and everything else by its letters."""
    found = set(labels)
    if all(label.removeprefix("-").isdecimal() for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found))


def _some(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f", ... ({len(names)})" if len(names) > most else "")


def _bytes(text: str) -> bytes:
    return text.strip().encode("utf-8", "surrogatepass")
