"""A bag of words and of their sequences."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from framework_plugins_nlp.model import BaseNLPModel

PRIMES = (1, 1_000_003, 999_983, 786_433, 611_953)
"""Multipliers of the tokens of an n-gram, the last one first."""


class FastText(BaseNLPModel):
    """The classifier of Joulin et al., https://arxiv.org/abs/1607.01759: a mean of embeddings and a linear layer.

    N-grams of tokens are put into ``buckets`` by their hash, as in section 2.2. Deviations: a softmax over all classes
    in place of the hierarchical one, and the settings of this framework's optimizer.

    Args:
        width: The length of an embedding.
        ngrams: Up to how many tokens make one n-gram; 1 takes tokens alone.
        buckets: How many embeddings n-grams share.
        drop_rate: Dropout of the mean.
        **common: What every classifier of text takes: ``label_smoothing``, ``data`` ...
    """

    def __init__(
        self, width: int = 64, ngrams: int = 2, buckets: int = 50_000, drop_rate: float = 0.0, **common: Any
    ) -> None:
        super().__init__(**common)
        self.width = width
        self.ngrams = ngrams
        self.buckets = buckets
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        return _Bag(
            self.vocabulary_size,
            self.pad_id,
            self.data.num_classes,
            width=self.width,
            ngrams=self.ngrams,
            buckets=self.buckets if self.ngrams > 1 else 0,
            drop_rate=self.drop_rate,
        )


class _Bag(nn.Module):
    """Tokens ``(B, T)`` to ``(B, classes)``."""

    def __init__(
        self, vocabulary: int, pad_id: int, classes: int, *, width: int, ngrams: int, buckets: int, drop_rate: float
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.pad_id = pad_id
        self.ngrams = ngrams
        self.buckets = buckets
        self.embedding = nn.EmbeddingBag(vocabulary + buckets, width, mode="mean", padding_idx=pad_id)
        nn.init.uniform_(self.embedding.weight, -1 / width, 1 / width)
        self.drop = nn.Dropout(drop_rate)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        parts = [tokens, *(self._hashed(tokens, count) for count in range(2, self.ngrams + 1))]
        found: Tensor = self.head(self.drop(self.embedding(torch.cat(parts, dim=1))))
        return found

    def _hashed(self, tokens: Tensor, count: int) -> Tensor:
        """The bucket of each sequence of ``count`` tokens; padding where one of them is padding."""
        if tokens.shape[1] < count:
            return tokens[:, :0]
        windows = tokens.unfold(1, count, 1)
        mixed = (windows.flip(-1) * torch.tensor(PRIMES[:count], device=tokens.device)).sum(dim=-1)
        buckets = torch.remainder(mixed, self.buckets) + self.vocabulary
        return torch.where((windows == self.pad_id).any(dim=-1), self.pad_id, buckets)
