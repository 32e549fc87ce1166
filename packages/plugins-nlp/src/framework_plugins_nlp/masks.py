"""Texts with masks: what is asked for, and what could stand there.

Axes: N places, V tokens of the vocabulary, K candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from framework_core.errors import DataError
from framework_plugins_nlp.text_reader import NewText
from framework_plugins_nlp.tokenization import MASK, Encoded, Tokenizer

CANDIDATES = 5
"""Tokens that a prediction names for what is masked."""


def sign_of(tokenizer: Tokenizer) -> str:
    """What a tokenizer calls what is masked."""
    return tokenizer.backend.id_to_token(tokenizer.mask_id or 0) or MASK


def signed(texts: Sequence[NewText], sign: str) -> list[NewText]:
    """Texts with the sign of a tokenizer in place of ``[MASK]``."""
    return [each._replace(text=each.text.replace(MASK, sign)) for each in texts]


def check_masks(texts: Sequence[NewText], encoded: Encoded, tokenizer: Tokenizer, max_length: int | None) -> None:
    """See that each text has a mask, and all of its masks are read.

    Args:
        texts: The texts, with the sign of the tokenizer.
        encoded: They as tokens.
        tokenizer: What made them.
        max_length: How many tokens of each are used at most.

    Raises:
        DataError: One has nothing to fill in, where it is read.
    """
    sign = sign_of(tokenizer)
    for index, text in enumerate(texts):
        masks = text.text.count(sign)
        if int((encoded.of(index) == (tokenizer.mask_id or 0)).sum()) != masks:
            raise DataError(
                f"{text.path}, line {text.line:,} has a {MASK} behind the {max_length:,} tokens that the model reads.",
                paths=[text.path],
                next_step="Shorten the text around it.",
            )
        if not masks:
            raise DataError(
                f"{text.path}, line {text.line:,} has no {MASK}: there is nothing to fill in.",
                paths=[text.path],
                possible=f"A text has {MASK} in place of each token that is asked for: The cat sat on the {MASK}.",
            )


def likeliest(
    scores: npt.NDArray[np.float32], special: Sequence[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The likeliest tokens of some places and their probabilities, ``(N, K)`` each.

    Args:
        scores: Those of all tokens, ``(N, V)``.
        special: Tokens that are no text, and never meant.
    """
    scores = scores.copy()
    scores[:, list(special)] = -np.inf
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    count = min(CANDIDATES, shares.shape[1])
    best = np.argpartition(-shares, count - 1, axis=1)[:, :count]
    best = np.take_along_axis(
        best, np.argsort(-np.take_along_axis(shares, best, axis=1), axis=1, kind="stable"), axis=1
    )
    return best, np.take_along_axis(shares, best, axis=1)


def candidates(
    tokenizer: Tokenizer, tokens: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]
) -> list[dict[str, float]]:
    """Words and their probabilities for each place.

    Args:
        tokenizer: Makes words of tokens.
        tokens: The likeliest of each place.
        shares: Their probabilities.
    """
    words = [[tokenizer.decode([token]).strip() for token in each] for each in tokens]
    return [dict(zip(names, values, strict=True)) for names, values in zip(words, shares, strict=True)]


def filled(row: Mapping[str, Any], sign: str) -> dict[str, Any]:
    """A row with its text filled in with the likeliest words, before what else could stand there.

    Args:
        row: ``text`` and ``candidates``, and where it stands.
        sign: What stands for a mask in the text.
    """
    found = dict(row)
    words = found.pop("candidates")
    best = [next(iter(each)) for each in words]
    parts = str(row["text"]).split(sign)
    text = "".join(part + word for part, word in zip(parts, [*best, ""], strict=True))
    return {**found, "filled": text, "candidates": words}
