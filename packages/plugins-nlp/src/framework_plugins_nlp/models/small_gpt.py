"""A small transformer decoder."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor, nn

from framework_plugins_nlp.language_model import LanguageModel
from framework_plugins_nlp.models.transformer_layers import Cache, Layer, initialise
from framework_plugins_nlp.packing import documents, seen


class SmallGPT(LanguageModel):
    """A decoder after GPT-2 of Radford et al., https://github.com/openai/gpt-2, of any size.

    Layers are normalised before their parts, positions are learned, the embedding is the last layer too, and layers
    that add to the stream start smaller, all as there. It looks back as far as a block of the data. Where documents
    stand in one block, each sees itself alone and its positions begin anew. Deviations: the vocabulary is the data's,
    and dropout is off unless it is set.

    Args:
        width: The length of a token's vector.
        depth: How many layers.
        heads: How many attention heads.
        feed_forward: The length of the hidden dense layer; ``None`` takes four widths.
        drop_rate: Dropout of embeddings, attention and dense layers.
        **common: What every language model takes: ``max_new_tokens``, ``temperature``, ``data`` ...
    """

    def __init__(
        self,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        feed_forward: int | None = None,
        drop_rate: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.width = width
        self.depth = depth
        self.heads = heads
        self.feed_forward = feed_forward or 4 * width
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        return _Decoder(
            nn.Embedding(self.vocabulary_size, self.width),
            depth=self.depth,
            heads=self.heads,
            feed_forward=self.feed_forward,
            positions=self.data.input_shape[0],
            drop_rate=self.drop_rate,
            separator=self.packed_by,
        )

    @property
    def room(self) -> int:
        """As many tokens as there are positions: those of a block."""
        return int(self.data.input_shape[0])

    def steps(self, tokens: Tensor) -> Generator[Tensor, Tensor, None]:
        """The next token by the keys and values of those before; where there is no room left, half is forgotten."""
        model: Any = self.model
        while True:
            tokens = tokens[-self.room :]
            logits, cache = model.cached(tokens[None])
            while True:
                token = yield logits[0, -1]
                tokens = torch.cat([tokens, token])
                if len(tokens) > self.room:
                    tokens = tokens[-max(1, self.room // 2) :]
                    break
                logits, cache = model.cached(token[None], cache)


class _Decoder(nn.Module):
    """Tokens ``(B, T)`` to ``(B, T, V)``."""

    def __init__(
        self,
        embedding: nn.Embedding,
        *,
        depth: int,
        heads: int,
        feed_forward: int,
        positions: int,
        drop_rate: float,
        separator: int | None,
    ) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.embedding = embedding
        self.position = nn.Embedding(positions, width)
        self.separator = separator
        self.drop = nn.Dropout(drop_rate)
        self.layers = nn.ModuleList(Layer(width, heads, feed_forward, drop_rate) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        initialise(self, depth)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.separator is None:
            places, mask = torch.arange(tokens.shape[1], device=tokens.device), None
        else:
            places, document = documents(tokens, self.separator)
            mask = seen(document)
        hidden = self.drop(self.embedding(tokens) + self.position(places))
        for layer in self.layers:
            hidden, _ = layer(hidden, mask=mask, causal=mask is None)
        return self._read(hidden)

    def cached(self, tokens: Tensor, before: list[Cache] | None = None) -> tuple[Tensor, list[Cache]]:
        """Logits of tokens of one document, and keys and values for those that follow.

        Args:
            tokens: ``(1, T)``; a single one where there were others before.
            before: Keys and values of those.
        """
        start = 0 if before is None else before[0][0].shape[2]
        places = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        hidden = self.embedding(tokens) + self.position(places)
        kept = []
        for number, layer in enumerate(self.layers):
            hidden, cache = layer(hidden, causal=True, cache=None if before is None else before[number])
            kept.append(cache)
        return self._read(hidden), kept

    def _read(self, hidden: Tensor) -> Tensor:
        return nn.functional.linear(self.norm(hidden), self.embedding.weight)
