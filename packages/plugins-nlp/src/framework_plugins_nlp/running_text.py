"""Text to be continued: documents one after the other, in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from framework_core import BatchDataset, DataError, DataSpec, draw_samples
from framework_core.contracts import Processing
from framework_plugins_nlp.datamodule import REQUIREMENTS, BaseNLPDataModule
from framework_plugins_nlp.masked_texts import IGNORED, MaskedTexts, stretches
from framework_plugins_nlp.new_texts import TextsToFill, TextsToPredict
from framework_plugins_nlp.sample_files import sample_file
from framework_plugins_nlp.tokenization import MASK, Encoded, Tokenizer
from framework_plugins_nlp.tokens import LengthBuckets

MASKING = "fill-mask"
SHOWN = 32
"""Tokens of a text to be tried on."""

CONTINUED = 4
"""Texts to be continued on trial: each takes as many steps as it grows by tokens."""

SPLITS = ("train", "val", "test")


class Blocks(BatchDataset):
    """Tokens in a row, cut into blocks; the target of each token is the one that follows.

    Args:
        ids: The tokens.
        length: How many make a block.
        moving: Whether the cuts are moved at random in each batch, so that a token is seen after different others.
    """

    def __init__(self, ids: Tensor, length: int, *, moving: bool) -> None:
        self.ids = ids
        self.length = length
        self.moving = moving

    def __len__(self) -> int:
        return max(0, (len(self.ids) - 1) // self.length)

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """Tokens and the tokens that follow them, ``(B, T)`` each."""
        starts = indices * self.length
        if self.moving:
            moved = draw_samples(lambda size: torch.randint(self.length, (1,)).expand(size), len(indices))
            starts = (starts + moved).clamp(max=len(self.ids) - self.length - 1)
        block = self.ids[starts[:, None] + torch.arange(self.length + 1)].long()
        return block[:, :-1], block[:, 1:]


class RunningText(BaseNLPDataModule):
    """Documents to learn to continue. A subclass gives ``read_documents``.

    All documents of a split stand in a row, with a separator before each where there are several, and are cut into
    blocks. Tokens behind the last whole block are left out. The first share of the text is trained on, the last ones
    validated and tested on.

    For a masked language model (``task="fill-mask"``) they are cut into texts of as many tokens at most, none across
    two documents, and a share of the tokens is masked.

    Args:
        task: ``text-generation``, or ``fill-mask``; ``None`` takes the first.
        masked: The share of tokens that is asked for, where some are masked.
        block_size: How many tokens make a block: how far a model looks back.
        val_size: The share of the text that is validated on, where there is no such split.
        test_size: The share of the text, at its end, that is tested on, where there is no such split.
        **common: What every dataset of text takes: ``tokenizer``, ``encoding``, ``batch_size`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("text-generation", MASKING)
    default_tokenizer: ClassVar[str] = "character"

    def __init__(
        self,
        *,
        task: str | None = None,
        masked: float = 0.15,
        block_size: int = 128,
        val_size: float = 0.1,
        test_size: float = 0.0,
        lowercase: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(lowercase=lowercase, **common)
        self.task = task or self.tasks[0]
        self.masked = masked
        self.masking = self.task == MASKING
        self.block_size = block_size
        self.val_size = val_size
        self.test_size = test_size
        self._characters: dict[str, float] = {}
        self._separator: int | None = None

    def read_documents(self) -> Mapping[str, Sequence[str]]:
        """The documents of each split; ``val`` and ``test`` are taken from the end of ``train`` where missing.

        Raises:
            DataError: A subclass has to give it.
        """
        raise DataError(f"{type(self).__name__} does not say how its documents are read (read_documents).")

    def setup(self, stage: str | None = None) -> None:
        """Read the documents, learn the tokenizer, and cut everything into blocks.

        Raises:
            DataError: They cannot be used.
        """
        if self.train_dataset is not None:
            return
        documents = self._divided(self.read_documents())
        self.tokenizer = self.make_tokenizer(documents["train"])
        if self.masking and self.tokenizer.mask_id is None:
            raise _no_mask(self.tokenizer.kind)
        several = sum(map(len, documents.values())) > len(documents)
        self._separator = self.tokenizer.pad_id if several and not self.masking else None
        for split, texts in documents.items():
            encoded = self.tokenizer.encode(texts, special=False)
            made = self._masked_texts(split, encoded) if self.masking else self._blocks(split, encoded)
            setattr(self, f"{split}_dataset", made)
            self._characters[split] = sum(map(len, texts)) / max(len(made.ids), 1)
            self.note(split, made.ids.numpy().tobytes())
        self.note(self.block_size, self._separator, self.tokenizer.written)
        if self.masking:
            self.note(self.masked)

    def data_spec(self) -> DataSpec:
        """What the text turned out to be; how it became numbers is in its facts."""
        tokenizer = self.tokenizer
        if tokenizer is None:
            raise DataError("There is no tokenizer yet: setup makes it.")
        datasets = {split: getattr(self, f"{split}_dataset") for split in self._characters}
        facts: dict[str, Any] = {"mask_id": tokenizer.mask_id, "max_length": self.block_size}
        if not self.masking:
            facts = {"separator_id": self._separator, "characters_per_token": dict(self._characters)}
        shape = None if self.masking else (self.block_size,)
        return DataSpec(
            task=self.task,
            input_shape=shape or (),
            input_dtype="int64",
            target_shape=shape,
            target_dtype="int64",
            ignore_index=IGNORED if self.masking else None,
            split_sizes={split: len(blocks) for split, blocks in datasets.items()},
            fingerprint=self.fingerprint,
            source=self.source(),
            facts={**tokenizer.facts(), **facts},
        )

    def train_sampler(self, dataset: Dataset[Any]) -> Sampler[int] | None:
        """Texts of nearly one length together, where they have different ones."""
        return LengthBuckets(dataset.lengths, self.batch_size) if isinstance(dataset, MaskedTexts) else None

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """The texts of files to be continued, each a prompt; or with masks to be filled in."""
        prompts = [text for path in paths for text in self.new_texts(path)]
        if not prompts:
            raise DataError(f"There is no text in {', '.join(str(path) for path in paths)}.", paths=paths)
        if data.task == MASKING:
            return TextsToFill(prompts, Tokenizer.of(data.facts), max_length=int(data.facts["max_length"]))  # type: ignore[arg-type]
        return TextsToPredict(prompts, Tokenizer.of(data.facts), max_length=None, special=False)

    def preprocessing(self, data: DataSpec) -> Processing | None:
        """Texts to be continued, or with masks, as tokens, without torch."""
        settings = {"tokenizer": data.facts["tokenizer"], **self.text_reader().settings()}
        builder = "framework_plugins_nlp.serving_continued:Beginnings"
        if data.task == MASKING:
            settings["max_length"] = data.facts["max_length"]
            builder = "framework_plugins_nlp.serving_masks:MaskedInputs"
        return Processing(builder=builder, settings=settings, requirements=REQUIREMENTS)

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """Beginnings of the texts of the test, a file each; or, in one, with a mask in the middle of each."""
        if self.tokenizer is None:
            return ()
        if isinstance(self.test_dataset, MaskedTexts):
            return self._with_masks(self.test_dataset, count, self.tokenizer, folder)
        blocks = self.test_dataset or self.val_dataset
        if isinstance(blocks, Blocks):
            return self._beginnings(blocks, min(count, CONTINUED), self.tokenizer, folder)
        return ()

    def _with_masks(self, test: MaskedTexts, count: int, tokenizer: Tokenizer, folder: Path) -> list[Path]:
        beginnings = [test.text(index)[: min(SHOWN, self.block_size // 2)] for index in range(min(count, len(test)))]
        texts = [
            f" {MASK} ".join(
                tokenizer.written_text(part) for part in (each[: len(each) // 2], each[len(each) // 2 + 1 :])
            )
            for each in beginnings
        ]
        return sample_file(folder, texts, self.text_column or "text", self.encoding)

    def _beginnings(self, blocks: Blocks, count: int, tokenizer: Tokenizer, folder: Path) -> list[Path]:
        """A file for each of some blocks, with its first tokens in a line."""
        found: list[Path] = []
        for index in np.linspace(0, len(blocks) - 1, min(count, len(blocks))).astype(int).tolist():
            tokens = blocks.batch(torch.tensor([index]))[0][0, : min(SHOWN, self.block_size // 2)].tolist()
            place = folder / str(index)
            place.mkdir()
            text = " ".join(tokenizer.decode(tokens).split())
            found += sample_file(place, [text], self.text_column or "text", self.encoding)
        return found

    def tokenizer_settings(self) -> dict[str, Any]:
        """What a tokenizer is learned with; for masks it has tokens of its own."""
        return {**super().tokenizer_settings(), **({"masking": True} if self.masking else {})}

    def _blocks(self, split: str, encoded: Encoded) -> Blocks:
        row = _in_a_row(encoded, self._separator)
        made = Blocks(row, self.block_size, moving=split == "train")
        if not len(made):
            raise _too_short(split, len(row), self.block_size)
        return made

    def _masked_texts(self, split: str, encoded: Encoded) -> MaskedTexts:
        tokenizer = self.tokenizer
        assert tokenizer is not None  # noqa: S101  # setup has made it
        if not len(encoded.ids) or encoded.empty == len(encoded):
            raise _nothing_left(split)
        cut = stretches(encoded, tokenizer.around(), self.block_size)
        return MaskedTexts(cut, tokenizer, share=self.masked, fixed=split != "train")

    def _divided(self, read: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """The documents of each split, those that are missing taken from the end of training."""
        sizes = {"val": self.val_size, "test": self.test_size}
        missing = {split: size for split, size in sizes.items() if split not in read and size}
        left = list(read["train"])
        if not any(left):
            raise DataError("There is no text to train on.")
        found = {split: list(texts) for split, texts in read.items()}
        whole = sum(map(len, left))
        for split in ("test", "val"):
            if split in missing:
                left, found[split] = _cut(left, sum(map(len, left)) - round(missing[split] * whole))
        return {split: {**found, "train": left}[split] for split in SPLITS if split == "train" or split in found}


def _cut(documents: Sequence[str], place: int) -> tuple[list[str], list[str]]:
    """The documents before and behind a place in their characters; the one it is in is cut in two."""
    before: list[str] = []
    for number, text in enumerate(documents):
        if len(text) > place:
            parts = [*([text[:place]] if place else [])]
            return before + parts, [text[place:], *documents[number + 1 :]]
        before.append(text)
        place -= len(text)
    return before, []


def _in_a_row(encoded: Encoded, separator: int | None) -> Tensor:
    ids = torch.from_numpy(encoded.ids)
    if separator is None:
        return ids
    before = torch.tensor([separator], dtype=ids.dtype)
    bounds: Iterable[tuple[int, int]] = zip(encoded.offsets[:-1].tolist(), encoded.offsets[1:].tolist(), strict=True)
    return torch.cat([part for start, end in bounds for part in (before, ids[start:end])])


def _no_mask(kind: str) -> DataError:
    return DataError(
        f"The tokenizer {kind} has no token that stands for what is masked.",
        possible="One that is learned from the texts has it: word, character, bpe, wordpiece or unigram.",
        next_step="Leave dataset.tokenizer out, or take that of a masked language model.",
    )


def _nothing_left(split: str) -> DataError:
    return DataError(
        f"There is no text in the {split} split.",
        possible="It is taken from the end of the text, as a share of its characters.",
        next_step="Take more text, or a larger share: dataset.val_size=0.2",
    )


def _too_short(split: str, tokens: int, length: int) -> DataError:
    return DataError(
        f"The {split} split has {tokens:,} tokens, and a block has {length:,} and one that follows.",
        next_step="Take smaller blocks or a larger share: dataset.block_size=N dataset.val_size=0.2",
    )
