"""Causal convolutions that reach further from layer to layer."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from framework_plugins_timeseries.layout import Layout
from framework_plugins_timeseries.model import BaseTimeSeriesModel
from framework_plugins_timeseries.models.context import ContextDecoder, inputs_of, steps_of
from framework_plugins_timeseries.windows import Window


class TCN(BaseTimeSeriesModel):
    """The temporal convolutional network of Bai et al., https://arxiv.org/abs/1803.01271, section 3.

    Figure 1: residual blocks of two causal convolutions with weight normalisation, ReLU and dropout, whose dilation
    doubles. The horizon is read from the last step by the decoder of Wen et al., https://arxiv.org/abs/1711.11053,
    section 3.2: the paper forecasts no horizon. There are as many blocks as it takes to see the whole look-back, unless
    ``depth`` says otherwise. Windows are normalised by their mean and deviation, which the paper does not do.

    Args:
        hidden: How many channels.
        kernel_size: How many steps a convolution sees.
        depth: How many blocks; empty takes as many as the look-back needs.
        decoder_hidden: The length of the decoder's hidden layers.
        drop_rate: Dropout behind each convolution.
        **common: What every model for series takes: ``data``, ``loss``, ``level`` ...
    """

    covariates: ClassVar[tuple[str, ...]] = ("past", "future", "static")

    def __init__(
        self,
        hidden: int = 64,
        kernel_size: int = 3,
        depth: int | None = None,
        decoder_hidden: int = 64,
        drop_rate: float = 0.1,
        **common: Any,
    ) -> None:
        super().__init__(**{"normalize": "standard", **common})
        self.hidden = hidden
        self.kernel_size = kernel_size
        self.depth = depth
        self.decoder_hidden = decoder_hidden
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        depth = self.depth or blocks_for(self.layout.look_back, self.kernel_size)
        inputs = inputs_of(self.layout)
        blocks = [
            _Block(inputs if level == 0 else self.hidden, self.hidden, self.kernel_size, 2**level, self.drop_rate)
            for level in range(depth)
        ]
        return _Convolved(blocks, self.layout, self.head.numbers, self.hidden, self.decoder_hidden)


def blocks_for(look_back: int, kernel_size: int) -> int:
    """How many blocks see all of a look-back: together they see ``1 + 2 (kernel - 1) (2^blocks - 1)`` steps."""
    blocks = 1
    while 1 + 2 * (kernel_size - 1) * (2**blocks - 1) < look_back and kernel_size > 1:
        blocks += 1
    return blocks


class _Convolved(nn.Module):
    def __init__(self, blocks: list[_Block], layout: Layout, numbers: int, hidden: int, decoder_hidden: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.decoder = ContextDecoder(layout, numbers, hidden, decoder_hidden)

    def forward(self, window: Window) -> Tensor:
        channels = self.blocks(steps_of(window).transpose(1, 2))
        found: Tensor = self.decoder(channels[..., -1], window)
        return found


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel_size: int, dilation: int, drop_rate: float) -> None:
        super().__init__()
        self.reach = (kernel_size - 1) * dilation
        self.first = weight_norm(nn.Conv1d(inputs, outputs, kernel_size, dilation=dilation))
        self.second = weight_norm(nn.Conv1d(outputs, outputs, kernel_size, dilation=dilation))
        self.drop = nn.Dropout(drop_rate)
        self.around = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        found = x
        for convolution in (self.first, self.second):
            found = self.drop(functional.relu(convolution(functional.pad(found, (self.reach, 0)))))
        return functional.relu(found + self.around(x))
