"""Texts of which some tokens are masked, to be told from the others.

Axes: B texts, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from framework_core import BatchDataset, seed_sample
from framework_plugins_nlp.tokenization import Encoded, Tokenizer
from framework_plugins_nlp.tokens import padded

IGNORED = -100
"""The target of a token that is not asked for."""

MASKED, REPLACED = 0.8, 0.1
"""Of the tokens that are asked for, the share that is masked, and the share that another token stands for (BERT)."""


class MaskedTexts(BatchDataset):
    """Texts with a share of their tokens masked, each batch filled up to its longest.

    Of the tokens that are asked for, eight in ten are masked, one is replaced by another token and one left as it is
    (Devlin et al., https://arxiv.org/abs/1810.04805, 3.1). Those at both ends of a text are never asked for.

    Args:
        encoded: The texts as numbers.
        tokenizer: What made them; it has a token for what is masked.
        share: The share of tokens that is asked for.
        fixed: Whether the same tokens are asked for each time, whatever the batch.
    """

    def __init__(self, encoded: Encoded, tokenizer: Tokenizer, *, share: float, fixed: bool) -> None:
        self.ids = torch.from_numpy(encoded.ids).long()
        self.offsets = torch.from_numpy(encoded.offsets)
        self.pad_id = tokenizer.pad_id
        self.mask_id = tokenizer.mask_id or 0
        self.vocabulary = len(tokenizer)
        self.share = share
        self._ends = torch.tensor(sorted({*tokenizer.around()[0], *tokenizer.around()[1], self.pad_id}))
        drawn = torch.rand(3, len(self.ids), generator=torch.Generator().manual_seed(0)) if fixed else None
        self._fixed = None if drawn is None else self._masked(self.ids, drawn)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """The tokens of each text."""
        return self.offsets.diff()

    def text(self, index: int) -> list[int]:
        """The tokens of a text, none of them masked."""
        start, end = self.offsets[index : index + 2].tolist()
        found: list[int] = self.ids[start:end].tolist()
        return found

    def batch(self, indices: Tensor) -> tuple[Tensor, ...]:
        """Tokens, some of them masked, and what those were, ``(B, T)`` each."""
        if self._fixed is None:
            tokens = padded(self.ids, self.offsets, indices, self.pad_id)
            return self._masked(tokens, self._drawn(self.offsets.diff()[indices].tolist(), tokens.shape[1]))
        inputs, target = self._fixed
        found = padded(inputs, self.offsets, indices, self.pad_id)
        return found, padded(target, self.offsets, indices, IGNORED)

    def _drawn(self, lengths: Sequence[int], width: int) -> Tensor:
        """Three numbers for each token, ``(3, B, T)``: of each text its own, however long those beside it are."""
        drawn = torch.ones(3, len(lengths), width)
        for place, length in enumerate(lengths):
            seed_sample(place)
            drawn[:, place, :length] = torch.rand(3, length)
        return drawn

    def _masked(self, tokens: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        chance, how, which = drawn
        other = (which * self.vocabulary).long().clamp(max=self.vocabulary - 1)
        asked = (chance < self.share) & ~torch.isin(tokens, self._ends)
        inputs = tokens.masked_fill(asked & (how < MASKED), self.mask_id)
        inputs = torch.where(asked & (how >= MASKED) & (how < MASKED + REPLACED), other, inputs)
        return inputs, tokens.masked_fill(~asked, IGNORED)


def stretches(encoded: Encoded, around: tuple[Sequence[int], Sequence[int]], length: int) -> Encoded:
    """Documents cut into stretches of so many tokens at most, with what stands around a text; none spans two of them.

    Args:
        encoded: The documents, without what stands around them.
        around: What stands before and behind a text.
        length: The tokens of a stretch, with those.
    """
    before, behind = (np.array(part, dtype=np.int32) for part in around)
    room = max(1, length - len(before) - len(behind))
    parts: list[np.ndarray] = []
    for start, end in zip(encoded.offsets[:-1].tolist(), encoded.offsets[1:].tolist(), strict=True):
        parts += [
            np.concatenate([before, encoded.ids[first : min(first + room, end)], behind])
            for first in range(start, end, room)
        ]
    offsets = np.zeros(len(parts) + 1, dtype=np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return Encoded(np.concatenate(parts), offsets, 0, encoded.empty, encoded.unknown)
