"""A small transformer encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from framework_plugins_nlp.model import BaseNLPModel
from framework_plugins_nlp.models.transformer_layers import Layer, initialise


class SmallBert(BaseNLPModel):
    """An encoder after BERT of Devlin et al., https://arxiv.org/abs/1810.04805, trained from scratch.

    Deviations: it is not pretrained; layers are normalised before and not after their parts, which trains without a
    long warm-up (Xiong et al., https://arxiv.org/abs/2002.04745); the token for the class is a weight of the network,
    so any tokenizer will do; no segments and no pooling layer. The class of a word is read off at its first token.

    Args:
        width: The length of a token's vector.
        depth: How many layers.
        heads: How many attention heads.
        feed_forward: The length of the hidden dense layer; ``None`` takes four widths.
        positions: How many tokens of a text it can read.
        drop_rate: Dropout of embeddings, attention and dense layers.
        **common: What every classifier of text takes: ``label_smoothing``, ``data`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("text-classification", "token-classification")

    def __init__(
        self,
        width: int = 128,
        depth: int = 2,
        heads: int = 2,
        feed_forward: int | None = None,
        positions: int = 512,
        drop_rate: float = 0.1,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.width = width
        self.depth = depth
        self.heads = heads
        self.feed_forward = feed_forward or 4 * width
        self.positions = positions
        self.drop_rate = drop_rate

    @classmethod
    def input_settings(cls, *, positions: int = 512, **settings: Any) -> Mapping[str, Any]:
        """Tokens by WordPiece, as many as there are positions."""
        return {"tokenizer": "wordpiece", "max_length": positions}

    def _build_model(self) -> nn.Module:
        return _Encoder(
            nn.Embedding(self.vocabulary_size, self.width, padding_idx=self.pad_id),
            self.data.num_classes,
            depth=self.depth,
            heads=self.heads,
            feed_forward=self.feed_forward,
            positions=self.positions,
            drop_rate=self.drop_rate,
            of_words=self.of_words,
        )


class _Encoder(nn.Module):
    """Tokens ``(B, T)`` to ``(B, classes)``, and of words to ``(B, classes, T)``."""

    def __init__(
        self,
        embedding: nn.Embedding,
        classes: int,
        *,
        depth: int,
        heads: int,
        feed_forward: int,
        positions: int,
        drop_rate: float,
        of_words: bool,
    ) -> None:
        super().__init__()
        self.of_words = of_words
        width = embedding.embedding_dim
        self.embedding = embedding
        self.position = nn.Embedding(positions + 1, width)
        self.first = nn.Parameter(torch.zeros(width))
        self.drop = nn.Dropout(drop_rate)
        self.layers = nn.ModuleList(Layer(width, heads, feed_forward, drop_rate) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        initialise(self, depth)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens[:, : self.position.num_embeddings - 1]
        inside = nn.functional.pad(tokens.ne(self.embedding.padding_idx or 0), (1, 0), value=True)
        hidden = torch.cat([self.first.expand(len(tokens), 1, -1), self.embedding(tokens)], dim=1)
        hidden = self.drop(hidden + self.position.weight[: hidden.shape[1]])
        mask = inside[:, None, None, :]
        for layer in self.layers:
            hidden, _ = layer(hidden, mask=mask)
        if self.of_words:
            of_tokens: Tensor = self.head(self.norm(hidden[:, 1:]))
            return of_tokens.transpose(1, 2)
        outputs: Tensor = self.head(self.norm(hidden[:, 0]))
        return outputs
