"""Gated layers that choose among variables, an LSTM, and attention over time.

Axes: B windows, T steps, L look-back, H horizon, V variables, D width, A heads, C targets, P numbers for each value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.series_embedding import SeriesEmbedding
from framework_plugins_timeseries.windows import Window


class TFT(BaseTimeSeriesModel):
    """The Temporal Fusion Transformer of Lim et al., https://arxiv.org/abs/1912.09363, section 4.

    Figure 2: variable selection for static, past and known covariates (section 4.2), static context vectors (4.3), an
    LSTM that starts from them, static enrichment, interpretable attention (4.4) and gated residuals throughout (4.1);
    quantiles by ``loss="quantile"``, which is the default. The series itself is a static covariate, by a vector that is
    learned of each. Deviations: all targets are forecast together by one linear layer; other covariates are numbers,
    embedded by a linear layer each; windows are normalised by their mean and deviation; without covariates known ahead
    a step's place stands for them.

    Args:
        width: The length of every hidden vector.
        heads: How many attention heads.
        drop_rate: Dropout in each gated layer.
        series_embedding: Whether the series itself is a static covariate.
        loss: What is made small.
        **common: What every model for series takes: ``data``, ``quantiles``, ``level`` ...
    """

    covariates: ClassVar[tuple[str, ...]] = ("past", "future", "static")

    def __init__(
        self,
        width: int = 64,
        heads: int = 4,
        drop_rate: float = 0.1,
        series_embedding: bool = True,
        loss: str = "quantile",
        **common: Any,
    ) -> None:
        super().__init__(**{"loss": loss, "normalize": "standard", **common})
        self.width = width
        self.heads = heads
        self.drop_rate = drop_rate
        self.series_embedding = series_embedding

    def _build_model(self) -> nn.Module:
        series = self.series_vectors(self.width) if self.series_embedding else None
        return _Fusion(self.layout, self.head.numbers, self.width, self.heads, self.drop_rate, series)


class _Fusion(nn.Module):
    def __init__(
        self, layout: Layout, numbers: int, width: int, heads: int, drop: float, series: SeriesEmbedding | None
    ) -> None:
        super().__init__()
        self.look_back, self.horizon, self.targets = layout.look_back, layout.horizon, len(layout.targets)
        self.series = series
        static = layout.named_static + (series is not None)
        # A network without covariates known ahead still has to tell the steps of the horizon apart.
        self.clock = not layout.future
        known = len(layout.future) or 1
        observed = self.targets + len(layout.past) + known
        self.choose_static = _Selection(layout.named_static, static, width, drop, context=False) if static else None
        self.contexts = nn.ModuleList(_Gated(width, width, width, drop) for _ in range(4)) if static else None
        self.choose_past = _Selection(observed, observed, width, drop, context=bool(static))
        self.choose_known = _Selection(known, known, width, drop, context=bool(static))
        self.encoder = nn.LSTM(width, width, batch_first=True)
        self.decoder = nn.LSTM(width, width, batch_first=True)
        self.after_lstm = _AddNorm(width, drop)
        self.enrich = _Gated(width, width, width, drop, context=width if static else 0)
        self.attention = _Attention(width, heads)
        self.after_attention = _AddNorm(width, drop)
        self.feed_forward = _Gated(width, width, width, drop)
        self.after_all = _AddNorm(width, drop)
        self.output = nn.Linear(width, self.targets * numbers)

    def forward(self, window: Window) -> Tensor:
        known = self._known(window)
        observed = torch.cat([window.past, window.past_covariates, known[:, : self.look_back]], dim=-1)
        selection, hidden, cell, enrichment = self._contexts(window)
        past = self.choose_past(observed, selection)
        ahead = self.choose_known(known[:, self.look_back :], selection)
        state = None if hidden is None or cell is None else (hidden.unsqueeze(0), cell.unsqueeze(0))
        encoded, state = self.encoder(past, state)
        decoded, _ = self.decoder(ahead, state)
        steps = self.after_lstm(torch.cat([encoded, decoded], dim=1), torch.cat([past, ahead], dim=1))
        enriched = self.enrich(steps, None if enrichment is None else enrichment.unsqueeze(1))
        attended = self.attention(enriched, self.look_back)
        ahead_only = enriched[:, self.look_back :]
        read = self.feed_forward(self.after_attention(attended, ahead_only))
        found: Tensor = self.output(self.after_all(read, steps[:, self.look_back :]))
        return torch.unflatten(found, -1, (self.targets, -1))

    def _known(self, window: Window) -> Tensor:
        if not self.clock:
            return window.future_covariates
        steps = torch.arange(-self.look_back, self.horizon, device=window.past.device, dtype=window.past.dtype)
        return (steps / self.look_back).view(1, -1, 1).expand(window.past.shape[0], -1, -1)

    def _contexts(self, window: Window) -> tuple[Tensor | None, ...]:
        if self.choose_static is None or self.contexts is None:
            return None, None, None, None
        own = [] if self.series is None else [self.series(window)]
        chosen = self.choose_static(window.static, None, own)
        return tuple(gate(chosen, None) for gate in self.contexts)


class _Gated(nn.Module):
    """The gated residual network of equations 2 to 5."""

    def __init__(self, inputs: int, hidden: int, outputs: int, drop: float, *, context: int = 0) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.context = nn.Linear(context, hidden, bias=False) if context else None
        self.second = nn.Linear(hidden, hidden)
        self.gate = nn.Linear(hidden, 2 * outputs)
        self.around = nn.Linear(inputs, outputs) if inputs != outputs else nn.Identity()
        self.drop = nn.Dropout(drop)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        hidden = self.first(x)
        if self.context is not None and context is not None:
            hidden = hidden + self.context(context)
        hidden = self.second(functional.elu(hidden))
        found: Tensor = self.norm(self.around(x) + functional.glu(self.gate(self.drop(hidden)), dim=-1))
        return found


class _AddNorm(nn.Module):
    """A gate, the way around it, and normalisation."""

    def __init__(self, width: int, drop: float) -> None:
        super().__init__()
        self.gate = nn.Linear(width, 2 * width)
        self.drop = nn.Dropout(drop)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, around: Tensor) -> Tensor:
        found: Tensor = self.norm(around + functional.glu(self.gate(self.drop(x)), dim=-1))
        return found


class _Selection(nn.Module):
    """Variable selection, equations 6 to 8: each variable through a network of its own, and their weighted sum."""

    def __init__(self, numbers: int, variables: int, width: int, drop: float, *, context: bool) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Linear(1, width) for _ in range(numbers))
        self.each = nn.ModuleList(_Gated(width, width, width, drop) for _ in range(variables))
        self.weights = _Gated(variables * width, width, variables, drop, context=width if context else 0)

    def forward(self, values: Tensor, context: Tensor | None, own: Sequence[Tensor] = ()) -> Tensor:
        """``(B, ..., V)`` to ``(B, ..., D)``; ``own`` are variables that are vectors already."""
        embedded = [layer(values[..., index : index + 1]) for index, layer in enumerate(self.embeddings)]
        embedded += own
        if context is not None and values.ndim > 2:
            context = context.unsqueeze(1)
        weights = self.weights(torch.cat(embedded, dim=-1), context).softmax(dim=-1)
        read = torch.stack([gate(each) for gate, each in zip(self.each, embedded, strict=True)], dim=-2)
        found: Tensor = (weights.unsqueeze(-1) * read).sum(dim=-2)
        return found


class _Attention(nn.Module):
    """Interpretable attention, equations 13 to 16: heads share their values, and no step sees a later one."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.size = width // heads
        self.queries, self.keys = nn.Linear(width, width), nn.Linear(width, width)
        self.values = nn.Linear(width, self.size)
        self.out = nn.Linear(self.size, width, bias=False)

    def forward(self, x: Tensor, look_back: int) -> Tensor:
        """``(B, T, D)`` to the steps behind the look-back, ``(B, H, D)``."""
        queries = self.queries(x[:, look_back:]).unflatten(-1, (self.heads, self.size)).transpose(1, 2)
        keys = self.keys(x).unflatten(-1, (self.heads, self.size)).transpose(1, 2)
        scores = queries @ keys.transpose(-1, -2) * self.size**-0.5
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(look_back + 1)
        weights = scores.masked_fill(later, float("-inf")).softmax(dim=-1).mean(dim=1)
        found: Tensor = self.out(weights @ self.values(x))
        return found
