"""Sentences of words as tokens in memory, a padded batch at a time.

Axes: B sentences, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from framework_core.base.batches import BatchDataset
from framework_plugins_nlp.sentence_reader import NewSentence
from framework_plugins_nlp.sentence_rows import sentence_row
from framework_plugins_nlp.tokenization import Tokenizer
from framework_plugins_nlp.tokens import NewTexts, padded
from framework_plugins_nlp.word_encoding import EncodedWords, encode_words, say_left_out

IGNORED = -100
"""The label of a token that begins no word."""


class TokenTags(BatchDataset):
    """Sentences of different lengths with the tag of each word, each batch filled up to its longest.

    Args:
        encoded: The sentences as numbers.
        pad_id: The number that fills up.
        tags: The number of each word's tag, by sentence.
    """

    def __init__(self, encoded: EncodedWords, pad_id: int, tags: Sequence[Sequence[int]]) -> None:
        self.ids = torch.from_numpy(encoded.encoded.ids)
        self.offsets = torch.from_numpy(encoded.encoded.offsets)
        self.pad_id = pad_id
        labels = np.full(len(encoded.words), IGNORED, dtype=np.int64)
        for index, numbers in enumerate(tags):
            begun = encoded.of(index)
            start = encoded.encoded.offsets[index]
            labels[start : start + len(begun)][begun >= 0] = np.asarray(numbers, dtype=np.int64)[begun[begun >= 0]]
        self.labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """The tokens of each sentence."""
        return self.offsets.diff()

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """Tokens and labels, ``(B, T)`` each."""
        return (
            padded(self.ids, self.offsets, indices, self.pad_id),
            padded(self.labels, self.offsets, indices, IGNORED),
        )


class SentencesToPredict(NewTexts):
    """Sentences as numbers, in the order of the answers.

    Args:
        sentences: The sentences.
        tokenizer: That of the model.
        max_length: How many tokens of each are used at most.
        scheme: What tags mark.
    """

    def __init__(
        self, sentences: Sequence[NewSentence], tokenizer: Tokenizer, *, max_length: int | None, scheme: str
    ) -> None:
        self.sentences = sentences
        self.scheme = scheme
        self.encoded = encode_words(tokenizer, [each.words for each in sentences], max_length=max_length)
        say_left_out(self.encoded, "predict", max_length)
        super().__init__(self.encoded.encoded, tokenizer.pad_id)

    def rows(self, batches: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A row for each sentence: where it stands, the text with its entities marked, tags, and entities."""
        found: list[dict[str, Any]] = []
        for batch in batches:
            for tags, confidence in zip(batch["tags"], batch["confidence"], strict=True):
                sentence, begun = self.sentences[len(found)], self.encoded.of(len(found))
                row = sentence_row(sentence, begun, tags, confidence, self.scheme)
                found.append({"path": str(sentence.path), **row})
        return found
