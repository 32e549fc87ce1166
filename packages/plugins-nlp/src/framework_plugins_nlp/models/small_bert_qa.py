"""A small transformer encoder that finds answers in a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from framework_plugins_nlp.models.transformer_layers import Layer, initialise
from framework_plugins_nlp.question_answering import QuestionAnsweringModel


class SmallBertQA(QuestionAnsweringModel):
    """An encoder after BERT of Devlin et al., https://arxiv.org/abs/1810.04805, trained from scratch.

    Deviations: it is not pretrained, and layers are normalised before and not after their parts, which trains without a
    long warm-up (Xiong et al., https://arxiv.org/abs/2002.04745).

    Args:
        width: The length of a token's vector.
        depth: How many layers.
        heads: How many attention heads.
        feed_forward: The length of the hidden dense layer; ``None`` takes four widths.
        positions: How many tokens of a question and its context it can read at once.
        drop_rate: Dropout of embeddings, attention and dense layers.
        **common: What every such model takes: ``data``.
    """

    def __init__(
        self,
        width: int = 128,
        depth: int = 2,
        heads: int = 2,
        feed_forward: int | None = None,
        positions: int = 384,
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
    def input_settings(cls, *, positions: int = 384, **settings: Any) -> Mapping[str, Any]:
        """Windows of as many tokens as there are positions."""
        return {"tokenizer": "wordpiece", "max_length": positions}

    def _build_model(self) -> nn.Module:
        layers = [Layer(self.width, self.heads, self.feed_forward, self.drop_rate) for _ in range(self.depth)]
        embedding = nn.Embedding(self.vocabulary_size, self.width, padding_idx=self.pad_id)
        return _Reader(embedding, layers, positions=self.positions, drop_rate=self.drop_rate)


class _Reader(nn.Module):
    """Tokens and their kinds ``(B, 2, T)`` to ``(B, 2, T)``."""

    def __init__(self, embedding: nn.Embedding, layers: list[Layer], *, positions: int, drop_rate: float) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.embedding = embedding
        self.kind = nn.Embedding(2, width)
        self.position = nn.Embedding(positions, width)
        self.drop = nn.Dropout(drop_rate)
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)
        initialise(self, len(layers))

    def forward(self, inputs: Tensor) -> Tensor:
        tokens, kinds = inputs[:, 0], inputs[:, 1]
        hidden = self.embedding(tokens) + self.kind(kinds.clamp(max=1)) + self.position.weight[: tokens.shape[1]]
        hidden = self.drop(hidden)
        mask = tokens.ne(self.embedding.padding_idx or 0)[:, None, None, :]
        for layer in self.layers:
            hidden, _ = layer(hidden, mask=mask)
        outputs: Tensor = self.head(self.norm(hidden))
        return outputs.transpose(1, 2)
