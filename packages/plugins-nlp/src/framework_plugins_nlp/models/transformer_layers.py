"""The layers of a transformer: attention by torch's own kernels, and a dense part.

Axes: B texts, T tokens, D width, N heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

Cache = tuple[Tensor, Tensor]
"""Keys and values of the tokens before, ``(B, N, T, D/N)`` each."""


class Attention(nn.Module):
    """Attention of several heads.

    Args:
        width: The length of a token's vector.
        heads: How many heads.
        drop_rate: Dropout of attention and of what comes out.
    """

    def __init__(self, width: int, heads: int, drop_rate: float) -> None:
        super().__init__()
        self.heads = heads
        self.drop_rate = drop_rate
        self.mixed = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.drop = nn.Dropout(drop_rate)

    def forward(
        self, hidden: Tensor, *, mask: Tensor | None = None, causal: bool = False, cache: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """``(B, T, D)`` to the same, and keys and values for the tokens that follow.

        Args:
            hidden: The vectors.
            mask: True where a token may be looked at, ``(B, 1, 1 or T, T)``.
            causal: Whether each token sees only those before it.
            cache: Keys and values of the tokens before.
        """
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.mixed(hidden).chunk(3, dim=-1)
        )
        if cache is not None:
            key, value = torch.cat([cache[0], key], dim=2), torch.cat([cache[1], value], dim=2)
        rate = self.drop_rate if self.training else 0.0
        # A single token after others sees them all.
        found = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=rate, is_causal=causal and cache is None
        )
        return self.drop(self.out(found.transpose(1, 2).flatten(2))), (key, value)


class Layer(nn.Module):
    """Attention and two dense layers, each with its input added; normalised before each (pre-norm).

    Args:
        width: The length of a token's vector.
        heads: How many heads.
        feed_forward: The length of the hidden dense layer.
        drop_rate: Dropout of attention and dense part.
    """

    def __init__(self, width: int, heads: int, feed_forward: int, drop_rate: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads, drop_rate)
        self.before_dense = nn.LayerNorm(width)
        self.dense = nn.Sequential(
            nn.Linear(width, feed_forward), nn.GELU(), nn.Linear(feed_forward, width), nn.Dropout(drop_rate)
        )

    def forward(
        self, hidden: Tensor, *, mask: Tensor | None = None, causal: bool = False, cache: Cache | None = None
    ) -> tuple[Tensor, Cache]:
        """``(B, T, D)`` to the same, and keys and values for the tokens that follow."""
        seen, kept = self.attention(self.before_attention(hidden), mask=mask, causal=causal, cache=cache)
        hidden = hidden + seen
        return hidden + self.dense(self.before_dense(hidden)), kept


def initialise(network: nn.Module, depth: int) -> None:
    """Normal numbers of deviation 0.02; of layers that add to the stream, less the more layers there are (GPT-2)."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            adds = name.endswith(("attention.out", "dense.2"))
            nn.init.normal_(module.weight, std=0.02 / (2 * depth) ** 0.5 if adds else 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
            if module.padding_idx is not None:
                with torch.no_grad():
                    module.weight[module.padding_idx].zero_()
