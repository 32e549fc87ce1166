"""Wide residual networks for small images."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from framework_plugins_vision.model import BaseVisionModel


class WideResNet(BaseVisionModel):
    """The wide residual network WRN-d-k of Zagoruyko and Komodakis, https://arxiv.org/abs/1605.07146, table 1.

    6n+4 layers: a 3x3 convolution with 16 channels, three stages of n pre-activation blocks with 16k, 32k and 64k
    channels, dropout between the convolutions of a block (section 2.4), global average pooling, a linear layer.

    Args:
        depth: The number of layers, 6n+4.
        widen: The factor k.
        drop_rate: Dropout inside each block.
        **common: What every model for images takes: ``data``, ``loss``, ``label_smoothing`` ...
    """

    def __init__(self, depth: int = 28, widen: int = 10, drop_rate: float = 0.0, **common: Any) -> None:
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth is 6n+4 (10, 16, 22, 28 ...), not {depth}")
        super().__init__(**common)
        self.depth = depth
        self.widen = widen
        self.drop_rate = drop_rate

    def _build_model(self) -> nn.Module:
        blocks: list[nn.Module] = []
        channels = 16
        for stage, width in enumerate((16 * self.widen, 32 * self.widen, 64 * self.widen)):
            for block in range((self.depth - 4) // 6):
                blocks.append(_Block(channels, width, 2 if stage and not block else 1, self.drop_rate))
                channels = width
        network = nn.Sequential(
            nn.Conv2d(self.data.channels, 16, 3, padding=1, bias=False),
            *blocks,
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, self.data.num_outputs),
        )
        return network.apply(_start)


class _Block(nn.Module):
    """Normalisation, ReLU and convolution, twice, beside a shortcut."""

    def __init__(self, channels: int, width: int, stride: int, drop_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(drop_rate)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(channels, width, 1, stride, bias=False) if channels != width else None

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, height, width)`` to the same, or to half the size and more channels."""
        activated = functional.relu(self.norm1(x), inplace=True)
        shortcut = x if self.shortcut is None else self.shortcut(activated)
        y = self.dropout(functional.relu(self.norm2(self.conv1(activated)), inplace=True))
        summed: Tensor = self.conv2(y) + shortcut
        return summed


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
