"""Sentences of words as tokens: which token begins which word.

Axes: T tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from framework_plugins_nlp.tokenization import CHUNK, Encoded, Tokenizer, clean

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
