"""Pairs of texts, one to be made of the other.

Axes: B pairs, T tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from framework_core import DataError, DataSpec
from framework_core.base.batches import BatchDataset
from framework_core.contracts import Processing, SampleHash
from framework_plugins_nlp.datamodule import REQUIREMENTS, BaseNLPDataModule
from framework_plugins_nlp.sample_files import sample_file
from framework_plugins_nlp.splits import divided
from framework_plugins_nlp.text_reader import TextReader
from framework_plugins_nlp.tokenization import Encoded, Tokenizer, say
from framework_plugins_nlp.tokens import LengthBuckets, padded

IGNORED = -100
"""The target of a place behind the end of a text."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of one split.

    Attributes:
        sources: The texts to begin with.
        targets: The text to be made of each.
        place: Where a pair stands, for people.
    """

    sources: Sequence[str]
    targets: Sequence[str]
    place: Callable[[int], str] = field(default=lambda index: f"pair {index + 1:,}")

    def __len__(self) -> int:
        return len(self.sources)

    def only(self, indices: Sequence[int]) -> Pairs:
        """Some of them."""
        place, kept = self.place, list(indices)
        return Pairs(
            [self.sources[index] for index in kept],
            [self.targets[index] for index in kept],
            lambda index: place(kept[index]),
        )


class TokenPairs(BatchDataset):
    """Pairs of texts as numbers, each batch filled up to its longest.

    Args:
        sources: The texts to begin with.
        targets: The texts to be made.
        pad_id: The number that fills up.
    """

    def __init__(self, sources: Encoded, targets: Encoded, pad_id: int) -> None:
        self.source_ids, self.source_offsets = torch.from_numpy(sources.ids), torch.from_numpy(sources.offsets)
        self.target_ids, self.target_offsets = torch.from_numpy(targets.ids), torch.from_numpy(targets.offsets)
        self.pad_id = pad_id

    def __len__(self) -> int:
        return len(self.source_offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """The tokens of each pair."""
        return self.source_offsets.diff() + self.target_offsets.diff()

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """Tokens of sources and targets over one another, ``(B, 2, T)``, and targets alone, ``(B, T)``."""
        sources = padded(self.source_ids, self.source_offsets, indices, self.pad_id)
        targets = padded(self.target_ids, self.target_offsets, indices, self.pad_id)
        wanted = padded(self.target_ids, self.target_offsets, indices, IGNORED)
        length = max(sources.shape[1], targets.shape[1])
        rows = [widened(each, length, self.pad_id) for each in (sources, targets)]
        return torch.stack(rows, dim=1), wanted


class PairedTexts(BaseNLPDataModule):
    """Pairs of texts, one to be made of the other. A subclass gives ``read_pairs``.

    Args:
        max_target_length: How many tokens of a target are used at most.
        bucketing: Whether pairs of nearly one length make a batch in training.
        val_size: The share of the pairs that is validated on, where there is no such split.
        test_size: The share of the pairs that is tested on, where there is no such split.
        split_seed: Decides which.
        lowercase: Whether capital letters are made small, where the tokenizer is learned.
        **common: What every dataset of text takes: ``tokenizer``, ``max_length``, ``batch_size`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("text2text-generation",)
    default_tokenizer: ClassVar[str] = "bpe"
    learning: ClassVar[Mapping[str, Any]] = {"ended": True}

    source_column: str | None = None

    def __init__(
        self,
        *,
        max_target_length: int | None = None,
        bucketing: bool = True,
        val_size: float = 0.1,
        test_size: float = 0.2,
        split_seed: int = 0,
        lowercase: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(lowercase=lowercase, **common)
        self.max_target_length = max_target_length
        self.bucketing = bucketing
        self.val_size = val_size
        self.test_size = test_size
        self.split_seed = split_seed
        self.pairs: dict[str, Pairs] = {}

    def read_pairs(self) -> Mapping[str, Pairs]:
        """The pairs of each split; ``val`` and ``test`` are taken from ``train`` where they are not there.

        Raises:
            DataError: A subclass has to give it.
        """
        raise DataError(f"{type(self).__name__} does not say how its pairs are read (read_pairs).")

    def setup(self, stage: str | None = None) -> None:
        """Read the pairs, learn the tokenizer, and make numbers of them.

        Raises:
            DataError: They cannot be used.
        """
        if self.train_dataset is not None:
            return
        read = self.read_pairs()
        for split, pairs in read.items():
            _check(pairs, split)
        self.pairs = divided(read, sizes={"test": self.test_size, "val": self.val_size}, seed=self.split_seed)
        train = self.pairs["train"]
        self.tokenizer = self.make_tokenizer([*train.sources, *train.targets])
        if not self.tokenizer.added_tokens:
            raise _without_end(self.tokenizer)
        for split, pairs in self.pairs.items():
            sources = self.tokenizer.encode(pairs.sources, max_length=self.max_length)
            targets = self.tokenizer.encode(pairs.targets, max_length=self.max_target_length)
            say(sources, f"{split} sources", self.max_length)
            say(targets, f"{split} targets", self.max_target_length, setting="max_target_length")
            setattr(self, f"{split}_dataset", TokenPairs(sources, targets, self.tokenizer.pad_id))
            for each in (sources, targets):
                self.note(split, each.ids.tobytes(), each.offsets.tobytes())
        self.note(self.tokenizer.facts()["tokenizer"])

    def data_spec(self) -> DataSpec:
        """What the pairs turned out to be; how they became numbers is in its facts."""
        tokenizer = self.tokenizer
        if tokenizer is None:
            raise DataError("There is no tokenizer yet: setup makes it.")
        return DataSpec(
            task=self.tasks[0],
            input_dtype="int64",
            target_dtype="int64",
            ignore_index=IGNORED,
            split_sizes={split: len(pairs) for split, pairs in self.pairs.items()},
            fingerprint=self.fingerprint,
            source=self.source(),
            facts={**tokenizer.facts(), "max_length": self.max_length, "end_id": tokenizer.end_id},
        )

    def train_sampler(self, dataset: Dataset[Any]) -> Sampler[int] | None:
        """Pairs of nearly one length together."""
        if not self.bucketing or not isinstance(dataset, TokenPairs):
            return None
        return LengthBuckets(dataset.lengths, self.batch_size)

    def sample_hashes(self, split: str, indices: Sequence[int]) -> Sequence[SampleHash]:
        """A digest of the source of each pair."""
        pairs = self.pairs[split]
        digests = [pairs.sources[index].strip().encode("utf-8", "surrogatepass") for index in indices]
        return [
            SampleHash(pairs.place(index), hashlib.sha1(digest, usedforsecurity=False).digest())
            for index, digest in zip(indices, digests, strict=True)
        ]

    def text_reader(self) -> TextReader:
        """How texts to predict stand in files: the column of sources of a table, or the lines of any other file."""
        return TextReader(**self.reading(), column=self.source_column, sources=True)

    def preprocessing(self, data: DataSpec) -> Processing:
        """Sources as tokens, without torch."""
        kept = {name: data.facts[name] for name in ("tokenizer", "max_length")}
        return Processing(
            builder="framework_plugins_nlp.serving_made:Sources",
            settings={**kept, **self.text_reader().settings()},
            requirements=REQUIREMENTS,
        )

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Sources of the test, a file each."""
        pairs = self.pairs.get("test") or self.pairs["val"]
        found: list[Path] = []
        for index in range(min(count, len(pairs))):
            place = folder / str(index)
            place.mkdir()
            column = self.source_column or "source"
            found += sample_file(place, [pairs.sources[index]], column, self.encoding)
        return found


def _check(pairs: Pairs, split: str) -> None:
    if not len(pairs):
        raise DataError(f"There is no pair in the {split} split.")
    for what, texts in (("source", pairs.sources), ("target", pairs.targets)):
        empty = [index for index, text in enumerate(texts) if not text.strip()]
        if empty:
            raise DataError(
                f"{pairs.place(empty[0])} has no {what}: the text is empty.",
                possible=f"It concerns {len(empty):,} of {len(pairs):,} pairs of {split}.",
                next_step=f"Take these lines out, or name another column: dataset.{what}_column=NAME",
            )


def _without_end(tokenizer: Tokenizer) -> DataError:
    return DataError(
        f"The tokenizer {tokenizer.kind} puts nothing at the end of a text, so where to stop could not be learned.",
        next_step="Take one that is learned: dataset.tokenizer=bpe",
    )


def widened(tokens: Tensor, length: int, value: int) -> Tensor:
    """Tokens ``(B, T)`` filled up to a length."""
    return torch.nn.functional.pad(tokens, (0, length - tokens.shape[1]), value=value)
