"""A recurrent network over the past."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.models.context import ContextDecoder, inputs_of, steps_of
from framework_plugins_timeseries.windows import Window


class LSTM(BaseTimeSeriesModel):
    """An LSTM with a direct decoder: Hochreiter and Schmidhuber, https://doi.org/10.1162/neco.1997.9.8.1735, section 4.

    It reads every target and covariate step by step; the horizon is read from its last state at once, by the decoder
    of Wen et al., https://arxiv.org/abs/1711.11053, section 3.2. The cell has a forget gate, as torch's has (Gers et
    al., 2000), which the first paper does not know. Windows are normalised by their mean and deviation, which
    neither does.

    Args:
        hidden: The length of the state.
        depth: How many layers.
        decoder_hidden: The length of the decoder's hidden layers.
        drop_rate: Dropout between layers.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    covariates: ClassVar[tuple[str, ...]] = ("past", "future", "static")

    def __init__(
        self, hidden: int = 128, depth: int = 2, decoder_hidden: int = 64, drop_rate: float = 0.1, **common: Any
    ) -> None:
        super().__init__(**{"normalize": "standard", **common})
        self.hidden = hidden
        self.depth = depth
        self.decoder_hidden = decoder_hidden
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        drop = self.drop_rate if self.depth > 1 else 0.0
        cells = nn.LSTM(inputs_of(self.layout), self.hidden, self.depth, batch_first=True, dropout=drop)
        return _Recurrent(cells, self.layout, self.head.numbers, self.hidden, self.decoder_hidden)


class _Recurrent(nn.Module):
    def __init__(self, cells: nn.LSTM, layout: Layout, numbers: int, hidden: int, decoder_hidden: int) -> None:
        super().__init__()
        self.cells = cells
        self.decoder = ContextDecoder(layout, numbers, hidden, decoder_hidden)

    def forward(self, window: Window) -> Tensor:
        states, _ = self.cells(steps_of(window))
        found: Tensor = self.decoder(states[:, -1], window)
        return found
