"""Sentences of words as tokens: which token begins which word.

Axes: B sentences, T tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from framework_core.base.batches import BatchDataset
from framework_plugins_nlp.tags import OUTSIDE, entities
from framework_plugins_nlp.tokenization import CHUNK, Encoded, Tokenizer, clean
from framework_plugins_nlp.tokens import NewTexts, padded

IGNORED = -100
"""The label of a token that begins no word."""

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class EncodedWords:
    """Sentences as numbers.

    Attributes:
        encoded: The tokens.
        words: For each token the word of its sentence that it begins, and -1 where it begins none.
        left_out: How many words have no token: those behind the last one that is read, and those of no letter that the
            tokenizer has.
    """

    encoded: Encoded
    words: npt.NDArray[np.int32]
    left_out: int

    def of(self, sentence: int) -> npt.NDArray[np.int32]:
        """For each token of a sentence the word that it begins, or -1."""
        start, end = self.encoded.offsets[sentence : sentence + 2]
        return self.words[start:end]


def encode_words(tokenizer: Tokenizer, sentences: Sequence[Sequence[str]], *, max_length: int | None) -> EncodedWords:
    """Sentences to numbers, each as the text that its words make with a blank between them.

    Args:
        tokenizer: The tokenizer.
        sentences: The words of each.
        max_length: How many tokens of each are kept; ``None`` keeps all.
    """
    ids: list[npt.NDArray[np.int32]] = []
    begins: list[npt.NDArray[np.int32]] = []
    cut = empty = left_out = 0
    around = tokenizer.added_tokens
    for first in range(0, len(sentences), CHUNK):
        chunk = [[clean(word) for word in words] for words in sentences[first : first + CHUNK]]
        found = tokenizer.backend.encode_batch([" ".join(words) for words in chunk], add_special_tokens=False)
        for words, each in zip(chunk, found, strict=True):
            empty += not each.ids
            if max_length is not None and len(each.ids) + around > max_length:
                cut += 1
                each.truncate(max(1, max_length - around))
            # Where tokens stand is asked before: some processors move it, and would move it twice.
            begun = _begun(words, each.offsets)
            if around:
                each = tokenizer.backend.post_process(each)
                inside = np.array([sequence is not None for sequence in each.sequence_ids])
                everywhere = np.full(len(inside), -1, dtype=np.int32)
                everywhere[inside] = begun
                begun = everywhere
            ids.append(np.array(each.ids or [_nothing(tokenizer)], dtype=np.int32))
            begins.append(begun if len(begun) else np.full(1, -1, dtype=np.int32))
            left_out += len(words) - int((begins[-1] >= 0).sum())
    offsets = np.zeros(len(ids) + 1, dtype=np.int64)
    np.cumsum([len(each) for each in ids], out=offsets[1:])
    flat = np.concatenate(ids)
    unknown = 0 if tokenizer.unknown_id is None else int((flat == tokenizer.unknown_id).sum())
    return EncodedWords(Encoded(flat, offsets, cut, empty, unknown), np.concatenate(begins), left_out)


def say_left_out(encoded: EncodedWords, split: str, max_length: int | None) -> None:
    """Say which words of a split count nowhere."""
    if encoded.left_out:
        where = (
            "" if max_length is None else f", {encoded.encoded.cut:,} sentences are longer than {max_length:,} tokens"
        )
        _log.warning("text      %s: %s words have no token and count nowhere%s", split, f"{encoded.left_out:,}", where)


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


class NewSentence(NamedTuple):
    """The words of a sentence, and where it stands."""

    path: Path
    line: int
    words: Sequence[str]


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
        """A row for each sentence: where it stands, the text with its entities marked, tags, and entities.

        A word without a token is in no entity, and its tag is empty where tags mark none.
        """
        found: list[dict[str, Any]] = []
        for batch in batches:
            for tags, confidence in zip(batch["tags"], batch["confidence"], strict=True):
                begun = self.encoded.of(len(found))
                found.append(self._row(self.sentences[len(found)], begun, tags, confidence))
        return found

    def _row(
        self, sentence: NewSentence, begun: npt.NDArray[np.int32], tags: Sequence[str], confidence: Sequence[float]
    ) -> dict[str, Any]:
        places = np.flatnonzero(begun >= 0).tolist()
        of_words = {int(begun[place]): (tags[place], float(confidence[place])) for place in places}
        usual = ("" if self.scheme == "none" else OUTSIDE, 0.0)
        pairs = [of_words.get(index, usual) for index in range(len(sentence.words))]
        names, shares = [tag for tag, _ in pairs], [share for _, share in pairs]
        row = {"path": str(sentence.path), "line": sentence.line}
        if self.scheme == "none":
            marked = " ".join(f"{word}/{tag}" for word, tag in zip(sentence.words, names, strict=True))
            return {**row, "marked": marked, "words": list(sentence.words), "tags": names, "confidence": shares}
        spans = [
            {
                "type": kind,
                "text": " ".join(sentence.words[start:end]),
                "start": start,
                "end": end,
                "confidence": min(shares[start:end]),
            }
            for kind, start, end in entities(names)
        ]
        return {
            **row,
            "marked": marked_text(sentence.words, names),
            "words": list(sentence.words),
            "tags": names,
            "entities": spans,
        }


def marked_text(words: Sequence[str], tags: Sequence[str]) -> str:
    """A sentence with its entities in brackets: ``[PER Ada Lovelace] lived in [LOC London]``."""
    parts, place = [], 0
    for kind, start, end in entities(tags):
        parts += [*words[place:start], f"[{kind} {' '.join(words[start:end])}]"]
        place = end
    return " ".join([*parts, *words[place:]])


def _begun(words: Sequence[str], offsets: Sequence[tuple[int, int]]) -> npt.NDArray[np.int32]:
    """For each token the word that it is the first of, or -1."""
    lengths = np.array([len(word) for word in words], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]]).astype(np.int64)
    spans = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    # By its last character: a token may begin with the blank before its word.
    last = spans[:, 1] - 1
    words_of = np.searchsorted(starts, last, side="right") - 1
    real = (spans[:, 1] > spans[:, 0]) & (last < starts[words_of] + lengths[words_of])
    begun = np.full(len(spans), -1, dtype=np.int32)
    seen, places = np.unique(words_of[real], return_index=True)
    begun[np.flatnonzero(real)[places]] = seen
    return begun


def _nothing(tokenizer: Tokenizer) -> int:
    return tokenizer.pad_id if tokenizer.unknown_id is None else tokenizer.unknown_id
