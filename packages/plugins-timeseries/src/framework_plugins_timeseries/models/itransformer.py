"""A transformer whose tokens are whole series.

Axes: B windows, L look-back, C targets, V variates (targets and covariates), D width, H horizon, P numbers.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.windows import Window


class ITransformer(BaseTimeSeriesModel):
    """iTransformer of Liu et al., https://arxiv.org/abs/2310.06625, section 3.1, figure 2.

    The look-back of each variate is one token; attention is between variates, the feed-forward works on each of them,
    layer normalisation is behind both, and a linear layer reads the horizon from a target's token. Windows are
    normalised as in the authors' code. Covariates are tokens too, over their look-back: also those that are known
    ahead, as in that code, which does not look at what is ahead of them.

    Args:
        width: The length of a token.
        depth: How many layers.
        heads: How many attention heads.
        feed_forward: The length of the hidden layer in each layer.
        drop_rate: Dropout of tokens, attention and feed-forward.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    covariates: ClassVar[tuple[str, ...]] = ("past", "future")

    def __init__(
        self,
        width: int = 128,
        depth: int = 2,
        heads: int = 8,
        feed_forward: int = 128,
        drop_rate: float = 0.1,
        **common: Any,
    ) -> None:
        super().__init__(**{"normalize": "standard", **common})
        self.width = width
        self.depth = depth
        self.heads = heads
        self.feed_forward = feed_forward
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        layer = nn.TransformerEncoderLayer(
            self.width, self.heads, self.feed_forward, self.drop_rate, activation="gelu", batch_first=True
        )
        encoder = nn.TransformerEncoder(layer, self.depth, nn.LayerNorm(self.width), enable_nested_tensor=False)
        return _Inverted(
            self.layout.look_back, self.layout.horizon, self.head.numbers, encoder, self.drop_rate, self.width
        )


class _Inverted(nn.Module):
    def __init__(
        self, look_back: int, horizon: int, numbers: int, encoder: nn.Module, drop_rate: float, width: int
    ) -> None:
        super().__init__()
        self.numbers = numbers
        self.embedding = nn.Linear(look_back, width)
        self.drop = nn.Dropout(drop_rate)
        self.encoder = encoder
        self.projection = nn.Linear(width, horizon * numbers)

    def forward(self, window: Window) -> Tensor:
        look_back, targets = window.past.shape[1:]
        known = window.future_covariates[:, :look_back]
        variates = torch.cat([window.past, window.past_covariates, known], dim=-1).transpose(1, 2)
        tokens = self.encoder(self.drop(self.embedding(variates)))[:, :targets]
        found: Tensor = self.projection(tokens).unflatten(-1, (-1, self.numbers))
        return found.transpose(1, 2)
