"""ResNets for small images: resnet20, 32, 44 and 56."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from framework_plugins_vision.model import BaseVisionModel

WIDTHS = (16, 32, 64)


class CifarResNet(BaseVisionModel):
    """The ResNet for CIFAR-10 of He et al., https://arxiv.org/abs/1512.03385, section 4.2.

    6n+2 layers: a 3x3 convolution, three stages of n blocks with 16, 32 and 64 channels, global average pooling and
    a linear layer. Shortcuts where the shape changes have no parameters (option A): every second pixel, zeros for
    new channels. Weights start as in He et al., https://arxiv.org/abs/1502.01852, equation 10.

    Args:
        depth: The number of layers: 20, 32, 44, 56 or any other 6n+2.
        **common: What every model for images takes: ``data``, ``loss``, ``label_smoothing`` ...
    """

    def __init__(self, depth: int = 20, **common: Any) -> None:
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(f"depth is 6n+2 (8, 14, 20, 26, 32 ...), not {depth}")
        super().__init__(**common)
        self.depth = depth

    def _build_model(self) -> nn.Module:
        blocks: list[nn.Module] = []
        channels = WIDTHS[0]
        for stage, width in enumerate(WIDTHS):
            for block in range((self.depth - 2) // 6):
                blocks.append(_Block(channels, width, stride=2 if stage and not block else 1))
                channels = width
        network = nn.Sequential(
            nn.Conv2d(self.data.channels, WIDTHS[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(WIDTHS[0]),
            nn.ReLU(inplace=True),
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, self.data.num_outputs),
        )
        return network.apply(_start)


class _Block(nn.Module):
    """Two 3x3 convolutions around a shortcut without parameters."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.stride = stride
        self.new_channels = width - channels

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, height, width)`` to the same, or to half the size and more channels."""
        y = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        if self.new_channels:
            half = self.new_channels // 2
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, half, self.new_channels - half))
        return functional.relu(y + shortcut, inplace=True)


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)
