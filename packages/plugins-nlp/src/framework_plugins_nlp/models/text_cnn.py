"""Convolutions over words, and the strongest answer of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework_plugins_nlp.model import BaseNLPModel


class TextCNN(BaseNLPModel):
    """CNN-rand of Kim, https://arxiv.org/abs/1408.5882: convolutions of some widths, their maxima, dropout, a layer.

    Deviations: embeddings are learned with everything else from a start of small random numbers (the paper's CNN-rand);
    rows of the last layer are shortened to ``max_norm`` before a step in place of after it; the optimizer is that of
    the settings, where the paper has Adadelta.

    Args:
        width: The length of an embedding.
        kernel_sizes: How many tokens each convolution sees.
        filters: How many there are of each.
        drop_rate: Dropout before the last layer.
        max_norm: How long a row of the last layer may be; ``None`` lets it be.
        **common: What every classifier of text takes: ``label_smoothing``, ``data`` ...
    """

    def __init__(
        self,
        width: int = 300,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        filters: int = 100,
        drop_rate: float = 0.5,
        max_norm: float | None = 3.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.width = width
        self.kernel_sizes = tuple(kernel_sizes)
        self.filters = filters
        self.drop_rate = drop_rate
        self.max_norm = max_norm

    def _build_model(self) -> nn.Module:
        return _Convolutions(
            nn.Embedding(self.vocabulary_size, self.width, padding_idx=self.pad_id),
            self.data.num_classes,
            kernel_sizes=self.kernel_sizes,
            filters=self.filters,
            drop_rate=self.drop_rate,
            max_norm=self.max_norm,
        )


class _Convolutions(nn.Module):
    """Tokens ``(B, T)`` to ``(B, classes)``."""

    def __init__(
        self,
        embedding: nn.Embedding,
        classes: int,
        *,
        kernel_sizes: Sequence[int],
        filters: int,
        drop_rate: float,
        max_norm: float | None,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        nn.init.uniform_(embedding.weight, -0.25, 0.25)
        with torch.no_grad():
            embedding.weight[embedding.padding_idx].zero_()
        width = embedding.embedding_dim
        self.convolutions = nn.ModuleList(nn.Conv1d(width, filters, size, padding=size - 1) for size in kernel_sizes)
        self.drop = nn.Dropout(drop_rate)
        self.head = nn.Linear(filters * len(kernel_sizes), classes)
        self.max_norm = max_norm

    def forward(self, tokens: Tensor) -> Tensor:
        if self.training and self.max_norm is not None:
            with torch.no_grad():
                self.head.weight.copy_(self.head.weight.renorm(2, 0, self.max_norm))
        columns = self.embedding(tokens).transpose(1, 2)
        lengths = tokens.ne(self.embedding.padding_idx or 0).sum(dim=1).clamp(min=1)
        found = [self._strongest(convolution(columns), lengths - tokens.shape[1]) for convolution in self.convolutions]
        outputs: Tensor = self.head(self.drop(torch.cat(found, dim=1)))
        return outputs

    def _strongest(self, answers: Tensor, short: Tensor) -> Tensor:
        """The maximum over the places that see at least one token, ``(B, F, T')`` to ``(B, F)``."""
        places = torch.arange(answers.shape[2], device=answers.device)
        outside = places >= (answers.shape[2] + short)[:, None]
        return functional.relu(answers.masked_fill(outside[:, None], -torch.inf).amax(dim=2))
