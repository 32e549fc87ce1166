"""A transformer over patches of each target by itself.

Axes: B windows, L look-back, C targets, N patches, D width, A heads, H horizon, P numbers for each value.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework_core.errors import ContractError
from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.windows import Window


class PatchTST(BaseTimeSeriesModel):
    """PatchTST of Nie et al., A Time Series is Worth 64 Words, https://arxiv.org/abs/2211.14730.

    Section 3.1.

    RevIN without learned scale, patches with the last value repeated at the end, learned positions, layers with batch
    normalisation behind attention and feed-forward, one linear head over all patches; every target by itself with the
    same weights. As in the authors' code, attention scores are added up from layer to layer (``residual_attention``),
    which the paper does not say. The sizes are those of their scripts for small sets (ETT): 16 wide, 4 heads.

    Args:
        patch_size: How many steps make a patch.
        patch_stride: How many steps lie between patches.
        width: The length of a token.
        depth: How many layers.
        heads: How many attention heads.
        feed_forward: The length of the hidden layer in each layer.
        drop_rate: Dropout of tokens, attention and feed-forward.
        head_drop_rate: Dropout before the head.
        pad_end: Whether a last patch is made by repeating the last value.
        residual_attention: Whether attention scores are added up from layer to layer.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...

    Raises:
        ContractError: The look-back is shorter than a patch.
    """

    def __init__(
        self,
        patch_size: int = 16,
        patch_stride: int = 8,
        width: int = 16,
        depth: int = 3,
        heads: int = 4,
        feed_forward: int = 128,
        drop_rate: float = 0.3,
        head_drop_rate: float = 0.0,
        pad_end: bool = True,
        residual_attention: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**{"normalize": "standard", **common})
        self.patch_size = patch_size
        self.patch_stride = patch_stride
        self.width = width
        self.depth = depth
        self.heads = heads
        self.feed_forward = feed_forward
        self.drop_rate = drop_rate
        self.head_drop_rate = head_drop_rate
        self.pad_end = pad_end
        self.residual_attention = residual_attention

    def _build_model(self) -> nn.Module:
        look_back = self.layout.look_back
        if look_back < self.patch_size:
            raise ContractError(
                "PatchTST and this data do not fit",
                [f"a patch has {self.patch_size} steps, the look-back {look_back}"],
                next_step=f"Take smaller patches: model.patch_size={max(1, look_back // 4)}, or a longer look-back.",
            )
        patches = Patches(self.patch_size, self.patch_stride, pad_end=self.pad_end)
        encoder = PatchEncoder(
            patches,
            patches.count(look_back),
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            feed_forward=self.feed_forward,
            drop_rate=self.drop_rate,
            residual_attention=self.residual_attention,
        )
        outputs = self.layout.horizon * self.head.numbers
        linear = nn.Linear(self.width * patches.count(look_back), outputs)
        return _Forecast(
            encoder, nn.Sequential(nn.Flatten(2), linear, nn.Dropout(self.head_drop_rate)), self.head.numbers
        )


class _Forecast(nn.Module):
    def __init__(self, encoder: PatchEncoder, head: nn.Module, numbers: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.numbers = numbers

    def forward(self, window: Window) -> Tensor:
        found: Tensor = self.head(self.encoder(window.past)).unflatten(-1, (-1, self.numbers))
        return found.transpose(1, 2)


class Patches(nn.Module):
    """Cuts each target into patches.

    Args:
        size: How many steps make a patch.
        stride: How many steps lie between patches.
        pad_end: Whether the last value is repeated for one more.
    """

    def __init__(self, size: int, stride: int, *, pad_end: bool) -> None:
        super().__init__()
        self.size = size
        self.stride = stride
        self.pad_end = pad_end

    def count(self, look_back: int) -> int:
        """How many patches a look-back has."""
        return (look_back - self.size) // self.stride + 1 + self.pad_end

    def forward(self, past: Tensor) -> Tensor:
        """``(B, L, C)`` to ``(B, C, N, size)``; without padding the oldest steps are left out, where some are over."""
        columns = past.transpose(1, 2)
        if self.pad_end:
            columns = functional.pad(columns, (0, self.stride), mode="replicate")
        else:
            columns = columns[..., (columns.shape[-1] - self.size) % self.stride :]
        return columns.unfold(-1, self.size, self.stride)


class PatchEncoder(nn.Module):
    """Patches to tokens, ``(B, L, C)`` to ``(B, C, N, D)``; every target by itself."""

    def __init__(
        self,
        patches: Patches,
        count: int,
        *,
        width: int,
        depth: int,
        heads: int,
        feed_forward: int,
        drop_rate: float,
        residual_attention: bool,
    ) -> None:
        super().__init__()
        self.patches = patches
        self.embedding = nn.Linear(patches.size, width)
        self.positions = nn.Parameter(torch.empty(count, width).uniform_(-0.02, 0.02))
        self.drop = nn.Dropout(drop_rate)
        self.layers = nn.ModuleList(_Layer(width, heads, feed_forward, drop_rate) for _ in range(depth))
        self.residual_attention = residual_attention

    def forward(self, past: Tensor) -> Tensor:
        """Tokens of every target."""
        tokens = self.embedding(self.patches(past))
        batch, targets = tokens.shape[:2]
        x: Tensor = self.drop(tokens.flatten(0, 1) + self.positions)
        scores: Tensor | None = None
        for layer in self.layers:
            x, scores = layer(x, scores if self.residual_attention else None)
        return torch.unflatten(x, 0, (batch, targets))


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, feed_forward: int, drop_rate: float) -> None:
        super().__init__()
        self.attention = _Attention(width, heads, drop_rate)
        self.norm_attention = nn.BatchNorm1d(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, feed_forward), nn.GELU(), nn.Dropout(drop_rate), nn.Linear(feed_forward, width)
        )
        self.norm_feed_forward = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(drop_rate)

    def forward(self, x: Tensor, scores: Tensor | None) -> tuple[Tensor, Tensor]:
        found, scores = self.attention(x, scores)
        x = _each(self.norm_attention, x + self.drop(found))
        return _each(self.norm_feed_forward, x + self.drop(self.feed_forward(x))), scores


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, drop_rate: float) -> None:
        super().__init__()
        self.heads = heads
        self.queries, self.keys, self.values = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Sequential(nn.Linear(width, width), nn.Dropout(drop_rate))

    def forward(self, x: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.queries, self.keys, self.values)
        )
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if before is not None:
            scores = scores + before
        found = (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
        return self.out(found), scores


def _each(norm: nn.Module, x: Tensor) -> Tensor:
    """Batch normalisation of each feature over all tokens."""
    found: Tensor = norm(x.transpose(1, 2)).transpose(1, 2)
    return found
